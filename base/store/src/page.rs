//! Keyset paging: a page is what comes after a key.

/// Which page. `after` is the `next` of the page before; it means nothing to anybody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    pub after: Option<String>,
    /// Items at the most.
    pub limit: u32,
}

/// Items on a page when nobody said how many.
pub const USUAL_LIMIT: u32 = 50;
/// Items on a page whatever anybody said.
pub const LARGEST_LIMIT: u32 = 500;

impl Default for PageRequest {
    fn default() -> Self {
        Self {
            after: None,
            limit: USUAL_LIMIT,
        }
    }
}

impl PageRequest {
    /// From what a caller sent: an empty key is the beginning, and the limit is bounded.
    pub fn new(after: Option<String>, limit: Option<u32>) -> Self {
        Self {
            after: after.filter(|key| !key.is_empty()),
            limit: limit.unwrap_or(USUAL_LIMIT).clamp(1, LARGEST_LIMIT),
        }
    }

    /// How many rows to ask the database for: one more than the page holds, to know whether
    /// there is a next one.
    pub fn fetch(&self) -> u64 {
        u64::from(self.limit) + 1
    }

    /// The parts of a key that [`key_of`] joined; `None` at the beginning, or when the key has
    /// another number of parts and so is not one of ours.
    pub fn after_parts<const N: usize>(&self) -> Option<[&str; N]> {
        let parts: Vec<&str> = self.after.as_deref()?.splitn(N, SEPARATOR).collect();
        parts.try_into().ok()
    }

    /// The page out of the rows that were fetched; `key` is what the order ends in.
    pub fn cut<T>(
        &self,
        rows: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> String,
    ) -> PageOf<T> {
        let limit = self.limit as usize;
        let mut rows = rows.into_iter();
        let items: Vec<T> = rows.by_ref().take(limit).collect();
        let next = rows.next().and_then(|_| items.last()).map(key);
        PageOf { items, next }
    }
}

/// Items, and the key after which the next page begins, if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageOf<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

impl<T> PageOf<T> {
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> PageOf<U> {
        PageOf {
            items: self.items.into_iter().map(change).collect(),
            next: self.next,
        }
    }
}

/// Not in ids, numbers or dates, and left alone in a url.
const SEPARATOR: char = '~';

/// The key of an order by several columns; the last part, the id, may contain anything.
pub fn key_of<const N: usize>(parts: [&dyn std::fmt::Display; N]) -> String {
    let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
    parts.join(&SEPARATOR.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another_until_the_end() {
        let mut page = PageRequest::new(Some(String::new()), Some(2));
        let mut seen = Vec::new();
        loop {
            let after: i32 = page.after.as_deref().map_or(0, |key| key.parse().unwrap());
            let fetched = (after + 1..=5).take(usize::try_from(page.fetch()).unwrap());
            let cut = page.cut(fetched, ToString::to_string);
            seen.push(cut.items);
            let Some(next) = cut.next else { break };
            page.after = Some(next);
        }
        assert_eq!(seen, [vec![1, 2], vec![3, 4], vec![5]]);
    }

    #[test]
    fn a_key_of_two_columns_comes_apart_again() {
        let key = key_of([&1_700_000_000_000_000_i64, &"id~odd"]);
        let page = PageRequest::new(Some(key), None);
        assert_eq!(page.after_parts(), Some(["1700000000000000", "id~odd"]));
        let foreign = PageRequest::new(Some("x".into()), None);
        assert_eq!(foreign.after_parts::<2>(), None);
    }

    #[test]
    fn limits_are_bounded() {
        assert_eq!(PageRequest::new(None, Some(0)).limit, 1);
        assert_eq!(PageRequest::new(None, Some(1_000_000)).limit, LARGEST_LIMIT);
    }
}
