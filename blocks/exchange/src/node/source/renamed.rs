//! A source that has not a column any more: which one it probably became.

use arrow::datatypes::DataType;

use crate::data::Type;

/// What values of a column are like; databases call the same by many names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Text,
    Whole,
    Fraction,
    Boolean,
    Date,
    Moment,
    Other,
}

impl Family {
    pub fn of(kind: Type) -> Self {
        match kind {
            Type::Text => Self::Text,
            Type::Integer => Self::Whole,
            Type::Decimal { .. } | Type::Float => Self::Fraction,
            Type::Boolean => Self::Boolean,
            Type::Date => Self::Date,
            Type::Timestamp => Self::Moment,
        }
    }

    pub fn of_arrow(kind: &DataType) -> Self {
        match kind {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            DataType::Decimal128(_, 0) | DataType::Decimal256(_, 0) => Self::Whole,
            DataType::Decimal128(..) | DataType::Decimal256(..) => Self::Fraction,
            DataType::Boolean => Self::Boolean,
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Timestamp(..) => Self::Moment,
            kind if kind.is_integer() => Self::Whole,
            kind if kind.is_floating() => Self::Fraction,
            _ => Self::Other,
        }
    }
}

/// A column, and what its values are like where that is known.
pub type Column = (String, Option<Family>);

/// A column that is not there.
#[derive(Debug, PartialEq, Eq)]
pub struct Missing {
    pub name: String,
    pub became: Option<Guess>,
}

/// What it probably became, and why that is thought.
#[derive(Debug, PartialEq, Eq)]
pub struct Guess {
    pub name: String,
    pub is_same_type: bool,
    pub is_same_place: bool,
}

impl Missing {
    /// For people.
    pub fn told(&self) -> String {
        let Self { name, became } = self;
        let Some(guess) = became else {
            return format!("column {name} is not there any more");
        };
        let why = match (guess.is_same_type, guess.is_same_place) {
            (true, true) => "same type, same place",
            (true, false) => "same type",
            _ => "same place",
        };
        format!(
            "column {name} is not there any more; it probably became {} ({why})",
            guess.name
        )
    }
}

/// Columns of `wanted` that are not `there`, both in their order, and what they probably became:
/// one that nobody asks for between the same neighbours, or else the only one of its type.
/// `is_same` says whether what is there has a wanted name.
pub fn missing(
    wanted: &[Column],
    there: &[Column],
    is_same: impl Fn(&str, &str) -> bool,
) -> Vec<Missing> {
    let place_of = |name: &str| there.iter().position(|(own, _)| is_same(own, name));
    let places: Vec<Option<usize>> = wanted.iter().map(|(name, _)| place_of(name)).collect();
    let mut free: Vec<usize> = (0..there.len())
        .filter(|place| !places.contains(&Some(*place)))
        .collect();
    let mut all = Vec::new();
    for (n, (name, family)) in wanted.iter().enumerate() {
        if places.get(n).is_some_and(Option::is_some) {
            continue;
        }
        let is_alike = |place: &usize| match (there.get(*place), family) {
            (Some((_, Some(own))), Some(family)) => own == family,
            _ => false,
        };
        let (before, after) = (places.get(..n), places.get(n + 1..));
        let from = before.and_then(|all| all.iter().rev().flatten().next().copied());
        let until = after.and_then(|all| all.iter().flatten().next().copied());
        let is_near = |place: &usize| {
            from.is_none_or(|from| *place > from) && until.is_none_or(|until| *place < until)
        };
        // Of neighbours that all went the first comes first.
        let to_come = after.map_or(0, |all| all.iter().take_while(|p| p.is_none()).count());
        let near: Vec<usize> = free.iter().copied().filter(is_near).collect();
        let alike: Vec<usize> = free.iter().copied().filter(is_alike).collect();
        let both: Vec<usize> = near.iter().copied().filter(is_alike).collect();
        let has_types = family.is_some() && there.iter().all(|(_, own)| own.is_some());
        let found = match (near.first(), both.as_slice(), alike.as_slice()) {
            (Some(first), _, _) if near.len() == to_come + 1 && (is_alike(first) || !has_types) => {
                Some(*first)
            }
            (_, [one], _) | (_, [], [one]) => Some(*one),
            _ => None,
        };
        free.retain(|place| Some(*place) != found);
        let became = found.and_then(|place| {
            Some(Guess {
                name: there.get(place)?.0.clone(),
                is_same_type: is_alike(&place),
                is_same_place: is_near(&place),
            })
        });
        let name = name.clone();
        all.push(Missing { name, became });
    }
    all
}

