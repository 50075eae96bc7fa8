//! The one error type of every act. It knows nothing of HTTP; `web` turns it into a page or a
//! problem body, in the reader's language.

use std::fmt;

/// Words for a person, by key of a Fluent message and its arguments; `web` translates them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Text {
    pub key: &'static str,
    pub args: Vec<(&'static str, String)>,
}

impl Text {
    pub fn new(key: &'static str) -> Self {
        Self {
            key,
            args: Vec::new(),
        }
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.args.push((name, value.to_string()));
        self
    }
}

/// One thing wrong with an input: where, and which rule it breaks. The message named by `text`
/// states the rule and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Name of the form field, JSON pointer, or `row 12, column "name"` in bulk input.
    pub field: String,
    pub text: Text,
}

impl Finding {
    pub fn new(field: impl Into<String>, text: Text) -> Self {
        Self {
            field: field.into(),
            text,
        }
    }
}

/// Why an act did not happen. Whatever the variant, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody is signed in, and the act needs somebody.
    #[error("not signed in")]
    NotSignedIn,
    /// The actor may know the thing exists but may not do this to it.
    #[error("not allowed: {action}")]
    Forbidden { action: String },
    /// No such thing, or the actor may not know that it exists.
    #[error("{what} not found")]
    NotFound { what: &'static str },
    /// The input breaks rules; every finding names its field.
    #[error("invalid input: {}", summary(.0))]
    Invalid(Vec<Finding>),
    /// The input is right, but the state of things does not allow the act now
    /// (already decided, taken by somebody else, out of time).
    #[error("refused: {}", .0.key)]
    Refused(Text),
    /// A part that the act needs is out of reach for now; trying again later may help.
    #[error("unavailable")]
    Unavailable(#[source] Fault),
    /// Something failed that the user cannot help.
    #[error("internal failure")]
    Fault(#[from] Fault),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A single wrong field.
    pub fn invalid(field: impl Into<String>, text: Text) -> Self {
        Self::Invalid(vec![Finding::new(field, text)])
    }

    /// The state of things does not allow the act; `key` names the message that says why and
    /// what to do.
    pub fn refused(key: &'static str) -> Self {
        Self::Refused(Text::new(key))
    }
}

fn summary(findings: &[Finding]) -> String {
    let all: Vec<_> = findings
        .iter()
        .map(|f| format!("{}: {}", f.field, f.text.key))
        .collect();
    all.join(", ")
}

/// A failure of storage, network or code, kept with its source for the log and never shown.
#[derive(Debug)]
pub struct Fault {
    what: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    /// The other side could not be reached or asked to be asked again.
    pub is_transient: bool,
}

impl Fault {
    /// `what` names the thing that failed: lower case, no final stop.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            source: None,
            is_transient: false,
        }
    }

    pub fn caused_by(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            what: what.into(),
            source: Some(source.into()),
            is_transient: false,
        }
    }

    #[must_use]
    pub fn transient(mut self) -> Self {
        self.is_transient = true;
        self
    }

    /// The whole chain in one line, for a log.
    pub fn chain(&self) -> String {
        let mut line = self.what.clone();
        let mut next = std::error::Error::source(self);
        while let Some(error) = next {
            line.push_str(": ");
            line.push_str(&error.to_string());
            next = error.source();
        }
        line
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
