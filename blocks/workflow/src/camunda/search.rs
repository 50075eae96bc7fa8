//! What the queries of this interface have in common: how their parameters are written, which part
//! of a list is wanted, and in which order.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use chrono::{DateTime, Utc};
use kernel::{Error, Result, Text};
use sea_orm::Order;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _},
};
use utoipa::{IntoParams, ToSchema};
use web::WebError;

use super::value;

/// Parameters in an address. One that is not known is told: left aside, it would be answered with
/// more than was asked for.
pub(super) struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, WebError> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => {
                let reason = rejection.body_text();
                let text = Text::new("workflow-query-unread").with("reason", reason);
                Err(Error::invalid("query", text).into())
            }
        }
    }
}

/// `a,b` in an address, `["a", "b"]` in a body.
pub(super) fn words<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        List(Vec<String>),
    }
    let written = Option::<Written>::deserialize(from)?;
    Ok(written.map(|written| match written {
        Written::Text(text) => crate::store::list(&text),
        Written::List(words) => words,
    }))
}

/// A switch that cannot be on here. Left aside, it would do less than was asked for.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(into = "bool")]
pub(super) struct Off;

impl From<Off> for bool {
    fn from(_: Off) -> Self {
        false
    }
}

impl<'de> Deserialize<'de> for Off {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if bool::deserialize(from)? {
            return Err(D::Error::custom("`true` is not supported here"));
        }
        Ok(Self)
    }
}

/// A moment as this interface writes it.
pub(super) fn moment<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else {
        return Ok(None);
    };
    let read = value::moment(&text).ok_or_else(|| {
        D::Error::custom(format!(
            "`{text}` is no moment as `2026-03-02T09:00:00.000+0800`, in an address `%2B` for `+`"
        ))
    })?;
    Ok(Some(read.with_timezone(&Utc)))
}

/// Which part of a list is wanted, by place.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Paging {
    /// Entries before the first one wanted.
    #[param(example = 0)]
    pub first_result: Option<u32>,
    /// Entries wanted at the most; 500, whatever is asked for.
    #[param(example = 50)]
    pub max_results: Option<u32>,
}

/// Entries of one answer; programs that want more go on with `firstResult`.
const MOST: u32 = 500;

impl Paging {
    /// What the address says, else what the body does.
    pub fn or(self, body: Self) -> Self {
        Self {
            first_result: self.first_result.or(body.first_result),
            max_results: self.max_results.or(body.max_results),
        }
    }

    pub fn first(self) -> u64 {
        self.first_result.unwrap_or(0).into()
    }

    pub fn most(self) -> u64 {
        self.max_results.unwrap_or(MOST).min(MOST).into()
    }

    /// The part of a list that is at hand as a whole, and so given as a whole when no part is
    /// asked for.
    pub fn of<T>(self, all: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        let size = |number: Option<u32>| number.and_then(|number| usize::try_from(number).ok());
        let most = size(self.max_results).unwrap_or(usize::MAX);
        all.skip(size(self.first_result).unwrap_or(0)).take(most)
    }
}

/// How many entries a query finds.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = CamundaCount, example = json!({"count": 6}))]
pub(super) struct Count {
    pub count: u64,
}

impl From<u64> for Count {
    fn from(count: u64) -> Self {
        Self { count }
    }
}

/// By what a list is ordered.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[schema(as = CamundaSorting)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Sorting {
    #[schema(example = "created")]
    pub sort_by: Option<String>,
    /// `asc` or `desc`; `asc` when left out.
    #[schema(example = "desc")]
    pub sort_order: Option<String>,
}

/// The order that a query asks for; `known` gives a column for each word.
pub(super) fn order<C: Copy>(
    address: &Sorting,
    body: &[Sorting],
    known: &[(&str, C)],
) -> Result<Vec<(C, Order)>> {
    let is_given = address.sort_by.is_some() || address.sort_order.is_some();
    let one_of = |field, words: Vec<&str>| {
        let text = Text::new("workflow-filter-word").with("known", words.join(", "));
        Error::invalid(field, text)
    };
    let all = is_given.then_some(address).into_iter().chain(body);
    all.map(|sorting| {
        let by = sorting.sort_by.as_deref().unwrap_or_default();
        let found = known.iter().find(|(word, _)| *word == by);
        let words = || known.iter().map(|(word, _)| *word).collect();
        let (_, column) = found.ok_or_else(|| one_of("sortBy", words()))?;
        match sorting.sort_order.as_deref() {
            None | Some("asc") => Ok((*column, Order::Asc)),
            Some("desc") => Ok((*column, Order::Desc)),
            Some(_) => Err(one_of("sortOrder", vec!["asc", "desc"])),
        }
    })
    .collect()
}

/// A piece of a pattern of SQL.
#[derive(PartialEq)]
enum Piece {
    /// `%`
    Any,
    /// `_`
    One,
    Letter(char),
}

/// Whether a text is like a pattern, as `store::dialect::like` has it for columns.
pub(super) fn is_like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.to_ascii_lowercase().chars().collect();
    let pieces = pieces(pattern);
    let (mut at, mut piece) = (0, 0);
    // What follows the last `%`, and up to where that has taken the text.
    let mut last = None;
    while let Some(letter) = text.get(at) {
        let fits = match pieces.get(piece) {
            Some(Piece::Any) => {
                piece += 1;
                last = Some((piece, at));
                continue;
            }
            Some(Piece::One) => true,
            Some(Piece::Letter(wanted)) => wanted == letter,
            None => false,
        };
        match &mut last {
            _ if fits => (at, piece) = (at + 1, piece + 1),
            Some((after, taken)) => {
                *taken += 1;
                (at, piece) = (*taken, *after);
            }
            None => return false,
        }
    }
    let mut left = pieces.iter().skip(piece);
    left.all(|piece| *piece == Piece::Any)
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut letters = pattern.chars().map(|c| c.to_ascii_lowercase());
    let mut pieces = Vec::new();
    while let Some(letter) = letters.next() {
        pieces.push(match letter {
            '%' => Piece::Any,
            '_' => Piece::One,
            '\\' => Piece::Letter(letters.next().unwrap_or('\\')),
            letter => Piece::Letter(letter),
        });
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn patterns_are_those_of_sql() {
        for (pattern, fits) in [
            ("%order%", true),
            ("ORDER%", true),
            ("order-_", true),
            ("%-%7", true),
            ("o%e%r%7", true),
            ("order-7%", true),
            ("order", false),
            ("%order", false),
            ("order-__", false),
            ("", false),
            ("%\\_7", false),
            ("order\\-7", true),
        ] {
            assert_eq!(is_like("Order-7", pattern), fits, "{pattern}");
        }
        assert!(is_like("", "%") && is_like("100%", "100\\%") && is_like("审批", "_批"));
        let long = "a".repeat(10_000);
        assert!(!is_like(&long, &format!("{}b", "%a".repeat(50))));
    }
}
