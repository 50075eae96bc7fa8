//! Calendars, code tables, regions.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{Fault, Result, calendar::Year};
use sea_orm::{ActiveValue::Set, EntityTrait, sea_query::OnConflict};
use serde::Deserialize;
use store::{Tx, fault};

use super::Loader;
use crate::{
    Catalog, File, Finding, Source, Title,
    check::read_toml,
    schema::{calendar, code, region},
};

pub(super) fn loaders() -> Vec<Arc<dyn Loader>> {
    vec![
        Arc::new(Calendars),
        Arc::new(CodeIndex),
        Arc::new(Codes),
        Arc::new(Regions),
        Arc::new(History),
    ]
}

struct Calendars;

fn read_year(file: &File) -> Result<Year, Finding> {
    let year: Year = read_toml(file)?;
    let mut alone = kernel::calendar::Calendar::default();
    alone
        .insert(&year)
        .map_err(|e| Finding::new(file, 1, e, "correct the day; days are MM-DD of that year"))?;
    if file.stem() != year.year.to_string() {
        let text = format!("the file is of the year {}", year.year);
        return Err(Finding::new(file, 1, text, "name the file after its year"));
    }
    Ok(year)
}

#[async_trait]
impl Loader for Calendars {
    fn folder(&self) -> &'static str {
        "calendars"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["toml"]
    }

    fn order(&self) -> u32 {
        10
    }

    fn check(&self, _: &Source, file: &File, _: &mut Catalog) -> Vec<Finding> {
        read_year(file).err().into_iter().collect()
    }

    async fn install(&self, tx: &Tx, _: &Source, file: &File) -> Result<usize> {
        let year = read_year(file).map_err(|finding| Fault::new(finding.to_string()))?;
        let known = lookup_year(tx, year.year).await?;
        let was_provisional = known.as_ref().is_some_and(|known| known.provisional);
        let is_official = known.is_some() && !was_provisional;
        if known.as_ref() == Some(&year) || (year.provisional && is_official) {
            return Ok(0);
        }
        let document =
            serde_json::to_string(&year).map_err(|e| Fault::caused_by("write a calendar", e))?;
        let row = calendar::ActiveModel {
            year: Set(year.year),
            document: Set(document),
        };
        let replace = OnConflict::column(calendar::Column::Year)
            .update_column(calendar::Column::Document)
            .to_owned();
        calendar::Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("write a calendar", e))?;
        let loaded = crate::CalendarLoaded {
            year: year.year,
            is_provisional: year.provisional,
            was_provisional,
        };
        tx.emit(format!("calendar:{}", year.year), "system", &loaded)?;
        workflow::deadline::calendar_changed(tx)?;
        Ok(1)
    }
}

async fn lookup_year(tx: &Tx, year: i32) -> Result<Option<Year>> {
    let row = calendar::Entity::find_by_id(year).one(&**tx).await;
    let row = row.map_err(|e| fault("read a calendar", e))?;
    let year = row.map(|row| serde_json::from_str(&row.document));
    let year = year.transpose();
    Ok(year.map_err(|e| Fault::caused_by("read a calendar", e))?)
}

/// `codes/index.toml`: what each table is.
struct CodeIndex;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read to be checked; the values are for people")]
struct CodeTable {
    title: Title,
    source: String,
    trust: String,
    #[serde(default)]
    closed: bool,
}

#[async_trait]
impl Loader for CodeIndex {
    fn folder(&self) -> &'static str {
        "codes"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["toml"]
    }

    fn order(&self) -> u32 {
        11
    }

    fn check(&self, source: &Source, file: &File, catalog: &mut Catalog) -> Vec<Finding> {
        let tables: std::collections::BTreeMap<String, CodeTable> = match read_toml(file) {
            Ok(tables) => tables,
            Err(finding) => return vec![finding],
        };
        let mut findings = Vec::new();
        for id in tables.keys() {
            catalog.define("code table", id, file);
            if source.file(&format!("codes/{id}.csv")).is_none() {
                let line = crate::catalog::line_of(file, id);
                let text = format!("the code table \"{id}\" has no file");
                findings.push(Finding::new(
                    file,
                    line,
                    text,
                    format!("add codes/{id}.csv"),
                ));
            }
        }
        findings
    }

    async fn install(&self, _: &Tx, _: &Source, _: &File) -> Result<usize> {
        Ok(0)
    }
}

/// Rows of a statement: four columns each, far below any database's limit of parameters.
const ROWS: usize = 2000;

struct Codes;

