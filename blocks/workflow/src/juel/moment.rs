//! Now and what is counted from it, as Camunda writes it: `now()`, `dateTime()`, and of the dates
//! of Joda-Time `plusWeeks(1)`, `minusDays(n)` and their like, with or without a last `toDate()`.

use super::{Kind, Parser, Piece, Token};
use crate::expr::NOW;

/// A unit in the name of a method, and how many of which of FEEL's durations it is.
const UNITS: [(&str, u32, &str); 6] = [
    ("Years", 1, "P1Y"),
    ("Months", 1, "P1M"),
    ("Weeks", 7, "P1D"),
    ("Days", 1, "P1D"),
    ("Hours", 1, "PT1H"),
    ("Minutes", 1, "PT1M"),
];

impl Piece {
    pub(super) fn now() -> Result<Self, String> {
        Self::new(format!("date and time({NOW})"), Kind::Moment)
    }

    /// As operand of a moment: a text is one if it says one, in China's time where it names no zone.
    fn moment(&self) -> String {
        let text = &self.feel;
        if self.kind == Kind::Moment {
            return text.clone();
        }
        let is_whole = format!(
            "ends with({text}, \"Z\") or substring({text}, -6, 1) = \"+\" or substring({text}, -6, 1) = \"-\""
        );
        format!(
            "date and time(if string length({text}) = 10 then {text} + \"T00:00:00+08:00\" else if {is_whole} then {text} else {text} + \"+08:00\")"
        )
    }
}

/// How two moments, or texts that say one, stand to one another. The library compares those of
/// different zones by their clocks on the wall, but what lies between them it knows.
pub(super) fn compare(left: &Piece, sign: &str, right: &Piece) -> String {
    let (left, right) = (left.moment(), right.moment());
    format!("(if {left} - {right} {sign} duration(\"PT0S\") then true else false)")
}

impl Parser {
    /// Whether the word just read is a clock that is called; the empty brackets are read then.
    pub(super) fn calls_a_clock(&mut self, word: &str) -> bool {
        let next = self.tokens.get(self.at..self.at + 2);
        let is_called = matches!(next, Some([Token::Sign("("), Token::Sign(")")]));
        let is_clock = is_called && matches!(word, "now" | "dateTime");
        self.at += if is_clock { 2 } else { 0 };
        is_clock
    }

    /// After the dot behind a moment.
    pub(super) fn method_of_moment(&mut self, moment: &Piece) -> Result<Piece, String> {
        let Some(Token::Word(name)) = self.tokens.get(self.at).cloned() else {
            return Err("a property name is missing".to_owned());
        };
        self.at += 1;
        let unsupported = || format!("calling the Java method `{name}` is not supported");
        if !self.take("(") {
            return Err(unsupported());
        }
        if name == "toDate" && self.take(")") {
            return Piece::new(moment.feel.clone(), Kind::Moment);
        }
        let (sign, unit) = match (name.strip_prefix("plus"), name.strip_prefix("minus")) {
            (Some(unit), _) => ("+", unit),
            (_, Some(unit)) => ("-", unit),
            _ => return Err(unsupported()),
        };
        let known = UNITS.iter().find(|(known, ..)| *known == unit);
        let (_, times, span) = known.ok_or_else(unsupported)?;
        let count = self.choice()?.number();
        self.expect(")")?;
        let feel = format!(
            "({} {sign} duration(\"{span}\") * ({count} * {times}))",
            moment.feel
        );
        Piece::new(feel, Kind::Moment)
    }
}
