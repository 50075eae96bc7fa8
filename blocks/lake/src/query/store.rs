//! Questions as they are kept.

use std::collections::BTreeSet;

use kernel::{Result, clock::micros};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::Expr,
};
use store::{
    Tx, fault,
    page::{PageOf, PageRequest},
};

use super::{Question, plan::Planned};
use crate::{
    event,
    schema::{query as table, query_subject as subjects, query_use as uses},
    subject::named_in,
};

/// Who asks, as a question is kept.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    pub who: String,
    pub org: String,
    pub org_name: String,
}

/// A question and what it reads, ready to be kept; a write may run again.
#[derive(Clone)]
pub(crate) struct Note {
    question: Question,
    asker: Asker,
    /// Table, column, whether it is hidden.
    uses: Vec<(String, String, bool)>,
    tables: Vec<String>,
    hidden: Vec<String>,
    whole: Vec<String>,
    /// Numbers of persons and firms that it names.
    subjects: BTreeSet<String>,
    is_narrow: bool,
}

impl Note {
    /// `about` are those whose rows alone the question can answer.
    pub(crate) fn of(
        question: &Question,
        asker: Asker,
        planned: &Planned,
        about: &[String],
    ) -> Self {
        let mut all = Vec::new();
        for (table, columns) in &planned.uses {
            let hidden = planned.hidden.get(table);
            if columns.is_empty() {
                // Only its rows are counted.
                all.push((table.clone(), String::new(), false));
            }
            for column in columns {
                let is_hidden = hidden.is_some_and(|h| h.contains(column));
                all.push((table.clone(), column.clone(), is_hidden));
            }
        }
        Self {
            question: question.clone(),
            asker,
            uses: all,
            tables: planned.uses.keys().cloned().collect(),
            hidden: planned.names(true),
            whole: planned.names(false),
            subjects: named_in(&question.sql)
                .into_iter()
                .chain(about.iter().map(|number| number.to_uppercase()))
                .collect(),
            is_narrow: !about.is_empty(),
        }
    }
}

/// Keeps a question before its first row goes out; answers its number.
pub(crate) async fn begin(tx: &Tx, note: &Note) -> Result<String> {
    let id = ::store::event::new_id(tx.now());
    let question = &note.question;
    let row = table::ActiveModel {
        id: Set(id.clone()),
        at: Set(micros(tx.now())),
        who: Set(note.asker.who.clone()),
        who_org: Set(note.asker.org.clone()),
        who_org_name: Set(note.asker.org_name.clone()),
        purpose: Set(question.purpose.clone()),
        sql: Set(question.sql.clone()),
        door: Set(question.door.name().into()),
        as_of: Set(question.as_of.map(micros)),
        state: Set("running".into()),
        rows: Set(0),
        finished_at: Set(None),
        is_narrow: Set(note.is_narrow),
    };
    table::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("keep a question", e))?;
    let rows = note
        .uses
        .iter()
        .map(|(lake, field, is_masked)| uses::ActiveModel {
            query: Set(id.clone()),
            lake: Set(lake.clone()),
            field: Set(field.clone()),
            is_masked: Set(*is_masked),
        });
    let rows: Vec<_> = rows.collect();
    for some in rows.chunks(200) {
        uses::Entity::insert_many(some.to_vec())
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("keep what a question reads", e))?;
    }
    let named = note.subjects.iter().map(|subject| subjects::ActiveModel {
        query: Set(id.clone()),
        subject: Set(subject.clone()),
    });
    let named: Vec<_> = named.collect();
    for some in named.chunks(200) {
        subjects::Entity::insert_many(some.to_vec())
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("keep whom a question names", e))?;
    }
    let body = event::Asked {
        query: id.clone(),
        who_org: note.asker.org.clone(),
        purpose: question.purpose.clone(),
        digest: hex::encode(kernel::crypto::sm3(question.sql.as_bytes())),
        door: question.door.name().into(),
        tables: note.tables.clone(),
        columns: note.whole.clone(),
        hidden: note.hidden.clone(),
    };
    tx.emit(format!("lake-query:{id}"), &note.asker.who, &body)?;
    Ok(id)
}

/// Keeps how a question ended, once.
pub(crate) async fn finish(tx: &Tx, id: &str, who: &str, state: &str, rows: i64) -> Result<()> {
    use table::Column as C;
    table::Entity::update_many()
        .col_expr(C::State, Expr::value(state))
        .col_expr(C::Rows, Expr::value(rows))
        .col_expr(C::FinishedAt, Expr::value(micros(tx.now())))
        .filter(C::Id.eq(id))
        .exec(&**tx)
        .await
        .map_err(|e| fault("keep how a question ended", e))?;
    let body = event::Answered {
        query: id.to_owned(),
        state: state.to_owned(),
        rows,
    };
    tx.emit(format!("lake-query:{id}"), who, &body)
}

/// Ends questions that began before a moment and whose end nobody noted, because the server stopped
/// under them; answers how many.
pub(crate) async fn end_lost(tx: &Tx, before: i64) -> Result<usize> {
    use table::Column as C;
    let lost: Vec<(String, String, i64)> = table::Entity::find()
        .select_only()
        .columns([C::Id, C::Who, C::Rows])
        .filter(C::State.eq("running"))
        .filter(C::At.lt(before))
        .order_by_asc(C::Id)
        .limit(LOST)
        .into_tuple()
        .all(&**tx)
        .await
        .map_err(|e| fault("find questions that were lost", e))?;
    for (id, who, rows) in &lost {
        finish(tx, id, who, "failed", *rows).await?;
    }
    Ok(lost.len())
}

/// Questions of one write.
const LOST: u64 = 500;

/// Questions that read a table, the latest first.
pub(crate) async fn of_table(
    db: &impl ConnectionTrait,
    lake: &str,
    page: &PageRequest,
) -> Result<PageOf<table::Model>> {
    let mut query = uses::Entity::find()
        .select_only()
        .column(uses::Column::Query)
        .distinct()
        .filter(uses::Column::Lake.eq(lake))
        .order_by_desc(uses::Column::Query)
        .limit(page.fetch());
    if let Some(before) = &page.after {
        query = query.filter(uses::Column::Query.lt(before));
    }
    let ids: Vec<String> = query
        .into_tuple()
        .all(db)
        .await
        .map_err(|e| fault("list questions of a table", e))?;
    let rows = table::Entity::find()
        .filter(table::Column::Id.is_in(ids))
        .order_by_desc(table::Column::Id)
        .all(db)
        .await
        .map_err(|e| fault("list questions", e))?;
    Ok(page.cut(rows, |row| row.id.clone()))
}
