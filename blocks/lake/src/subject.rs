//! Whom rows and questions are about, so that a person can be told who used her data.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use datafusion::{
    error::DataFusionError,
    prelude::{Expr, SessionContext, ident, lit},
};
use kernel::{
    Fault, Result,
    code::{citizen, uscc},
};
use tokio::time::Instant;
use web::App;

use crate::{
    Lake, Table, cell,
    declaration::store as declarations,
    delta::{self, TABLES},
};

/// The rows about somebody in one table, each as texts by column.
#[derive(Clone, Debug)]
pub struct Found {
    pub table: Table,
    pub rows: Vec<BTreeMap<String, String>>,
}

/// What a search for somebody found.
#[derive(Clone, Debug, Default)]
pub struct Search {
    pub found: Vec<Found>,
    /// Tables that could not be searched now.
    pub left: Vec<Table>,
}

/// How long all tables together may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Rows of one table at the most.
const ROWS: usize = 200;

/// The rows about a person or firm with these numbers, in every table that says whom its rows are
/// about. Values are whole, and no policy is asked: whoever calls knows that it is she who asks.
pub async fn rows_about(app: &App, numbers: &[String]) -> Result<Search> {
    let lake = app.part::<Lake>()?;
    let mut search = Search::default();
    let tables = declarations::list(app.db().read()).await?;
    let tables = tables.into_iter().filter(|t| t.subjects().next().is_some());
    let end = Instant::now() + PATIENCE;
    let seat = tokio::time::timeout_at(end, lake.0.searches.acquire()).await;
    let Ok(Ok(_seat)) = seat else {
        search.left = tables.collect();
        return Ok(search);
    };
    for table in tables {
        let (lake_of, of, numbers) = ((*lake).clone(), table.clone(), numbers.to_vec());
        let work = lake
            .runtime()?
            .spawn(async move { rows_in(&lake_of, &of, &numbers).await });
        let work = tokio_util::task::AbortOnDropHandle::new(work);
        match tokio::time::timeout_at(end, work).await {
            Ok(Ok(Ok(rows))) if rows.is_empty() => {}
            Ok(Ok(Ok(rows))) => search.found.push(Found { table, rows }),
            other => {
                tracing::warn!(?other, table = table.id, "a table could not be searched");
                search.left.push(table);
            }
        }
    }
    Ok(search)
}

async fn rows_in(
    lake: &Lake,
    table: &Table,
    numbers: &[String],
) -> Result<Vec<BTreeMap<String, String>>> {
    let broken = |e: DataFusionError| Fault::caused_by("search a lake table", e);
    let Some(open) = lake.0.place.open(TABLES, &table.id, None).await? else {
        return Ok(Vec::new());
    };
    let context = SessionContext::new_with_state(delta::spilling());
    open.update_datafusion_session(&context.state())
        .map_err(delta::failed("search a lake table"))?;
    let frame = context
        .read_table(delta::provider(&open, None).await?)
        .map_err(broken)?;
    // Check characters are written small by some.
    let all: BTreeSet<String> = numbers
        .iter()
        .flat_map(|number| [number.clone(), number.to_lowercase()])
        .collect();
    let all: Vec<Expr> = all.into_iter().map(lit).collect();
    let subjects = table.subjects().map(|column| column.id.as_str());
    let there = subjects.filter(|id| frame.schema().has_column_with_unqualified_name(id));
    let conditions = there.map(|id| ident(id).in_list(all.clone(), false));
    let Some(condition) = conditions.reduce(Expr::or) else {
        return Ok(Vec::new());
    };
    let frame = frame.filter(condition).map_err(broken)?;
    let frame = frame.limit(0, Some(ROWS)).map_err(broken)?;
    let mut rows = Vec::new();
    for batch in frame.collect().await.map_err(broken)? {
        let schema = batch.schema();
        for cells in cell::rows(&batch)? {
            let names = schema.fields().iter().map(|field| field.name().clone());
            rows.push(names.zip(cells).filter_map(known).collect());
        }
    }
    Ok(rows)
}

fn known((name, value): (String, serde_json::Value)) -> Option<(String, String)> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some((name, text)),
        other => Some((name, other.to_string())),
    }
}

/// Characters of a citizen number, and of a firm's code.
const NUMBER: usize = 18;

/// Numbers of persons and firms that are written in a text, with their check characters right.
pub(crate) fn named_in(text: &str) -> BTreeSet<String> {
    let runs = text.split(|c: char| !c.is_ascii_alphanumeric());
    runs.filter(|run| run.len() == NUMBER)
        .map(str::to_ascii_uppercase)
        .filter(|run| {
            let (body, check) = run.split_at(NUMBER - 1);
            let is_right =
                |character: Option<char>| character.is_some_and(|c| check.starts_with(c));
            is_right(citizen::check_character(body)) || is_right(uscc::check_character(body))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::named_in;

    #[test]
    fn numbers_are_found_where_they_are_written() {
        let sql = "SELECT 1 FROM t WHERE a IN ('34000019961227988x', '113210009900000174') \
            AND b = '320000199001010030' AND c LIKE '%123456789012345675%'";
        let number = |text: &str| named_in(text).into_iter().collect::<Vec<_>>();
        assert!(number(sql).contains(&"113210009900000174".to_owned()));
        assert_eq!(number("'123456789012345675'"), Vec::<String>::new());
        assert_eq!(number("x113210009900000174"), Vec::<String>::new());
    }
}
