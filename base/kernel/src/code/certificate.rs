//! Identifiers of electronic certificates (电子证照标识, GB/T 36904):
//! `root.type.issuer.serial.version.check`.

use std::fmt;

use super::{is_alphanumeric, is_digits, mod37_36, normalise, piece, uscc};
use crate::Text;

/// The root that every identifier begins with. It is not part of what is checked.
pub const ROOT: &str = "1.2.156.3005.2";

/// A checked identifier (ZZBS).
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct CertificateId {
    kind: String,
    issuer: String,
    serial: String,
    version: u16,
    check: char,
}

impl CertificateId {
    /// The type of the certificate: the social credit code of who defined it, and three digits.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The social credit code of the issuing body; some systems put a region code here.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// 1 for the first issue, one more for every re-issue or change.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The identifier of the next issue of the same certificate.
    pub fn next_version(&self) -> Result<Self, CertificateError> {
        build(
            &self.kind,
            &self.issuer,
            &self.serial,
            self.version.saturating_add(1),
        )
    }

    /// What is unusual about the identifier without making it wrong.
    pub fn warnings(&self) -> Vec<CertificateWarning> {
        let definer = uscc::parse(piece(&self.kind, 0, 18));
        [
            (definer.is_err(), CertificateWarning::Definer),
            (
                uscc::parse(&self.issuer).is_err(),
                CertificateWarning::Issuer,
            ),
        ]
        .into_iter()
        .filter_map(|(holds, warning)| holds.then_some(warning))
        .collect()
    }
}

impl fmt::Display for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            issuer,
            serial,
            version,
            check,
        } = self;
        write!(f, "{ROOT}.{kind}.{issuer}.{serial}.{version:03}.{check}")
    }
}

serde_as_text!(CertificateId, CertificateError);

/// Why a text is no certificate identifier; the first fault in the order of the variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("certificate identifier does not begin with {ROOT}")]
    Root,
    #[error("certificate identifier needs type, issuer, serial, version and check")]
    Parts,
    #[error("type of the certificate is not 18 characters and 3 digits")]
    Kind,
    #[error("issuer of the certificate is not 6 to 18 digits or capital letters")]
    Issuer,
    #[error("serial of the certificate is not 1 to 64 digits or capital letters")]
    Serial,
    #[error("version of the certificate is not 001 to 999")]
    Version,
    #[error("check character of the certificate identifier is wrong")]
    Check,
}

impl CertificateError {
    /// The stable reason code for interfaces and statistics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Root => "ROOT",
            Self::Parts => "PARTS",
            Self::Kind => "TYPE",
            Self::Issuer => "ISSUER",
            Self::Serial => "SERIAL",
            Self::Version => "VERSION",
            Self::Check => "CHECK",
        }
    }

    pub fn text(&self) -> Text {
        match self {
            Self::Root => Text::new("kernel-certificate-root").with("root", ROOT),
            Self::Parts => Text::new("kernel-certificate-parts"),
            Self::Kind => Text::new("kernel-certificate-kind"),
            Self::Issuer => Text::new("kernel-certificate-issuer"),
            Self::Serial => Text::new("kernel-certificate-serial"),
            Self::Version => Text::new("kernel-certificate-version"),
            Self::Check => Text::new("kernel-certificate-check"),
        }
    }
}

findable!(CertificateError);

/// What is unusual about an identifier that is accepted all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateWarning {
    /// The type does not begin with a valid social credit code.
    Definer,
    /// The issuer is no valid social credit code.
    Issuer,
}

impl CertificateWarning {
    pub fn text(&self) -> Text {
        Text::new(match self {
            Self::Definer => "kernel-certificate-warning-definer",
            Self::Issuer => "kernel-certificate-warning-issuer",
        })
    }
}

/// The identifier of a certificate; letters must be capital already.
pub fn build(
    kind: &str,
    issuer: &str,
    serial: &str,
    version: u16,
) -> Result<CertificateId, CertificateError> {
    if kind.len() != 21 || !is_alphanumeric(kind) || !is_digits(piece(kind, 18, 21)) {
        return Err(CertificateError::Kind);
    }
    if !(6..=18).contains(&issuer.len()) || !is_alphanumeric(issuer) {
        return Err(CertificateError::Issuer);
    }
    if serial.len() > 64 || !is_alphanumeric(serial) {
        return Err(CertificateError::Serial);
    }
    if !(1..=999).contains(&version) {
        return Err(CertificateError::Version);
    }
    let body = format!("{kind}{issuer}{serial}{version:03}");
    let check = mod37_36::check_character(&body).ok_or(CertificateError::Serial)?;
    Ok(CertificateId {
        kind: kind.to_owned(),
        issuer: issuer.to_owned(),
        serial: serial.to_owned(),
        version,
        check,
    })
}

