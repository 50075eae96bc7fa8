//! Circulating copies for reading (传阅); they never hold the process up.

use ::store::{
    Db, Tx,
    page::{PageOf, PageRequest},
};
use chrono::{DateTime, Utc};
use kernel::{
    Error, Result, Text,
    clock::{from_micros, micros},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    store::{self, record},
    who::{self, Acting},
};
use crate::{Officer, TaskId, act, schema::copy, store as tables};

/// Readers at one go; more is a mistake.
const MAX_READERS: usize = 500;

/// A copy with its receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Copy {
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    pub id: String,
    pub task: String,
    pub instance: String,
    #[schema(example = "case:01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    pub subject: String,
    /// Name of the step.
    #[schema(example = "审查")]
    pub name: String,
    pub reader: String,
    pub sent_by: String,
    pub sent_at: DateTime<Utc>,
    pub note: String,
    /// When the reader confirmed that he read it.
    pub read_at: Option<DateTime<Utc>>,
}

impl From<copy::Model> for Copy {
    fn from(row: copy::Model) -> Self {
        Self {
            id: row.id,
            task: row.task,
            instance: row.instance,
            subject: row.subject,
            name: row.name,
            reader: row.reader,
            sent_by: row.sent_by,
            sent_at: from_micros(row.sent_at),
            note: row.note,
            read_at: row.read_at.map(from_micros),
        }
    }
}

/// Sends copies of a task that one has or had; how many are new. Nobody gets two of one task.
pub async fn circulate(
    tx: &Tx,
    id: TaskId,
    officer: &Officer,
    readers: &[String],
    note: &str,
) -> Result<usize> {
    let row = tables::get_task(&**tx, id).await?;
    let acting = who::acting(tx, &row, officer, "workflow.task.circulate").await?;
    if readers.is_empty() || readers.len() > MAX_READERS {
        let text = Text::new("workflow-readers-number").with("most", MAX_READERS);
        return Err(Error::invalid("readers", text));
    }
    let known = store::copies_of(&**tx, &row.id).await?;
    let mut copies: Vec<copy::Model> = Vec::new();
    for reader in readers {
        let has = |copy: &copy::Model| copy.reader == *reader;
        if known.iter().any(has) || copies.iter().any(has) {
            continue;
        }
        who::need_officer(tx, "readers", reader).await?;
        copies.push(copy::Model {
            id: kernel::id::new_v7(tx.now()).to_string(),
            task: row.id.clone(),
            instance: row.instance.clone(),
            subject: row.subject.clone(),
            name: row.name.clone(),
            reader: reader.clone(),
            sent_by: acting.id.clone(),
            sent_at: micros(tx.now()),
            note: note.to_owned(),
            read_at: None,
        });
    }
    let count = copies.len();
    if count > 0 {
        let names: Vec<&str> = copies.iter().map(|copy| copy.reader.as_str()).collect();
        record(tx, &row, "circulate", &acting, &names.join(","), note).await?;
        store::insert_copies(tx, copies).await?;
    }
    Ok(count)
}

/// The copies of an officer, newest first.
pub async fn copies(
    db: &Db,
    reader: &str,
    only_unread: bool,
    page: &PageRequest,
) -> Result<PageOf<Copy>> {
    let page = store::copies_for(db, reader, only_unread, page).await?;
    Ok(page.map(Copy::from))
}

/// Who got copies of a task, and when they read them.
pub async fn receipts(db: &Db, task: TaskId) -> Result<Vec<Copy>> {
    let rows = store::copies_of(db.read(), &task.to_string()).await?;
    Ok(rows.into_iter().map(Copy::from).collect())
}

/// The reader confirms that he read his copy; a second time changes nothing.
pub async fn read_copy(tx: &Tx, id: &str, officer: &Officer) -> Result<()> {
    let copy = store::get_copy(tx, id).await?;
    if copy.reader != officer.id {
        return Err(act::forbidden("workflow.copy.read"));
    }
    if copy.read_at.is_some() {
        return Ok(());
    }
    store::mark_read(tx, id).await?;
    let row = tables::get_task_row(&**tx, &copy.task).await?;
    record(tx, &row, "read", &Acting::own(officer), "", "").await
}
