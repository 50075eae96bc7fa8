//! What somebody means who types something into the search box of a registry.

use kernel::code::normalise;

use crate::{
    Declaration, Field,
    declaration::Search,
    table::{ID, INITIALS, KEY, PINYIN},
};

/// Rows of one column in a range, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub column: String,
    pub range: Range,
    /// Value and id of the row after which the page begins.
    pub after: Option<(String, String)>,
    /// Whether what it finds is known to have a sensitive value: a look at each of it.
    pub is_look: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Range {
    All,
    Exact(String),
    /// From the first on, before the second where there is one.
    Prefix {
        from: String,
        to: Option<String>,
    },
}

impl Range {
    /// Whether a value lies in it.
    pub fn holds(&self, value: &str) -> bool {
        match self {
            Self::All => true,
            Self::Exact(only) => value == only,
            Self::Prefix { from, to } => {
                value >= from.as_str() && to.as_deref().is_none_or(|to| value < to)
            }
        }
    }
}

impl Plan {
    /// Everything, by id.
    pub fn all() -> Self {
        Self {
            column: ID.to_owned(),
            range: Range::All,
            after: None,
            is_look: false,
        }
    }

    fn prefix(column: &str, text: &str) -> Self {
        Self {
            column: column.to_owned(),
            range: Range::Prefix {
                from: text.to_owned(),
                to: after_prefix(text),
            },
            ..Self::all()
        }
    }

    fn exact(column: &str, text: &str) -> Self {
        Self {
            column: column.to_owned(),
            range: Range::Exact(text.to_owned()),
            ..Self::all()
        }
    }

    fn look(self) -> Self {
        Self {
            is_look: true,
            ..self
        }
    }
}

/// The first text that does not begin with the prefix, byte by byte.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut kept = prefix.to_owned();
    while let Some(last) = kept.pop() {
        let next = u32::from(last) + 1;
        // Surrogates are no characters; their place in the order is empty.
        let next = if next == 0xd800 { 0xe000 } else { next };
        if let Some(next) = char::from_u32(next) {
            kept.push(next);
            return Some(kept);
        }
    }
    None
}

/// The ways to understand a query, the likeliest first; the next is tried when one finds nothing.
/// `field` restricts it to one field; `None` if that cannot be searched.
pub fn plans(declaration: &Declaration, query: &str, field: Option<&str>) -> Option<Vec<Plan>> {
    let query = query.trim();
    if query.is_empty() {
        return Some(vec![Plan::all()]);
    }
    if let Some(field) = field {
        return of_field(declaration, field, query);
    }
    let folded = normalise(query);
    let mut plans = Vec::new();
    let typed = crate::pinyin::typed(&folded);
    // Names of firms may hold digits; codes begin with one.
    let is_latin = typed.starts_with(|c: char| c.is_ascii_alphabetic())
        && typed.bytes().all(|b| b.is_ascii_alphanumeric());
    if let Some(name) = declaration.pinyin() {
        if is_latin {
            plans.push(Plan::prefix(PINYIN, &typed));
            plans.push(Plan::prefix(INITIALS, &typed));
        } else if !folded.is_ascii() {
            plans.push(Plan::prefix(&name.id, query));
        }
    }
    // A key of one field is a code, or it is kept as it was written.
    let is_coded = match declaration.key.as_slice() {
        [only] => declaration
            .field(only)
            .is_some_and(crate::record::store::is_code),
        _ => false,
    };
    plans.extend(of_key(declaration, if is_coded { &folded } else { query }));
    let named = declaration.fields.iter();
    for other in named.filter(|f| f.search == Search::Prefix) {
        plans.push(of_text(other, query));
    }
    Some(plans)
}

/// Whether a part of the key is sensitive.
pub(crate) fn is_key_sensitive(declaration: &Declaration) -> bool {
    let mut parts = declaration
        .key
        .iter()
        .filter_map(|id| declaration.field(id));
    parts.any(Field::is_sensitive)
}

/// By key. One with a sensitive part is found by whole parts only: from its beginning somebody
/// would come to the masked rest, one character after the other.
fn of_key(declaration: &Declaration, query: &str) -> Vec<Plan> {
    if !is_key_sensitive(declaration) {
        return vec![Plan::prefix(KEY, query)];
    }
    let whole = Plan::exact(KEY, query).look();
    if declaration.key.len() == 1 {
        return vec![whole];
    }
    // Where the key is whole there is no next page, so a page's key means the first of these.
    vec![Plan::prefix(KEY, &format!("{query}|")).look(), whole]
}

/// By a field of texts that is not searched by pinyin.
fn of_text(field: &Field, query: &str) -> Plan {
    match (field.search, field.is_sensitive()) {
        (Search::Prefix, false) => Plan::prefix(&field.id, query),
        (_, false) => Plan::exact(&field.id, query),
        (_, true) => Plan::exact(&field.id, query).look(),
    }
}

fn of_field(declaration: &Declaration, field: &str, query: &str) -> Option<Vec<Plan>> {
    let field = declaration.field(field)?;
    if declaration.key == [field.id.clone()] {
        return Some(of_key(declaration, &normalise(query)));
    }
    if !crate::table::serves(field, Search::Exact) || field.kind != crate::declaration::Kind::Text {
        return None;
    }
    if field.search == Search::Pinyin {
        return Some(vec![Plan::prefix(&field.id, query)]);
    }
    let folded = normalise(query);
    let query = if crate::record::store::is_code(field) {
        &folded
    } else {
        query
    };
    Some(vec![of_text(field, query)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_prefix_is_the_next_character() {
        assert_eq!(after_prefix("张"), Some("弡".into()));
        assert_eq!(after_prefix("az"), Some("a{".into()));
        assert_eq!(after_prefix("a\u{10ffff}"), Some("b".into()));
        assert_eq!(after_prefix("\u{d7ff}"), Some("\u{e000}".into()));
        assert_eq!(after_prefix(""), None);
    }
}
