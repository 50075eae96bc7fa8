//! The second factor: time-based one-time codes (RFC 6238), their secrets encrypted at rest.

use base64::{Engine, engine::general_purpose::STANDARD};
use kernel::{
    Error, Fault, Result,
    crypto::{EnvelopeKey, Suite},
};
use totp_rs::{Builder, Totp};

/// The key under which second-factor secrets are kept; an [`App`](web::App) part. Without it
/// nobody can add a second factor, because its secret would lie open in the database.
#[derive(Clone, Debug)]
pub struct Vault {
    pub suite: &'static dyn Suite,
    pub key: EnvelopeKey,
}

impl Vault {
    /// With the key in that file (64 hexadecimal digits), which is made when it is not there and
    /// readable by its owner only. Who loses the file makes all second factors useless.
    pub fn at(path: &std::path::Path, suite: &'static dyn Suite) -> Result<Self, Fault> {
        let unreadable = || format!("second-factor key {}", path.display());
        if !path.exists() {
            let key = EnvelopeKey::generate().map_err(|e| Fault::caused_by(unreadable(), e))?;
            write_secret(path, &hex::encode(key.to_bytes()))
                .map_err(|e| Fault::caused_by(unreadable(), e))?;
        }
        let text = std::fs::read_to_string(path).map_err(|e| Fault::caused_by(unreadable(), e))?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes)
            .map_err(|e| Fault::caused_by(unreadable(), e))?;
        Ok(Self {
            suite,
            key: EnvelopeKey::from_bytes(bytes),
        })
    }

    /// The context binds a secret to its user: it cannot be moved to another row.
    pub(crate) fn seal(&self, user: &str, secret: &[u8]) -> Result<String> {
        let envelope = self
            .suite
            .encrypt(&self.key, context(user).as_bytes(), secret)?;
        Ok(STANDARD.encode(envelope))
    }

    pub(crate) fn open(&self, user: &str, envelope: &str) -> Result<Vec<u8>> {
        let envelope = STANDARD
            .decode(envelope)
            .map_err(|e| Fault::caused_by("read a second-factor secret", e))?;
        Ok(self
            .suite
            .decrypt(&self.key, context(user).as_bytes(), &envelope)?)
    }
}

/// Writes a file that only its owner can read, and that is there whole or not at all.
fn write_secret(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

fn context(user: &str) -> String {
    format!("identity_user.totp_secret:{user}")
}

/// A secret as long as the SHA-1 block that authenticator apps expect.
pub(crate) fn generate() -> Result<[u8; 20]> {
    crate::secret::bytes()
}

/// What an authenticator needs; shown once.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Enrolment {
    /// `otpauth://totp/…`, for apps that open links.
    pub url: String,
    /// The secret in base32, to be typed by hand.
    #[schema(example = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")]
    pub secret: String,
    /// The link as a QR picture.
    pub svg: String,
}

pub(crate) fn enrolment(issuer: &str, login: &str, secret: &[u8]) -> Result<Enrolment> {
    let totp = totp(secret)?;
    let text = totp.secret().to_base32();
    let issuer = crate::page::escape(issuer);
    let url = format!(
        "otpauth://totp/{issuer}:{}?secret={text}&issuer={issuer}",
        crate::page::escape(login)
    );
    let code = qrcode::QrCode::new(url.as_bytes())
        .map_err(|e| Fault::caused_by("draw a second-factor code", e))?;
    let svg = code
        .render::<qrcode::render::svg::Color>()
        .min_dimensions(200, 200)
        .build();
    // The XML declaration may not stand inside a page.
    let svg = svg
        .find("<svg")
        .and_then(|at| svg.get(at..))
        .unwrap_or_default()
        .to_owned();
    Ok(Enrolment {
        url,
        secret: text,
        svg,
    })
}

fn totp(secret: &[u8]) -> Result<Totp, Fault> {
    Builder::new()
        .with_secret(secret)
        .with_skew(1)
        .build()
        .map_err(|e| Fault::caused_by("second-factor secret", e))
}

/// The time step that a code belongs to, if it is right now (one step of clock difference is
/// forgiven) and later than `last_step`: a code that somebody looked at over a shoulder is spent.
pub(crate) fn step(
    secret: &[u8],
    code: &str,
    now: chrono::DateTime<chrono::Utc>,
    last_step: i64,
) -> Result<Option<i64>> {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let step = totp(secret)?.check(code.trim(), seconds);
    let step = step.and_then(|step| i64::try_from(step).ok());
    Ok(step.filter(|step| *step > last_step))
}

/// The code of a moment, for tests and for programs that hold the secret (base32).
pub fn code_at(secret: &str, at: chrono::DateTime<chrono::Utc>) -> Result<String> {
    let secret = totp_rs::Secret::try_from_base32(secret)
        .map_err(|_| Error::refused("identity-second-factor-code-wrong"))?;
    let seconds = u64::try_from(at.timestamp()).unwrap_or_default();
    Ok(totp(secret.as_ref())?.generate(seconds).to_string())
}
