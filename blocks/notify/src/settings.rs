//! Where mail goes out.

/// An [`App`](web::App) part; without a host no mail is sent.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// SMTP server; empty if there is none.
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    /// Empty if the server asks for no password.
    pub user: String,
    pub password: String,
    /// Sender, as `云港通办 <no-reply@yungang.example>`.
    pub from: String,
    /// Seconds after which a silent server is given up for this time.
    pub timeout_seconds: u64,
}

/// How the way to the server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// Encrypted from the first byte (port 465).
    Always,
    /// Encrypted after a greeting (port 587); a server that does not offer it is refused.
    #[default]
    Starttls,
    /// In the clear, for a server on the same machine.
    None,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 587,
            tls: Tls::default(),
            user: String::new(),
            password: String::new(),
            from: "tongban@localhost".into(),
            timeout_seconds: 20,
        }
    }
}
