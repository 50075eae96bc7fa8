//! Rows of `workflow_wait`, `workflow_mail` and `workflow_signal`.

use std::collections::{BTreeSet, HashMap};

use ::store::{
    Tx, fault,
    page::{PageOf, PageRequest},
};
use chrono::{DateTime, Utc};
use kernel::{Result, clock::from_micros};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
    sea_query::{Expr, SelectStatement},
};
use serde_json::{Map, Value};

use super::Choice;
use crate::{
    core::{Heard, Wait},
    correlation,
    schema::{UNKNOWN, definition, instance, mail, signal, wait},
};

/// How `wait.heard` calls it.
pub(super) fn heard_name(heard: Heard) -> &'static str {
    match heard {
        Heard::Message => "message",
        Heard::Signal => "signal",
    }
}

/// Writes down what an instance waits for now.
pub(crate) async fn keep_waits(tx: &Tx, instance: &str, waits: &BTreeSet<Wait>) -> Result<()> {
    wait::Entity::delete_many()
        .filter(wait::Column::Instance.eq(instance))
        .exec(&**tx)
        .await
        .map_err(|e| fault("forget what an instance waited for", e))?;
    let rows: Vec<wait::ActiveModel> = waits
        .iter()
        .map(|wait| {
            let row = wait::Model {
                instance: instance.to_owned(),
                heard: heard_name(wait.heard).to_owned(),
                name: wait.name.clone(),
                element: wait.element.to_string(),
                key: wait.key.clone().unwrap_or_default(),
                recipe: wait.recipe.clone(),
            };
            row.into()
        })
        .collect();
    for some in rows.chunks(crate::store::ROWS) {
        wait::Entity::insert_many(some.to_vec())
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("write what an instance waits for", e))?;
    }
    Ok(())
}

/// Which places are looked for. Empty fields do not restrict.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    pub heard: &'static str,
    /// A message's name, or the element that waits.
    pub name: String,
    /// The element that waits, in whatever version of a definition.
    pub element: String,
    pub definition_key: String,
    /// As JSON; places without a correlation take every key.
    pub key: String,
    /// Keys of conversations, as [`keys_of`] finds them: places in others are left out, and without
    /// any those in whatever conversation.
    pub conversations: Option<Vec<String>>,
    pub instance: String,
    pub subject: String,
}

impl Places {
    fn condition(&self) -> Condition {
        let mut all = Condition::all().add(wait::Column::Heard.eq(self.heard));
        if let Some(keys) = &self.conversations {
            all = if keys.is_empty() {
                all.add(wait::Column::Recipe.eq(""))
            } else {
                all.add(has_recipe())
                    .add(wait::Column::Key.is_in(keys.iter().map(String::as_str)))
            };
        }
        if !self.name.is_empty() {
            let mut name = Condition::any().add(wait::Column::Name.eq(&self.name));
            if self.heard == heard_name(Heard::Message) {
                name = name.add(wait::Column::Element.eq(&self.name));
            }
            all = all.add(name);
        }
        if !self.element.is_empty() {
            all = all.add(wait::Column::Element.eq(&self.element));
        }
        if !self.key.is_empty() {
            all = all.add(wait::Column::Key.is_in([self.key.as_str(), ""]));
        }
        if !self.instance.is_empty() {
            all = all.add(wait::Column::Instance.eq(&self.instance));
        }
        if !self.subject.is_empty() {
            let about = instances().filter(instance::Column::Subject.eq(&self.subject));
            all = all.add(wait::Column::Instance.in_subquery(about.into_query()));
        }
        if !self.definition_key.is_empty() {
            let versions = definition::Entity::find()
                .select_only()
                .column(definition::Column::Id)
                .filter(definition::Column::Key.eq(&self.definition_key))
                .into_query();
            let of_it = instances().filter(instance::Column::Definition.in_subquery(versions));
            all = all.add(wait::Column::Instance.in_subquery(of_it.into_query()));
        }
        all
    }
}

/// In the words of the indexes: a bound parameter would not be known to be no empty text.
fn has_recipe() -> Expr {
    Expr::cust("recipe <> ''")
}

