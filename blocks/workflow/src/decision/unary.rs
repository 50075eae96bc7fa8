//! Input entries that are tests of their own.
//!
//! DMN 1.5, 7.3 lets an input entry be any expression: where it is true the rule matches, and `?` in
//! it is the value of the column. The library compares the column's value with that of the entry
//! instead. So a column with such an entry is turned around: its value becomes `true`, and each of
//! its entries says whether it holds.

use crate::{expr::plain_parts, tree::Element};

/// Functions and words that make an entry true or false.
const TESTS: &[&str] = &[
    "contains(",
    "starts with(",
    "ends with(",
    "matches(",
    "is defined(",
    " and ",
    " or ",
    " instance of ",
    "some ",
    "every ",
];

/// Turns the columns of all tables around that need it.
pub(super) fn turn_tests(element: &mut Element) {
    if element.name == "decisionTable" {
        turn_table(element);
    }
    element.children.iter_mut().for_each(turn_tests);
}

fn turn_table(table: &mut Element) {
    let columns = table.children_named("input").count();
    for column in 0..columns {
        let rules = || table.children.iter().filter(|child| child.name == "rule");
        let mut entries = rules().filter_map(|rule| entry(rule, column));
        if entries.any(|entry| is_test(&entry)) {
            turn_column(table, column);
        }
    }
}

fn entry(rule: &Element, column: usize) -> Option<String> {
    let entry = rule.children_named("inputEntry").nth(column)?;
    Some(entry.child("text")?.text.trim().to_owned())
}

/// Whether an entry says by itself if it holds.
fn is_test(entry: &str) -> bool {
    let parts = plain_parts(entry);
    let has = |wanted: &str| parts.iter().any(|part| part.contains(wanted));
    if has("?") {
        return true;
    }
    let begins_otherwise = entry.starts_with(|c: char| !c.is_alphabetic());
    if begins_otherwise {
        return false;
    }
    TESTS.iter().any(|test| has(test)) || has("=") || has("<") || has(">")
}

fn turn_column(table: &mut Element, column: usize) {
    let mut inputs = table.children.iter_mut().filter(|c| c.name == "input");
    let Some(input) = inputs.nth(column) else {
        return;
    };
    let Some(expression) = input
        .children
        .iter_mut()
        .find(|c| c.name == "inputExpression")
    else {
        return;
    };
    expression.attributes.retain(|a| a.name != "typeRef");
    let Some(text) = expression.children.iter_mut().find(|c| c.name == "text") else {
        return;
    };
    let value = std::mem::replace(&mut text.text, "true".to_owned());
    input.children.retain(|child| child.name != "inputValues");
    let rules = table.children.iter_mut().filter(|c| c.name == "rule");
    for rule in rules {
        let mut entries = rule.children.iter_mut().filter(|c| c.name == "inputEntry");
        let text = entries
            .nth(column)
            .and_then(|entry| entry.children.iter_mut().find(|c| c.name == "text"));
        if let Some(text) = text {
            text.text = turned(&text.text, &value);
        }
    }
}

/// An entry as an expression that is true where it holds for the value.
fn turned(entry: &str, value: &str) -> String {
    let entry = entry.trim();
    if entry.is_empty() || entry == "-" {
        return "-".to_owned();
    }
    let negated = entry
        .strip_prefix("not(")
        .and_then(|rest| rest.strip_suffix(')'))
        .filter(|inner| split(inner).is_some());
    let holds = |list: &str| {
        let parts = split(list).unwrap_or_else(|| vec![list]);
        let parts: Vec<String> = parts.iter().map(|part| one(part.trim(), value)).collect();
        parts.join(" or ")
    };
    match negated {
        Some(inner) => format!("(not(({}) = true) = true)", holds(inner)),
        None => format!("(({}) = true)", holds(entry)),
    }
}

fn one(part: &str, value: &str) -> String {
    let plain = plain_parts(part);
    if plain.iter().any(|text| text.contains('?')) {
        return format!("(({}) = true)", with_value(part, value));
    }
    let compared = format!("(({value}) in ({part}))");
    if part.starts_with(['<', '>', '[', ']', '(', '=', '!', '-']) {
        return compared;
    }
    format!("({compared} or (({part}) = true))")
}

/// The entry with the column's value in place of `?`.
fn with_value(entry: &str, value: &str) -> String {
    let mut out = String::new();
    let mut in_string = false;
    let mut is_escaped = false;
    for c in entry.chars() {
        if in_string {
            in_string = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
            out.push(c);
        } else if c == '?' {
            out.extend(["(", value, ")"]);
        } else {
            in_string = c == '"';
            out.push(c);
        }
    }
    out
}

/// The parts between commas that stand in no bracket and no text; none where brackets do not close
/// in their order.
fn split(list: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut depth, mut begun) = (0_usize, 0);
    let (mut in_string, mut is_escaped) = (false, false);
    for (at, c) in list.char_indices() {
        if in_string {
            in_string = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
            continue;
        }
        match c {
            '"' => in_string = true,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                parts.push(list.get(begun..at)?);
                begun = at + 1;
            }
            _ => {}
        }
    }
    parts.push(list.get(begun..)?);
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_told_apart() {
        for entry in [
            r#"contains(?, "a")"#,
            "? > 3 and ? < 9",
            r#"s = "abc""#,
            r#"list contains(["abc"], s)"#,
            "limit < 5",
        ] {
            assert!(is_test(entry), "{entry}");
        }
        for entry in [
            "-",
            r#""why?","b""#,
            "< 3, > 7",
            "[1..5]",
            "not(3)",
            "limit",
            r#"date("2026-01-01")"#,
            r#"not("a","b")"#,
        ] {
            assert!(!is_test(entry), "{entry}");
        }
    }

    #[test]
    fn entries_are_turned_around() {
        assert_eq!(turned(" - ", "x"), "-");
        assert_eq!(turned("< 3", "x"), "((((x) in (< 3))) = true)");
        let own = turned(r#"contains(?, "?")"#, "x");
        assert_eq!(own, r#"((((contains((x), "?")) = true)) = true)"#);
        let several = turned(r#""a,b", ? = "c""#, "x");
        assert!(several.contains(r#"(x) in ("a,b")"#), "{several}");
        assert!(several.contains(r#"(x) = "c""#), "{several}");
    }
}