/// `(code, name_zh, name_en)` of each line.
fn read_codes(file: &File) -> Result<Vec<[String; 3]>, Finding> {
    let mut reader = csv::Reader::from_reader(&*file.bytes);
    let mut rows = Vec::new();
    for (place, record) in reader.records().enumerate() {
        let line = u32::try_from(place).unwrap_or(u32::MAX).saturating_add(2);
        let remedy = "write code,name_zh,name_en on every line";
        let record = record.map_err(|e| Finding::new(file, line, e, remedy))?;
        let cell = |at| record.get(at).unwrap_or_default().trim().to_owned();
        if cell(0).is_empty() || cell(1).is_empty() {
            return Err(Finding::new(file, line, "code or name is empty", remedy));
        }
        rows.push([cell(0), cell(1), cell(2)]);
    }
    Ok(rows)
}

#[async_trait]
impl Loader for Codes {
    fn folder(&self) -> &'static str {
        "codes"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["csv"]
    }

    fn order(&self) -> u32 {
        12
    }

    fn check(&self, _: &Source, file: &File, catalog: &mut Catalog) -> Vec<Finding> {
        catalog.refer("code table", file.stem(), file);
        read_codes(file).err().into_iter().collect()
    }

    async fn install(&self, tx: &Tx, _: &Source, file: &File) -> Result<usize> {
        let rows = read_codes(file).map_err(|finding| Fault::new(finding.to_string()))?;
        let count = rows.len();
        let rows: Vec<_> = rows
            .into_iter()
            .zip(1..)
            .map(|([code, name_zh, name_en], place)| code::ActiveModel {
                table_id: Set(file.stem().to_owned()),
                code: Set(code),
                place: Set(place),
                name_zh: Set(name_zh),
                name_en: Set(name_en),
            })
            .collect();
        let replace = OnConflict::columns([code::Column::TableId, code::Column::Code])
            .update_columns([
                code::Column::Place,
                code::Column::NameZh,
                code::Column::NameEn,
            ])
            .to_owned();
        for part in rows.chunks(ROWS) {
            code::Entity::insert_many(part.to_vec())
                .on_conflict(replace.clone())
                .exec_without_returning(&**tx)
                .await
                .map_err(|e| fault("write a code table", e))?;
        }
        Ok(count)
    }
}

/// `history/regions.csv`: read from the executable, here only checked.
struct History;

#[async_trait]
impl Loader for History {
    fn folder(&self) -> &'static str {
        "history"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["csv"]
    }

    fn order(&self) -> u32 {
        14
    }

    fn check(&self, _: &Source, file: &File, _: &mut Catalog) -> Vec<Finding> {
        crate::history::read(file).err().into_iter().collect()
    }

    async fn install(&self, _: &Tx, _: &Source, _: &File) -> Result<usize> {
        Ok(0)
    }
}

struct Regions;

fn read_regions(file: &File) -> Result<Vec<region::ActiveModel>, Finding> {
    let mut reader = csv::Reader::from_reader(&*file.bytes);
    let mut rows = Vec::new();
    for (place, record) in reader.records().enumerate() {
        let line = u32::try_from(place).unwrap_or(u32::MAX).saturating_add(2);
        let remedy = "write code,name,parent on every line";
        let record = record.map_err(|e| Finding::new(file, line, e, remedy))?;
        let cell = |at| record.get(at).unwrap_or_default().trim().to_owned();
        kernel::code::region::parse(&cell(0)).map_err(|e| Finding::new(file, line, e, remedy))?;
        rows.push(region::ActiveModel {
            code: Set(cell(0)),
            name: Set(cell(1)),
            parent: Set(cell(2)),
        });
    }
    Ok(rows)
}

#[async_trait]
impl Loader for Regions {
    fn folder(&self) -> &'static str {
        "regions"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["csv"]
    }

    fn order(&self) -> u32 {
        13
    }

    fn check(&self, _: &Source, file: &File, _: &mut Catalog) -> Vec<Finding> {
        read_regions(file).err().into_iter().collect()
    }

    async fn install(&self, tx: &Tx, _: &Source, file: &File) -> Result<usize> {
        let rows = read_regions(file).map_err(|finding| Fault::new(finding.to_string()))?;
        let count = rows.len();
        let replace = OnConflict::column(region::Column::Code)
            .update_columns([region::Column::Name, region::Column::Parent])
            .to_owned();
        for part in rows.chunks(ROWS) {
            region::Entity::insert_many(part.to_vec())
                .on_conflict(replace.clone())
                .exec_without_returning(&**tx)
                .await
                .map_err(|e| fault("write regions", e))?;
        }
        Ok(count)
    }
}