/// Whether two names are one to a database, which reads them without regard to case and quotes.
pub fn is_same(own: &str, name: &str) -> bool {
    own.to_lowercase() == bare(name).to_lowercase()
}

fn bare(name: &str) -> &str {
    name.trim_matches(['"', '`', '[', ']'])
}

/// Whether what a setting names is a column, and not an expression.
pub fn is_column(source: &str) -> bool {
    let is_sign = |c: char| c.is_alphanumeric() || c == '_';
    !bare(source).is_empty() && bare(source).chars().all(is_sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(all: &[(&str, Family)]) -> Vec<Column> {
        let all = all.iter();
        all.map(|(name, family)| ((*name).to_owned(), Some(*family)))
            .collect()
    }

    fn check(wanted: &[(&str, Family)], there: &[(&str, Family)]) -> Vec<String> {
        let found = missing(&columns(wanted), &columns(there), is_same);
        let told = found.into_iter().map(|one| match one.became {
            Some(guess) => format!(
                "{}={} {}{}",
                one.name,
                guess.name,
                u8::from(guess.is_same_type),
                u8::from(guess.is_same_place)
            ),
            None => format!("{}=?", one.name),
        });
        told.collect()
    }

    #[test]
    fn a_column_became_one_of_its_type_at_its_place() {
        use Family::{Date, Text, Whole};
        let wanted = [("k", Text), ("n", Whole), ("w", Text)];
        assert_eq!(
            check(&wanted, &[("K", Text), ("N", Whole), ("W", Text)]),
            [""; 0]
        );
        let there = [("k", Text), ("n", Whole), ("word", Text), ("at", Date)];
        assert_eq!(check(&wanted, &there), ["w=word 11"]);
        // Two that became others at once, in their order.
        let there = [("k", Text), ("number", Whole), ("word", Text)];
        assert_eq!(check(&wanted, &there), ["n=number 11", "w=word 11"]);
        // Moved to another place.
        let there = [("number", Whole), ("k", Text), ("w", Text)];
        assert_eq!(check(&wanted, &there), ["n=number 10"]);
        // It may be either, or none.
        let there = [("k", Text), ("n", Whole), ("word", Text), ("note", Text)];
        assert_eq!(check(&wanted, &there), ["w=?"]);
        assert_eq!(check(&wanted, &[("k", Text), ("n", Whole)]), ["w=?"]);
        let there = [("k", Text), ("n", Whole), ("at", Date)];
        assert_eq!(check(&wanted, &there), ["w=?"]);
    }

    #[test]
    fn headings_of_files_have_a_place_only() {
        let untyped = |all: &[&str]| -> Vec<Column> {
            all.iter().map(|name| ((*name).to_owned(), None)).collect()
        };
        let (wanted, there) = (untyped(&["k", "n", "w"]), untyped(&["k", "number", "w"]));
        let found = missing(&wanted, &there, |own, name| own == name);
        let told: Vec<String> = found.iter().map(Missing::told).collect();
        assert_eq!(
            told,
            ["column n is not there any more; it probably became number (same place)"]
        );
    }

    #[test]
    fn expressions_are_no_columns() {
        assert!(is_column("姓名") && is_column("\"XM\"") && is_column("a_1"));
        assert!(!is_column("upper(xm)") && !is_column("a || b") && !is_column("t.a"));
    }
}
