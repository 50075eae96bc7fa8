//! Codes of service matters (政务服务事项): basic code, implementation code, handling code.
//!
//! Imports from older systems have other layouts; those are kept beside these as local codes and
//! never parsed.

use std::fmt;

use super::region::Level;
use super::{is_digits, normalise, piece, uscc};
use crate::Text;

/// 基本编码: province 2 (`00` nationwide), type 2, department 2, main item 3, sub-item 3 (`000`
/// none).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BasicCode(String);

impl BasicCode {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn province(&self) -> &str {
        piece(&self.0, 0, 2)
    }

    /// The type of the matter (事项类型), `01` for a licence.
    pub fn kind(&self) -> &str {
        piece(&self.0, 2, 4)
    }

    pub fn department(&self) -> &str {
        piece(&self.0, 4, 6)
    }

    pub fn main_item(&self) -> &str {
        piece(&self.0, 6, 9)
    }

    pub fn sub_item(&self) -> &str {
        piece(&self.0, 9, 12)
    }

    pub fn has_sub_item(&self) -> bool {
        self.sub_item() != "000"
    }
}

impl fmt::Display for BasicCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// 实施编码: the implementing body's social credit code 18, level 1, basic code 12; a handling
/// code (业务办理项编码) has a serial of two digits more.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct TaskCode(String);

impl TaskCode {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The social credit code of the implementing body.
    pub fn body(&self) -> &str {
        piece(&self.0, 0, 18)
    }

    /// The level at which the matter is implemented.
    pub fn level(&self) -> Option<Level> {
        self.0.chars().nth(18).and_then(Level::from_digit)
    }

    pub fn basic(&self) -> BasicCode {
        BasicCode(piece(&self.0, 19, 31).to_owned())
    }

    /// The serial of a handling code, `01` to `99`.
    pub fn handling(&self) -> Option<&str> {
        self.0.get(31..33)
    }

    /// The handling code with this serial.
    pub fn with_handling(&self, serial: u8) -> Result<Self, MatterError> {
        if !(1..=99).contains(&serial) {
            return Err(MatterError::Handling);
        }
        Ok(Self(format!("{}{serial:02}", piece(&self.0, 0, 31))))
    }

    /// Fails unless the code's type is that of the matter it stands for.
    pub fn check_kind(&self, kind: &str) -> Result<(), MatterError> {
        if self.basic().kind() == kind {
            Ok(())
        } else {
            Err(MatterError::Kind)
        }
    }
}

impl fmt::Display for TaskCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(TaskCode, MatterError);

/// Why a text is no code of a matter; the first fault in the order of the variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatterError {
    #[error("basic code needs 12 digits, implementation code 31 characters, handling code 33")]
    Length,
    #[error("level in the implementation code is not 1 to 6")]
    Level,
    #[error("basic code is not made of digits")]
    Basic,
    #[error("serial of the handling code is not 01 to 99")]
    Handling,
    #[error("social credit code inside the implementation code is wrong")]
    Body,
    #[error("type in the code differs from the type of the matter")]
    Kind,
}

impl MatterError {
    pub fn text(&self) -> Text {
        Text::new(match self {
            Self::Length => "kernel-matter-length",
            Self::Level => "kernel-matter-level",
            Self::Basic => "kernel-matter-basic",
            Self::Handling => "kernel-matter-handling",
            Self::Body => "kernel-matter-body",
            Self::Kind => "kernel-matter-kind",
        })
    }
}

findable!(MatterError);

/// Reads a basic code of 12 digits.
pub fn parse_basic(text: &str) -> Result<BasicCode, MatterError> {
    let code = normalise(text);
    if code.chars().count() != 12 {
        return Err(MatterError::Length);
    }
    if is_digits(&code) {
        Ok(BasicCode(code))
    } else {
        Err(MatterError::Basic)
    }
}

/// Reads an implementation code of 31 or a handling code of 33 characters.
pub fn parse(text: &str) -> Result<TaskCode, MatterError> {
    let code = normalise(text);
    let has_handling = match code.chars().count() {
        31 => false,
        33 => true,
        _ => return Err(MatterError::Length),
    };
    if !code.is_ascii() {
        return Err(MatterError::Body);
    }
    if code.chars().nth(18).and_then(Level::from_digit).is_none() {
        return Err(MatterError::Level);
    }
    if !is_digits(piece(&code, 19, 31)) {
        return Err(MatterError::Basic);
    }
    let serial = piece(&code, 31, 33);
    if has_handling && (!is_digits(serial) || serial == "00") {
        return Err(MatterError::Handling);
    }
    uscc::parse(piece(&code, 0, 18)).map_err(|_| MatterError::Body)?;
    Ok(TaskCode(code))
}

/// The implementation code of a body's matter.
pub fn build(body: &uscc::Uscc, level: Level, basic: &BasicCode) -> TaskCode {
    TaskCode(format!("{body}{}{basic}", level.digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = "12441500196720244T3442199806003";

    #[test]
    fn a_basic_code_tells_its_parts() {
        let code = parse_basic("000131009000").unwrap();
        let parts = (
            code.province(),
            code.kind(),
            code.department(),
            code.main_item(),
        );
        assert_eq!(parts, ("00", "01", "31", "009"));
        assert!(!code.has_sub_item());
        assert_eq!(parse_basic("00013100900"), Err(MatterError::Length));
        assert_eq!(parse_basic("00013100900A"), Err(MatterError::Basic));
    }

    #[test]
    fn an_implementation_code_tells_its_parts() {
        let code = parse(TASK).unwrap();
        assert_eq!(code.body(), "12441500196720244T");
        assert_eq!(code.level(), Some(Level::City));
        let basic = code.basic();
        assert_eq!(basic.as_str(), "442199806003");
        assert_eq!(
            (basic.province(), basic.kind(), basic.department()),
            ("44", "21", "99")
        );
        assert_eq!((basic.main_item(), basic.sub_item()), ("806", "003"));
        assert_eq!(code.handling(), None);
        assert_eq!(code.check_kind("21"), Ok(()));
        assert_eq!(code.check_kind("01"), Err(MatterError::Kind));
        let body = uscc::parse(code.body()).unwrap();
        assert_eq!(build(&body, Level::City, &basic), code);
    }

    #[test]
    fn a_handling_code_has_a_serial() {
        let code = parse(TASK).unwrap().with_handling(7).unwrap();
        assert_eq!(code.as_str(), format!("{TASK}07"));
        assert_eq!(parse(code.as_str()).unwrap().handling(), Some("07"));
        assert_eq!(
            parse(TASK).unwrap().with_handling(0),
            Err(MatterError::Handling)
        );
        assert_eq!(
            parse(TASK).unwrap().with_handling(100),
            Err(MatterError::Handling)
        );
    }

    #[test]
    fn faults_are_named() {
        for (text, fault) in [
            ("12441500196720244T344219980600", MatterError::Length),
            ("12441500196720244T34421998060031", MatterError::Length),
            ("12441500196720244T0442199806003", MatterError::Level),
            ("12441500196720244T7442199806003", MatterError::Level),
            ("12441500196720244T344219980600X", MatterError::Basic),
            ("12441500196720244A3442199806003", MatterError::Body),
            ("12441500196720244T344219980600300", MatterError::Handling),
            ("汉2441500196720244T3442199806003", MatterError::Body),
            ("", MatterError::Length),
        ] {
            assert_eq!(parse(text), Err(fault), "{text}");
        }
    }
}
