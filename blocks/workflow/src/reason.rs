//! Why a process stopped, in the reader's language.
//!
//! The core tells it as one English sentence, which is kept in the instance, in the trail and in
//! the sealed event, so that it stays the same whoever reads it. Pages say it by its pattern here;
//! what has none, as the words of a service that failed, is shown as it is.

use web::Page;

/// Sentences of the core and the key of their words. `{reason}` is such a sentence again.
const SENTENCES: &[(&str, &str)] = &[
    (
        "`{source}` gives `{value}`, which no timer can use",
        "workflow-stop-timer",
    ),
    ("the timer has no time", "workflow-stop-timer-empty"),
    (
        "`{source}` is no text but `{value}`",
        "workflow-stop-no-text",
    ),
    (
        "`{source}` is no list but `{value}`",
        "workflow-stop-no-list",
    ),
    (
        "`{source}` is no whole number but `{value}`",
        "workflow-stop-no-number",
    ),
    ("{count} instances are too many", "workflow-stop-many"),
    (
        "more than 100000 runs of activities begin in one step",
        "workflow-stop-many-runs",
    ),
    (
        "the number of instances is not given",
        "workflow-stop-no-count",
    ),
    ("the loop does not come to an end", "workflow-stop-loop"),
    (
        "processes call one another without end",
        "workflow-stop-deep",
    ),
    (
        "the process calls itself again and again in one step",
        "workflow-stop-recursion",
    ),
    (
        "more than 2000 tokens are under way in one scope",
        "workflow-stop-tokens",
    ),
    (
        "the process runs in a circle without waiting for anything",
        "workflow-stop-circle",
    ),
    (
        "the calendar of the year {year} is not loaded",
        "workflow-stop-calendar",
    ),
    (
        "the step takes longer than ten seconds without waiting for anything",
        "workflow-stop-long",
    ),
    (
        "`{source}` takes longer than two seconds; let it loop over less",
        "workflow-stop-slow",
    ),
    (
        "`{source}` has no time: the expressions of this step take longer than five seconds together",
        "workflow-stop-slow-together",
    ),
    (
        "no condition of an outgoing flow is true, and none is the default",
        "workflow-stop-no-way",
    ),
    (
        "the decision `{name}` asks for the time; give it the date as an input",
        "workflow-stop-decision-clock",
    ),
    (
        "the decision `{name}` has no answer: {reason}",
        "workflow-stop-decision",
    ),
    (
        "the output `{name}` has no value: {reason}",
        "workflow-stop-output",
    ),
    (
        "the output of an instance has no value: {reason}",
        "workflow-stop-output-one",
    ),
    (
        "the message `{name}` carries {value}, and its conversation is that of {source}",
        "workflow-stop-conversation",
    ),
    (
        "the error `{code}` is not caught anywhere: {reason}",
        "workflow-stop-error-because",
    ),
    (
        "the error `{code}` is not caught anywhere",
        "workflow-stop-error",
    ),
    (
        "the due date `{value}` is neither a date nor a duration",
        "workflow-stop-due",
    ),
    (
        "`{name}=\"{source}\"` has no value",
        "workflow-stop-no-value",
    ),
    (
        "neither `tongban:org` nor the variable `org` says whose posts are meant",
        "workflow-stop-no-org",
    ),
    (
        "no service is registered under the name `{name}`",
        "workflow-stop-no-service",
    ),
    (
        "`{name}` failed {tries} times; at last: {reason}",
        "workflow-stop-service",
    ),
    (
        "the expression is too long or nested too deeply",
        "workflow-stop-expression-deep",
    ),
    ("the expression is empty", "workflow-stop-expression-empty"),
    (
        "functions outside of this server are not supported",
        "workflow-stop-outside",
    ),
    ("`{name}=\"{source}\"`: {reason}", "workflow-stop-attribute"),
    ("`{source}`: {reason}", "workflow-stop-expression"),
];

/// The sentence in the words of the page.
pub(crate) fn said(p: &Page, reason: &str) -> String {
    let known = SENTENCES
        .iter()
        .find_map(|(pattern, key)| Some((key, read(pattern, reason)?)));
    let Some((key, parts)) = known else {
        return reason.to_owned();
    };
    let args: Vec<(&str, String)> = parts
        .into_iter()
        .map(|(name, value)| match name {
            "reason" => (name, said(p, value)),
            _ => (name, value.to_owned()),
        })
        .collect();
    p.ta(key, args)
}

/// What stands at the places of a pattern, if the text is such a sentence.
fn read<'a>(pattern: &'static str, text: &'a str) -> Option<Vec<(&'static str, &'a str)>> {
    let mut pieces = pattern.split('{');
    let mut rest = text.strip_prefix(pieces.next()?)?;
    let mut parts = Vec::new();
    for piece in pieces {
        let (name, literal) = piece.split_once('}')?;
        let is_last = pattern.ends_with(&format!("{{{name}}}{literal}"));
        let (value, after) = if is_last {
            (rest.strip_suffix(literal)?, "")
        } else {
            rest.split_once(literal)?
        };
        parts.push((name, value));
        rest = after;
    }
    rest.is_empty().then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_gives_its_parts_back() {
        let (pattern, _) = SENTENCES[0];
        let text = "`due + 1` gives `12`, which no timer can use";
        assert_eq!(
            read(pattern, text),
            Some(vec![("source", "due + 1"), ("value", "12")])
        );
        assert_eq!(read(pattern, "the timer has no time"), None);
        assert_eq!(
            read("the timer has no time", "the timer has no time"),
            Some(vec![])
        );
        assert_eq!(
            read("the timer has no time", "the timer has no time left"),
            None
        );
    }

    #[test]
    fn every_sentence_is_found_by_its_own_pattern() {
        for (pattern, key) in SENTENCES {
            let mut text = (*pattern).to_owned();
            for name in [
                "source", "value", "count", "name", "code", "tries", "reason", "year",
            ] {
                text = text.replace(&format!("{{{name}}}"), "x y");
            }
            let found = SENTENCES.iter().find(|(p, _)| read(p, &text).is_some());
            assert_eq!(found.map(|(_, key)| key), Some(key), "{text}");
        }
    }
}
