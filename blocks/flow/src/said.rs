//! Why something does not go on, as it is kept: keys of messages and their arguments.

use kernel::{Error, Fault, Finding, Result};
use serde::{Deserialize, Serialize};

/// One thing that is wrong: where, and which message says the rule and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = FlowProblem)]
pub struct Said {
    #[schema(example = "columns.xm")]
    pub field: String,
    #[schema(example = "flow-type-differs")]
    pub key: String,
    /// Names and values of the message's arguments.
    pub args: Vec<(String, String)>,
}

impl From<&Finding> for Said {
    fn from(finding: &Finding) -> Self {
        let args = finding.text.args.iter();
        Self {
            field: finding.field.clone(),
            key: finding.text.key.to_owned(),
            args: args.map(|(n, v)| ((*n).to_owned(), v.clone())).collect(),
        }
    }
}

impl Said {
    fn plain(key: &str) -> Self {
        Self {
            field: String::new(),
            key: key.to_owned(),
            args: Vec::new(),
        }
    }
}

/// What a steward is told of an error. What nobody can help is in the log.
pub(crate) fn of_error(error: &Error) -> Vec<Said> {
    match error {
        Error::Invalid(findings) => findings.iter().map(Said::from).collect(),
        Error::Refused(text) => vec![Said::from(&Finding::new("", text.clone()))],
        Error::NotFound { .. } => vec![Said::plain("flow-problem-gone")],
        Error::Forbidden { .. } | Error::NotSignedIn => vec![Said::plain("flow-problem-forbidden")],
        Error::Unavailable(_) | Error::Fault(_) => vec![Said::plain("flow-problem-fault")],
    }
}

pub(crate) fn of_findings(findings: &[Finding]) -> Vec<Said> {
    findings.iter().map(Said::from).collect()
}

pub(crate) fn write(said: &[Said]) -> Result<String> {
    serde_json::to_string(said).map_err(|e| Fault::caused_by("write a problem", e).into())
}

/// Nothing where nothing is kept.
pub(crate) fn read(text: &str) -> Result<Vec<Said>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(text).map_err(|e| Fault::caused_by("read a problem", e).into())
}
