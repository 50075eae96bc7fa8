//! What an expression may cost: the library that evaluates it knows no bounds.

use super::words::{plain_parts, plain_words};

/// Operators in one expression at the most.
const MAX_OPERATORS: usize = 150;

/// Each operator is one level of the library's recursion.
pub(crate) fn is_too_deep(text: &str) -> bool {
    let signs = text
        .matches(['+', '-', '*', '/', '.', '=', '<', '>', '!', '&', '|', '?'])
        .count();
    let words = text
        .split_whitespace()
        .filter(|word| matches!(*word, "and" | "or" | "if" | "for" | "function"))
        .count();
    signs + words > MAX_OPERATORS
}

/// Functions in Java and the like; the word may be a text or a variable, too.
pub(crate) fn defines_outside(text: &str) -> bool {
    let has = |wanted| plain_words(text).any(|(word, _)| word == wanted);
    has("function") && has("external")
}

/// Words and functions of which a short text makes much work: loops, what repeats texts and lists,
/// what compares all with all.
const HEAVY: &[&str] = &[
    "for",
    "some",
    "every",
    "function",
    "sort",
    "union",
    "distinct",
    "duplicate",
    "index",
    "concatenate",
    "append",
    "flatten",
    "insert",
    "replace",
    "split",
    "join",
    "merge",
    "put",
];

/// Whether evaluating might take more than time in proportion to the variables: by loops, by
/// filters in filters, by entries of a context that are made of one another.
pub(crate) fn is_heavy(text: &str) -> bool {
    let mut entries: Vec<&str> = Vec::new();
    let mut used: Vec<&str> = Vec::new();
    for (word, after) in plain_words(text) {
        if HEAVY.contains(&word) {
            return true;
        }
        if after.trim_start().starts_with(':') {
            entries.push(word);
        } else {
            used.push(word);
        }
    }
    let parts = plain_parts(text);
    let filters: usize = parts.iter().map(|part| part.matches('[').count()).sum();
    // A quotation mark in a comment would hide what follows.
    let has_comment = text.contains("//") || text.contains("/*");
    has_comment || filters > 1 || entries.iter().any(|entry| used.contains(entry))
}

/// Numbers that a loop over a range may count through.
pub(super) const LARGEST_RANGE: u64 = 100_000;

/// A loop over `1..1000000000`. Bounds in variables are not seen; such a loop is stopped.
pub(super) fn has_huge_range(text: &str) -> bool {
    let loops = |word: &str| matches!(word, "for" | "some" | "every");
    plain_words(text).any(|(word, _)| loops(word))
        && text.match_indices("..").any(|(at, _)| {
            let digits = |part: &str| part.bytes().take_while(u8::is_ascii_digit).count();
            let after = text.get(at + 2..).unwrap_or_default().trim_start();
            let end: String = after.chars().take(digits(after)).collect();
            !end.is_empty() && end.parse::<u64>().map_or(true, |end| end > LARGEST_RANGE)
        })
}