/// Reads an identifier.
pub fn parse(text: &str) -> Result<CertificateId, CertificateError> {
    let text = normalise(text);
    let rest = text
        .strip_prefix(ROOT)
        .and_then(|rest| rest.strip_prefix('.'));
    let parts: Vec<&str> = rest.ok_or(CertificateError::Root)?.split('.').collect();
    let &[kind, issuer, serial, version, check] = parts.as_slice() else {
        return Err(CertificateError::Parts);
    };
    let version = if version.len() == 3 && is_digits(version) {
        version.parse().ok()
    } else {
        None
    };
    // Zero stands for an unreadable version; `build` refuses it after what comes before it.
    let id = build(kind, issuer, serial, version.unwrap_or_default())?;
    if check == id.check.encode_utf8(&mut [0; 4]) {
        Ok(id)
    } else {
        Err(CertificateError::Check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "11110000000000019K";

    #[test]
    fn published_and_our_own_identifiers_hold() {
        for rest in [
            "11100000000013338W011.11430000006122244L.20230000403.001.U",
            "11100000MB03271699022.340100.000000016.001.9",
            "11100000000013338W009.11330105002500287C.2025052201.002.0",
            "11110000000000019K001.11110000000000019K.2025000001.001.D",
            "11110000000000019K001.11110000000000019K.2025000001.002.B",
            "11110000000000019K002.12500000400000026C.A1B2C3D4E5F60718293A.001.I",
            "11110000000000019K003.11110000000000019K.209FA4E88F9E4C878F3E9BED2CE7EA49.001.S",
        ] {
            let text = format!("{ROOT}.{rest}");
            let id = parse(&text).unwrap_or_else(|fault| unreachable!("{text}: {fault}"));
            assert_eq!(id.to_string(), text);
            let rebuilt = build(id.kind(), id.issuer(), id.serial(), id.version());
            assert_eq!(rebuilt, Ok(id));
        }
    }

    #[test]
    fn each_fault_has_its_reason() {
        let kind = "11110000000000019K001";
        for (text, reason) in [
            (format!("{ROOT}.{kind}.{ISSUER}.2025000001.001.E"), "CHECK"),
            (format!("{ROOT}.{kind}.{ISSUER}.2025000001.1.D"), "VERSION"),
            (
                format!("{ROOT}.{kind}.{ISSUER}.2025000001.000.D"),
                "VERSION",
            ),
            (format!("{ROOT}.{kind}.{ISSUER}.2025-00001.001.D"), "SERIAL"),
            (format!("{ROOT}.{kind}.{ISSUER}..001.D"), "SERIAL"),
            (
                format!("1.2.156.3005.3.{kind}.{ISSUER}.2025000001.001.D"),
                "ROOT",
            ),
            (
                format!("1.2.156.3003.2.{kind}.{ISSUER}.2025000001.001.D"),
                "ROOT",
            ),
            (format!("{ROOT}{kind}"), "ROOT"),
            (format!("{ROOT}.{kind}.{ISSUER}.2025000001.001"), "PARTS"),
            (
                format!("{ROOT}.{kind}.{ISSUER}.2025000001.001.D.D"),
                "PARTS",
            ),
            (format!("{ROOT}.1111.{ISSUER}.2025000001.001.D"), "TYPE"),
            (format!("{ROOT}.{kind}.1111.2025000001.001.D"), "ISSUER"),
            (format!("{ROOT}.{kind}.{ISSUER}.2025000001.001.汉"), "CHECK"),
            (String::new(), "ROOT"),
        ] {
            assert_eq!(parse(&text).unwrap_err().reason(), reason, "{text}");
        }
    }

    #[test]
    fn an_issuer_that_is_no_body_is_accepted_with_a_warning() {
        let id = parse("1.2.156.3005.2.11100000MB03271699022.340100.000000016.001.9").unwrap();
        assert!(id.warnings().contains(&CertificateWarning::Issuer));
        let id = build("11110000000000019K001", ISSUER, "2025000001", 1).unwrap();
        assert_eq!(id.warnings(), []);
    }

    #[test]
    fn a_reissue_counts_on() {
        let id = build("11110000000000019K001", ISSUER, "2025000001", 1).unwrap();
        let next = id.next_version().unwrap();
        assert!(next.to_string().ends_with(".2025000001.002.B"));
        let last = build("11110000000000019K001", ISSUER, "1", 999).unwrap();
        assert_eq!(last.next_version(), Err(CertificateError::Version));
    }
}
