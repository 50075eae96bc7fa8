//! The catalog as a file that people open, and that is read here again.

use identity::Actor;
use kernel::Result;
use store::page::{LARGEST_LIMIT, PageRequest};
use web::App;

use super::{COLUMNS, Lists, OF_ITEMS};
use crate::{
    class,
    metadata::{Item, Metadata},
    profile,
    resource::{act, store::Filter},
};

/// What kind of file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TableFormat)]
pub enum Format {
    #[default]
    Xlsx,
    Csv,
}

impl Format {
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    pub fn ending(self) -> &'static str {
        match self {
            Self::Xlsx => "xlsx",
            Self::Csv => "csv",
        }
    }
}

/// The entries of a search that the actor may see. Of drafts and revisions, what is shown to
/// everybody.
pub async fn export(app: &App, actor: &Actor, filter: &Filter, format: Format) -> Result<Vec<u8>> {
    let db = app.db().read();
    let lists = Lists::new(profile::get(db).await?, class::list(db).await?);
    let mut rows = vec![
        COLUMNS
            .iter()
            .map(|column| column.title.to_owned())
            .collect(),
    ];
    let mut page = PageRequest::new(None, Some(LARGEST_LIMIT));
    let mut number = 0;
    loop {
        let found = act::list(app, actor, filter, &page).await?;
        for entry in &found.items {
            number += 1;
            put(&mut rows, &lists, number, &entry.metadata()?);
        }
        match found.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    match format {
        Format::Xlsx => sheet::xlsx("信息资源目录", rows),
        Format::Csv => sheet::csv(rows),
    }
}

/// An empty table to fill in.
pub fn template() -> Result<Vec<u8>> {
    let heads: Vec<_> = COLUMNS
        .iter()
        .map(|column| column.title.to_owned())
        .collect();
    sheet::xlsx("信息资源目录", [heads])
}

fn put(rows: &mut Vec<Vec<String>>, lists: &Lists, number: usize, entry: &Metadata) {
    let nothing = [Item::default()];
    let items = if entry.items.is_empty() {
        nothing.as_slice()
    } else {
        &entry.items
    };
    for item in items {
        let cells = COLUMNS.iter().map(|column| match column.key {
            "number" => number.to_string(),
            key if OF_ITEMS.contains(&key) && entry.items.is_empty() => String::new(),
            key if OF_ITEMS.contains(&key) => lists.item_cell(item, key),
            key => lists.cell(entry, key),
        });
        rows.push(cells.collect());
    }
}
