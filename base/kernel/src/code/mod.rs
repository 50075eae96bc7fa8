//! Codes with structure and check characters: people, bodies, regions, matters, cases,
//! certificates.
//!
//! Every parser folds full-width characters, trims and upper-cases before it looks
//! ([`normalise`]), returns the first fault in a fixed order, and names it by a small enum whose
//! `text()` is a message and whose `at("field")` is a [`Finding`](crate::Finding). Code lists that
//! change with time (regions, departments, industries) are data of packs and never live here.

/// Gives a small error enum with `text()` its way into findings and acts' errors.
macro_rules! findable {
    ($error:ty) => {
        impl $error {
            /// This fault as a message at a form field, JSON pointer or column.
            pub fn at(&self, field: impl Into<String>) -> crate::Finding {
                crate::Finding::new(field, self.text())
            }
        }

        /// The field is empty: the input as a whole. Use `at` where a field has a name.
        impl From<$error> for crate::Error {
            fn from(error: $error) -> Self {
                Self::Invalid(vec![error.at("")])
            }
        }
    };
}

/// Reads a struct around a code as text, checking it, and writes it as that text.
macro_rules! serde_as_text {
    ($code:ty, $error:ty) => {
        impl TryFrom<String> for $code {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                parse(&text)
            }
        }

        impl std::str::FromStr for $code {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse(text)
            }
        }

        impl From<$code> for String {
            fn from(code: $code) -> Self {
                code.to_string()
            }
        }
    };
}

pub mod bank_card;
pub mod case_no;
pub mod certificate;
pub mod citizen;
pub mod matter;
pub mod mod37_36;
pub mod org;
pub mod region;
pub mod uscc;

/// How people type codes, brought to how codes are kept: full-width letters, digits and signs
/// become half-width, blanks around are dropped, letters become capital.
pub fn normalise(text: &str) -> String {
    let folded: String = text.chars().map(half_width).collect();
    folded.trim().to_ascii_uppercase()
}

fn half_width(c: char) -> char {
    match c {
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

/// A piece of a code that is known to be ASCII; empty where the code is too short.
fn piece(code: &str, from: usize, to: usize) -> &str {
    code.get(from..to).unwrap_or_default()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Digits and capital letters.
fn is_alphanumeric(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn typed_codes_are_folded_trimmed_and_capitalised() {
        assert_eq!(normalise("\u{3000}１１０１０５ａ－x \t"), "110105A-X");
        assert_eq!(normalise(""), "");
    }
}