/// More ways to carry a key in one message are a mistake.
const RECIPES: usize = 100;

/// The keys of conversations that a message has at places that wait so, which say how it carries
/// them.
pub(crate) async fn keys_of<C: ConnectionTrait>(
    db: &C,
    places: &Places,
    message: &Map<String, Value>,
) -> Result<Vec<String>> {
    let (mut keys, mut after) = (Vec::new(), String::new());
    for _ in 0..RECIPES {
        let mut query = wait::Entity::find()
            .select_only()
            .column(wait::Column::Recipe)
            .filter(wait::Column::Heard.eq(places.heard))
            .filter(has_recipe())
            .filter(wait::Column::Recipe.gt(&after));
        query = if places.element.is_empty() {
            query.filter(wait::Column::Name.eq(&places.name))
        } else {
            query.filter(wait::Column::Element.eq(&places.element))
        };
        let next: Option<String> = query
            .order_by_asc(wait::Column::Recipe)
            .limit(1)
            .into_tuple()
            .one(db)
            .await
            .map_err(|e| fault("look how messages carry keys", e))?;
        let Some(recipe) = next else {
            break;
        };
        keys.extend(correlation::told_by(&recipe, message));
        after = recipe;
    }
    Ok(keys)
}

fn instances() -> sea_orm::Select<instance::Entity> {
    instance::Entity::find()
        .select_only()
        .column(instance::Column::Id)
}

/// Places that wait so, in the order of their instances.
pub(super) async fn places<C: ConnectionTrait>(
    db: &C,
    places: &Places,
    limit: u64,
) -> Result<Vec<wait::Model>> {
    Ok(wait::Entity::find()
        .filter(places.condition())
        .order_by_asc(wait::Column::Instance)
        .limit(limit)
        .all(db)
        .await
        .map_err(|e| fault("look who waits", e))?)
}

/// Places that wait so, with what their instances are about; the newest instance first.
pub(super) async fn choices<C: ConnectionTrait>(
    db: &C,
    places: &Places,
    limit: u64,
) -> Result<Vec<Choice>> {
    let waiting = wait::Entity::find()
        .filter(places.condition())
        .order_by_desc(wait::Column::Instance)
        .limit(limit)
        .all(db)
        .await
        .map_err(|e| fault("look who waits", e))?;
    let ids = waiting.iter().map(|place| place.instance.clone());
    let subjects: Vec<(String, String)> = instances()
        .column(instance::Column::Subject)
        .filter(instance::Column::Id.is_in(ids))
        .into_tuple()
        .all(db)
        .await
        .map_err(|e| fault("read who waits", e))?;
    let subjects: HashMap<String, String> = subjects.into_iter().collect();
    let choices = waiting.into_iter().map(|place| Choice {
        subject: subjects.get(&place.instance).cloned().unwrap_or_default(),
        instance: place.instance,
        element: place.element,
        key: place.key,
    });
    Ok(choices.collect())
}

/// Instances that wait so, whole, after the given one.
pub(super) async fn hearers<C: ConnectionTrait>(
    db: &C,
    places: &Places,
    after: &str,
    limit: u64,
) -> Result<Vec<instance::Model>> {
    let waiting: SelectStatement = wait::Entity::find()
        .select_only()
        .column(wait::Column::Instance)
        .filter(places.condition())
        .into_query();
    Ok(instance::Entity::find()
        .filter(instance::Column::Id.in_subquery(waiting))
        .filter(instance::Column::Id.gt(after))
        .order_by_asc(instance::Column::Id)
        .limit(limit)
        .all(db)
        .await
        .map_err(|e| fault("read who waits", e))?)
}

/// Instances at which nobody has looked since there is this table.
pub(super) async fn unknown<C: ConnectionTrait>(db: &C, limit: u64) -> Result<Vec<String>> {
    Ok(wait::Entity::find()
        .select_only()
        .column(wait::Column::Instance)
        .filter(wait::Column::Heard.eq(UNKNOWN))
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
        .map_err(|e| fault("look for instances of before", e))?)
}

