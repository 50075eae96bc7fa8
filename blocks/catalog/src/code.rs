//! Resource codes (信息资源代码): a front part that says the class, a back part that counts.
//!
//! Class 1 digit, then 2, then 3, then levels of two digits each; a stroke; the number in that
//! class. Structure and widths are the guide's of 2017, six digits of the number are ours.

use kernel::Text;

/// Longest code that metadata may have.
pub const LONGEST: usize = 64;
/// Characters of a class down to its third level.
const STEM: usize = 6;

/// A code taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceCode {
    pub front: String,
    pub back: String,
}

impl ResourceCode {
    /// The code of the nth resource of a class.
    pub fn nth(front: &str, number: i64) -> Self {
        Self {
            front: front.to_owned(),
            back: format!("{number:06}"),
        }
    }
}

impl std::fmt::Display for ResourceCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.front, self.back)
    }
}

/// Takes a code apart. Letters in the deeper levels are tolerated, as other systems have them.
pub fn parse(text: &str) -> Result<ResourceCode, Text> {
    let wrong = || Text::new("catalog-code-form");
    let (front, back) = text.split_once('/').ok_or_else(wrong)?;
    let is_back = (1..=20).contains(&back.len()) && back.bytes().all(|b| b.is_ascii_alphanumeric());
    if !is_class(front) || !is_back {
        return Err(wrong());
    }
    Ok(ResourceCode {
        front: front.to_owned(),
        back: back.to_owned(),
    })
}

/// Whether this is a whole classification: class, group, kind, and any deeper levels.
pub fn is_class(front: &str) -> bool {
    let is_long = (STEM..=STEM + 20).contains(&front.len());
    let digits = |range: std::ops::Range<usize>| {
        front
            .get(range)
            .is_some_and(|part| part.bytes().all(|b| b.is_ascii_digit()))
    };
    is_long
        && front.starts_with(['1', '2', '3'])
        && digits(1..STEM)
        && front.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The classes above one, the widest first, and itself: `1`, `101`, `101001`, `10100101`.
pub fn line(class: &str) -> Vec<&str> {
    let mut ends = vec![1, 3, STEM];
    ends.extend((STEM + 2..=class.len()).step_by(2));
    ends.into_iter()
        .filter_map(|end| class.get(..end))
        .collect()
}

/// The code as a part of a file's name.
pub fn in_file_name(code: &str) -> String {
    code.replace('/', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_and_others_refused() {
        for code in [
            "101001/000001",
            "10100101/000027",
            "3110050102/000001",
            "221211003/1003",
        ] {
            assert_eq!(parse(code).unwrap().to_string(), code);
        }
        for code in [
            "401001/000001",
            "10101/000001",
            "101001000001",
            "101001/",
            "1010a1/1",
            "101001/1/2",
        ] {
            assert!(parse(code).is_err(), "{code}");
        }
    }

    #[test]
    fn a_class_stands_in_a_line() {
        assert_eq!(
            line("3110050102"),
            ["3", "311", "311005", "31100501", "3110050102"]
        );
        assert_eq!(line("101"), ["1", "101"]);
        assert_eq!(ResourceCode::nth("101001", 27).to_string(), "101001/000027");
    }
}
