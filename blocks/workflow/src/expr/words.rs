//! Words of an expression: which of them FEEL uses itself, which may be variables, and what stands
//! outside of texts.

/// Words that FEEL itself uses; they are never taken for variables.
pub(super) const KEYWORDS: &[&str] = &[
    "and",
    "or",
    "not",
    "if",
    "then",
    "else",
    "for",
    "in",
    "return",
    "some",
    "every",
    "satisfies",
    "between",
    "instance",
    "of",
    "true",
    "false",
    "null",
    "function",
    "external",
    "date",
    "time",
    "duration",
];

/// Those of [`KEYWORDS`] that are keywords only before a bracket or in the name of a type.
const SOMETIMES: [&str; 3] = ["date", "time", "duration"];

/// Functions that translations of `${…}` call.
const TRANSLATIONS: &[&str] = &[
    "number",
    "string",
    "modulo",
    "contains",
    "list",
    "lower",
    "upper",
    "case",
    "starts",
    "ends",
    "with",
    "length",
    "count",
    "substring",
];

pub(super) const RENAMED: &str = "juel_";

/// The moment of the step, as translations of `${now()}` and `${dateTime()}` ask for it.
pub(crate) const NOW: &str = "juel_moment_of_step";

/// What a variable of `${…}` is called in FEEL: another name where FEEL or the translation itself
/// has a use for the word.
pub(crate) fn renamed(name: &str) -> String {
    if KEYWORDS.contains(&name) || TRANSLATIONS.contains(&name) {
        format!("{RENAMED}{name}")
    } else {
        name.to_owned()
    }
}

/// The words that stand somewhere for a value. A variable with the name of a function would hide
/// it otherwise: no JSON value can be called.
pub(super) fn variables(text: &str, words: &[String]) -> Vec<String> {
    let parts = plain_parts(text);
    let mut found = words.to_vec();
    found.retain(|word| word.contains(' ') || parts.iter().any(|part| is_value(part, word)));
    found
}

fn is_value(part: &str, word: &str) -> bool {
    part.match_indices(word).any(|(at, _)| {
        let before = part.get(..at).unwrap_or_default();
        let after = part.get(at + word.len()..).unwrap_or_default();
        let is_whole = !before.ends_with(is_word) && !after.starts_with(is_word);
        let (before, after) = (before.trim_end(), after.trim_start());
        let is_property = before.ends_with('.') && !before.ends_with("..");
        is_whole && !is_property && !after.starts_with('(')
    })
}

/// Words such as `date` that are variables in this text.
fn sometimes(text: &str) -> Vec<String> {
    if text.contains("instance of") || text.contains("function") {
        return Vec::new();
    }
    let plain: Vec<String> = plain_parts(text)
        .into_iter()
        .map(|part| part.replace("date and time", ""))
        .collect();
    let is_one = |word: &&str| {
        let is_called = calls(text, word);
        !is_called && plain.iter().any(|part| is_value(part, word))
    };
    SOMETIMES
        .into_iter()
        .filter(is_one)
        .map(str::to_owned)
        .collect()
}

pub(super) const FUNCTIONS_OF_SEVERAL_WORDS: &[&str] = &[
    "date and time",
    "years and months duration",
    "string length",
    "upper case",
    "lower case",
    "substring before",
    "substring after",
    "starts with",
    "ends with",
    "list contains",
    "insert before",
    "list replace",
    "index of",
    "distinct values",
    "day of week",
    "day of year",
    "month of year",
    "week of year",
    "get value",
    "get entries",
    "context put",
    "context merge",
    "round up",
    "round down",
    "round half up",
    "round half down",
    "string join",
    "met by",
    "overlaps before",
    "overlaps after",
    "finished by",
    "started by",
];

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

pub(super) fn calls(text: &str, function: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find(function) {
        let after = rest.get(at + function.len()..).unwrap_or_default();
        if after.trim_start().starts_with('(') {
            return true;
        }
        rest = after;
    }
    false
}

/// What stands outside of string literals.
pub(crate) fn plain_parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut begun = Some(0);
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match begun {
            Some(start) if c == '"' => {
                parts.extend(text.get(start..at));
                begun = None;
            }
            None if is_escaped => is_escaped = false,
            None if c == '\\' => is_escaped = true,
            None if c == '"' => begun = Some(at + 1),
            _ => {}
        }
    }
    parts.extend(begun.and_then(|start| text.get(start..)));
    parts
}