pub(super) async fn insert_mail(tx: &Tx, row: mail::Model) -> Result<()> {
    let row: mail::ActiveModel = row.into();
    mail::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("keep a message", e))?;
    Ok(())
}

pub(super) async fn mail<C: ConnectionTrait>(db: &C, id: &str) -> Result<Option<mail::Model>> {
    Ok(mail::Entity::find_by_id(id)
        .one(db)
        .await
        .map_err(|e| fault("get a message", e))?)
}

pub(super) async fn remove_mail(tx: &Tx, id: &str) -> Result<()> {
    mail::Entity::delete_by_id(id)
        .exec(&**tx)
        .await
        .map_err(|e| fault("remove a message", e))?;
    Ok(())
}

pub(super) async fn insert_signal(tx: &Tx, id: &str) -> Result<()> {
    let row = signal::ActiveModel {
        id: sea_orm::Set(id.to_owned()),
    };
    signal::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("keep a signal", e))?;
    Ok(())
}

/// Whether the signal was still to be heard; it is not any more.
pub(super) async fn take_signal(tx: &Tx, id: &str) -> Result<bool> {
    let done = signal::Entity::delete_by_id(id)
        .exec(&**tx)
        .await
        .map_err(|e| fault("take a signal", e))?;
    Ok(done.rows_affected > 0)
}

pub(super) async fn note_problem(tx: &Tx, row: mail::Model, problem: &str) -> Result<()> {
    if row.problem == problem {
        return Ok(());
    }
    mail::Entity::update_many()
        .col_expr(mail::Column::Problem, Expr::value(problem))
        .filter(mail::Column::Id.eq(&row.id))
        .exec(&**tx)
        .await
        .map_err(|e| fault("note why a message waits", e))?;
    Ok(())
}

/// Messages that somebody who begins to wait may take, the oldest first.
pub(super) async fn mail_for<C: ConnectionTrait>(
    db: &C,
    names: &[&str],
    elements: &[&str],
    limit: u64,
) -> Result<Vec<String>> {
    let wanted = Condition::any()
        .add(mail::Column::Name.is_in(names.iter().copied()))
        .add(mail::Column::Target.is_in(elements.iter().copied()));
    Ok(mail::Entity::find()
        .select_only()
        .column(mail::Column::Id)
        .filter(wanted)
        .order_by_asc(mail::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
        .map_err(|e| fault("look for waiting messages", e))?)
}

/// A message that nobody has taken.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
#[schema(as = UndeliveredMessage)]
pub(crate) struct Undelivered {
    #[schema(example = "019c8f2e-0000-7000-8000-000000000009")]
    pub id: String,
    #[schema(example = "payment")]
    pub name: String,
    /// The element at the end of its message flow; empty without one.
    #[schema(example = "")]
    pub target: String,
    /// The instance that sent it, and by which element.
    #[schema(example = "019c8f2e-0000-7000-8000-000000000001")]
    pub instance: String,
    #[schema(example = "pay")]
    pub element: String,
    #[schema(example = "business:order-7")]
    pub subject: String,
    /// Why it waits: `nobody` or `several`.
    #[schema(example = "nobody")]
    pub problem: String,
    pub sent_at: DateTime<Utc>,
}

pub(super) async fn undelivered<C: ConnectionTrait>(
    db: &C,
    page: &PageRequest,
) -> Result<PageOf<Undelivered>> {
    let mut query = mail::Entity::find()
        .order_by_asc(mail::Column::Id)
        .limit(page.fetch());
    if let Some(after) = &page.after {
        query = query.filter(mail::Column::Id.gt(after));
    }
    let rows = query.all(db).await.map_err(|e| fault("list messages", e))?;
    let rows = rows.into_iter().map(|row| Undelivered {
        id: row.id,
        name: row.name,
        target: row.target,
        instance: row.instance,
        element: row.element,
        subject: row.subject,
        problem: row.problem,
        sent_at: from_micros(row.sent_at),
    });
    let rows: Vec<Undelivered> = rows.collect();
    Ok(page.cut(rows, |row| row.id.clone()))
}
