//! What this block keeps in the application: declarations as last read, code tables, calendars.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use kernel::{Error, Fault, Result, calendar::Calendar};
use sea_orm::ConnectionTrait;
use store::Db;

use crate::{Declaration, declaration, schema};

/// Gives code tables; the block that keeps them stands above this one.
#[async_trait]
pub trait CodeTables: Send + Sync + 'static {
    /// `(code, Chinese, English)` of each code; nothing for a table that does not exist.
    async fn codes(&self, db: &Db, table: &str) -> Result<Vec<(String, String, String)>>;
}

/// Names the body that watches over all registries, beside who stands above a source in the
/// directory; the block that knows it stands above this one.
#[async_trait]
pub trait Centre: Send + Sync + 'static {
    /// Its unified social credit code; empty where none is named.
    async fn code(&self, db: &Db) -> Result<String>;
}

/// Gives the calendar by which deadlines of objections are counted.
pub type CalendarOfNow = dyn Fn() -> Result<Arc<Calendar>> + Send + Sync;

/// Names of a table's codes, Chinese and English.
pub type Codes = HashMap<String, (String, String)>;

/// The registries of this installation; an [`App`](web::App) part.
#[derive(Default)]
pub struct Registries(RwLock<Inner>);

#[derive(Default)]
struct Inner {
    codes: Option<Arc<dyn CodeTables>>,
    calendar: Option<Arc<CalendarOfNow>>,
    centre: Option<Arc<dyn Centre>>,
    /// Declarations by id, with the digest under which they were read.
    declarations: HashMap<String, (String, Arc<Declaration>)>,
    tables: HashMap<String, Arc<Codes>>,
}

impl Registries {
    pub fn use_codes(&self, codes: Arc<dyn CodeTables>) {
        self.write().codes = Some(codes);
    }

    pub fn use_calendar(&self, calendar: Arc<CalendarOfNow>) {
        self.write().calendar = Some(calendar);
    }

    pub fn use_centre(&self, centre: Arc<dyn Centre>) {
        self.write().centre = Some(centre);
    }

    /// The code of the centre; empty where nobody names one.
    pub(crate) async fn centre(&self, db: &Db) -> Result<String> {
        let centre = self.read().centre.clone();
        match centre {
            Some(centre) => centre.code(db).await,
            None => Ok(String::new()),
        }
    }

    /// Packs were installed: code tables may have changed.
    pub fn forget(&self) {
        self.write().tables.clear();
    }

    /// The declaration as it is now. Another process may have installed a later one, so the
    /// database is asked each time, but the document is read only when it changed.
    pub async fn declaration(
        &self,
        db: &impl ConnectionTrait,
        id: &str,
    ) -> Result<Arc<Declaration>> {
        let digest = schema::digest(db, id).await?;
        let digest = digest.ok_or(Error::NotFound { what: "registry" })?;
        let known = self.read().declarations.get(id).cloned();
        if let Some((_, declaration)) = known.filter(|(of, _)| *of == digest) {
            return Ok(declaration);
        }
        let document = schema::document(db, id).await?;
        let document = document.ok_or(Error::NotFound { what: "registry" })?;
        let declaration = Arc::new(read(&document)?);
        let entry = (digest, declaration.clone());
        self.write().declarations.insert(id.to_owned(), entry);
        Ok(declaration)
    }

    /// A code table, empty where there is none.
    pub async fn codes(&self, db: &Db, table: &str) -> Result<Arc<Codes>> {
        let (known, source) = {
            let inner = self.read();
            (inner.tables.get(table).cloned(), inner.codes.clone())
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let source = source.ok_or_else(|| Fault::new("nobody gives code tables"))?;
        let codes = source.codes(db, table).await?;
        let codes = codes.into_iter().map(|(code, zh, en)| (code, (zh, en)));
        let codes: Arc<Codes> = Arc::new(codes.collect());
        self.write().tables.insert(table.to_owned(), codes.clone());
        Ok(codes)
    }

    /// The code tables of all fields of a registry, by table.
    pub async fn codes_of(
        &self,
        db: &Db,
        declaration: &Declaration,
    ) -> Result<HashMap<String, Arc<Codes>>> {
        let mut all = HashMap::new();
        for table in declaration
            .fields
            .iter()
            .filter_map(|f| f.code_table.as_ref())
        {
            if !all.contains_key(table) {
                all.insert(table.clone(), self.codes(db, table).await?);
            }
        }
        Ok(all)
    }

    pub fn calendar(&self) -> Result<Arc<Calendar>> {
        let calendar = self.read().calendar.clone();
        let calendar = calendar.ok_or_else(|| Fault::new("nobody gives a calendar"))?;
        calendar()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Inner> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A declaration that was checked before it was kept.
pub(crate) fn read(document: &str) -> Result<Declaration> {
    let schema = serde_json::from_str(document)
        .map_err(|e| Fault::caused_by("read a registry's declaration", e))?;
    declaration::read(&schema).map_err(|mistakes| {
        let first = mistakes.first().map(|m| m.text.clone());
        Fault::new(format!("a kept declaration: {}", first.unwrap_or_default())).into()
    })
}