/// The words outside of string literals, each with what comes after it.
pub(super) fn plain_words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    plain_parts(text).into_iter().flat_map(|part| {
        let mut rest = part;
        std::iter::from_fn(move || {
            rest = rest.trim_start_matches(|c: char| !is_word(c));
            let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = after;
            (!word.is_empty()).then_some((word, after))
        })
    })
}

/// `a.b(…)`: FEEL would read it and answer null.
pub(super) fn calls_a_method(text: &str) -> bool {
    text.match_indices('(').any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default();
        let name = before.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_');
        name.len() < before.len() && name.ends_with('.')
    })
}

/// The distinct words outside string literals.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut in_string = false;
    let mut escaped = false;
    for c in text.chars().chain(std::iter::once(' ')) {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if is_word(c) {
            word.push(c);
        } else {
            let done = std::mem::take(&mut word);
            let starts_well = done.chars().next().is_some_and(|first| !first.is_numeric());
            if starts_well && !KEYWORDS.contains(&done.as_str()) && !words.contains(&done) {
                words.push(done);
            }
            in_string = c == '"';
        }
    }
    words.extend(sometimes(text));
    // As names of variables they would hide the types.
    for after in text.split("instance of ").skip(1) {
        let name: String = after
            .trim_start()
            .chars()
            .take_while(|c| is_word(*c))
            .collect();
        words.retain(|word| *word != name);
    }
    words
}

/// Whether it compares by `==`, which FEEL reads as being equal to a test.
pub(super) fn compares_doubly(text: &str) -> bool {
    let outside = text.split('"').step_by(2);
    outside.into_iter().any(|part| part.contains("=="))
}

/// Runs of two to five words with one space between, outside of string literals.
pub(super) fn runs_of_words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in text.split('"').step_by(2) {
        for piece in part.split(|c: char| !is_word(c) && c != ' ') {
            let words: Vec<&str> = piece.split_whitespace().collect();
            for run in words.split(|word| KEYWORDS.contains(word)) {
                for length in 2..=run.len().min(5) {
                    found.extend(run.windows(length).map(|names| names.join(" ")));
                }
            }
        }
    }
    found.retain(|name| name.chars().next().is_some_and(|first| !first.is_numeric()));
    found.truncate(100);
    found
}

/// Words that can only be variables from outside of an expression; `known` names, which may have
/// spaces, are left out.
pub(crate) fn outer_names(text: &str, known: &[String]) -> Vec<String> {
    let mut plain: String = text.split('"').step_by(2).collect::<Vec<_>>().join(" 0 ");
    let mut longest: Vec<&str> = known.iter().map(String::as_str).collect();
    longest.extend(FUNCTIONS_OF_SEVERAL_WORDS);
    longest.sort_by_key(|name| std::cmp::Reverse(name.len()));
    for name in longest.iter().filter(|name| name.contains(' ')) {
        plain = plain.replace(name, "0");
    }
    let mut found: Vec<String> = Vec::new();
    let mut local: Vec<String> = Vec::new();
    let mut before = "";
    let mut rest = plain.as_str();
    while let Some(at) = rest.find(|c: char| c.is_alphabetic() || c == '_') {
        let gap = rest.get(..at).unwrap_or_default();
        let tail = rest.get(at..).unwrap_or_default();
        let length = tail.find(|c: char| !is_word(c)).unwrap_or(tail.len());
        let (word, after) = tail.split_at(length);
        let is_property = gap.trim_end().ends_with('.') && !gap.trim_end().ends_with("..");
        let is_number = gap.chars().next_back().is_some_and(|c| c.is_ascii_digit());
        let next = after.trim_start();
        let is_called = next.starts_with('(');
        // A key of a context, not a name before a range.
        let is_key = next.starts_with(':');
        if matches!(before, "for" | "some" | "every") || is_key {
            local.push(word.to_owned());
        } else if !is_property
            && !is_number
            && !is_called
            && before != "of"
            && !KEYWORDS.contains(&word)
        {
            found.push(word.to_owned());
        }
        before = word;
        rest = after;
    }
    if text.contains("function") {
        // Parameters cannot be told from variables without parsing; nothing is missing then.
        return Vec::new();
    }
    found.retain(|name| !local.contains(name) && !known.contains(name));
    found
}
