//! Messages in the house.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use identity::{Actor, Gate, PartyId, Resource, UserId, directory};
use kernel::{
    Error, Fault, Result,
    clock::{from_micros, local_date, micros},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use store::{Db, Late, Tx, fault};

use crate::{MessageId, mail, preference, schema::message as table};

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// The person herself, or everybody who may act for the firm today. A party that nobody can
    /// sign in for (a walk-in) is told nothing here.
    Party(PartyId),
    User(UserId),
}

/// A message as its reader sees it; the words come from `key` in the reader's language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub id: MessageId,
    pub key: String,
    pub args: Vec<(String, String)>,
    /// Where it leads, a path on this server; may be empty.
    pub link: String,
    pub created_at: DateTime<Utc>,
    pub is_read: bool,
}

impl Message {
    pub fn title(&self, texts: &web::Texts, language: web::Language) -> String {
        texts.text(language, &self.key, &self.borrowed())
    }

    pub fn body(&self, texts: &web::Texts, language: web::Language) -> String {
        texts.text(language, &format!("{}-body", self.key), &self.borrowed())
    }

    fn borrowed(&self) -> Vec<(&str, String)> {
        self.args
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect()
    }
}

/// A page of messages, newest first.
#[derive(Clone, Debug, Default)]
pub struct Inbox {
    pub messages: Vec<Message>,
    pub unread: u64,
    /// The `after` of the next page.
    pub next: Option<String>,
}

/// Tells somebody something, in the transaction of what it tells of. `key` names the title and
/// `<key>-body` the text, both with `args`; `link` is a path on this server, or empty.
pub async fn send(
    tx: &Tx,
    to: &Recipient,
    key: &'static str,
    args: &[(&str, String)],
    link: &str,
) -> Result<()> {
    let (readers, party) = match to {
        Recipient::User(user) => (vec![*user], None),
        Recipient::Party(party) => {
            let today = local_date(tx.now());
            let readers = directory::readers_of_party(&**tx, *party, today).await?;
            (readers, Some(*party))
        }
    };
    let mailed = preference::who_gets_mail(&**tx, &readers).await?;
    for reader in readers {
        let id = insert(tx, reader, party, key, args, link);
        if mailed.contains(&reader.to_string()) {
            tx.enqueue(&mail::SendMail { message: id })?;
        }
    }
    Ok(())
}

/// Messages that a write sends.
#[derive(Default)]
struct Messages(Vec<table::ActiveModel>);

/// Rows of one statement at the most; engines bound the number of its parameters.
const ROWS: usize = 200;

#[async_trait]
impl Late for Messages {
    async fn write(self, tx: &Tx) -> Result<()> {
        for some in self.0.chunks(ROWS) {
            table::Entity::insert_many(some.to_vec())
                .exec_without_returning(&**tx)
                .await
                .map_err(|e| fault("insert messages", e))?;
        }
        Ok(())
    }
}

fn insert(
    tx: &Tx,
    reader: UserId,
    party: Option<PartyId>,
    key: &str,
    args: &[(&str, String)],
    link: &str,
) -> MessageId {
    let args: serde_json::Map<_, _> = args
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone().into()))
        .collect();
    let id = MessageId::from_moment(tx.now());
    let row = table::ActiveModel {
        id: Set(id.to_string()),
        user_id: Set(reader.to_string()),
        party_id: Set(party.map(String::from)),
        key: Set(key.to_owned()),
        args: Set(serde_json::Value::from(args).to_string()),
        link: Set(link.to_owned()),
        created_at: Set(micros(tx.now())),
        read_at: Set(None),
        mailed_at: Set(None),
    };
    tx.later(|messages: &mut Messages| messages.0.push(row));
    id
}

/// How many messages a user has not read, counted up to `most`.
pub(crate) async fn count_unread(db: &Db, reader: UserId, most: u64) -> Result<u64> {
    let unread = table::Entity::find()
        .filter(table::Column::UserId.eq(reader.to_string()))
        .filter(table::Column::ReadAt.is_null())
        .limit(most)
        .count(db.read())
        .await
        .map_err(|e| fault("count unread messages", e))?;
    Ok(unread)
}

/// The actor's messages, newest first, older than the message `after`.
pub async fn list(
    db: &Db,
    gate: &Gate,
    actor: &Actor,
    only_unread: bool,
    after: Option<&str>,
    limit: u64,
) -> Result<Inbox> {
    actor.may(gate, "notify.message.read", &own(actor))?;
    let mine = table::Column::UserId.eq(actor.user.to_string());
    let unread = table::Column::ReadAt.is_null();
    let mut query = table::Entity::find().filter(mine.clone());
    if only_unread {
        query = query.filter(unread.clone());
    }
    if let Some(after) = after.filter(|after| !after.is_empty()) {
        query = query.filter(table::Column::Id.lt(after));
    }
    let mut rows = query
        .order_by_desc(table::Column::Id)
        .limit(limit + 1)
        .all(db.read())
        .await
        .map_err(|e| fault("list messages", e))?;
    let has_more = rows.len() as u64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = rows.last().filter(|_| has_more).map(|row| row.id.clone());
    let unread = count_unread(db, actor.user, u64::MAX >> 1).await?;
    let messages = rows.into_iter().map(message_of).collect::<Result<_>>()?;
    Ok(Inbox {
        messages,
        unread,
        next,
    })
}

fn own(actor: &Actor) -> Resource {
    Resource::new("User", actor.user)
}

pub(crate) fn message_of(row: table::Model) -> Result<Message> {
    let args: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&row.args)
        .map_err(|e| Fault::caused_by("read a message's words", e))?;
    let id = row
        .id
        .parse()
        .map_err(|e| Fault::caused_by("read a message", e))?;
    Ok(Message {
        id,
        key: row.key,
        args: args
            .into_iter()
            .map(|(name, value)| (name, value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        link: row.link,
        created_at: from_micros(row.created_at),
        is_read: row.read_at.is_some(),
    })
}

/// Marks one of the actor's messages as read and answers where it leads.
pub async fn mark_read(db: &Db, gate: &Gate, actor: &Actor, id: MessageId) -> Result<String> {
    actor.may(gate, "notify.message.mark", &own(actor))?;
    let user = actor.user;
    db.write(move |tx| async move {
        let row = table::Entity::find_by_id(id.to_string())
            .filter(table::Column::UserId.eq(user.to_string()))
            .one(&*tx)
            .await
            .map_err(|e| fault("read a message", e))?
            .ok_or(Error::NotFound { what: "message" })?;
        mark(&tx, user, Some(&row.id)).await?;
        Ok(row.link)
    })
    .await
}

/// Marks all of the actor's messages as read.
pub async fn mark_all_read(db: &Db, gate: &Gate, actor: &Actor) -> Result<()> {
    actor.may(gate, "notify.message.mark", &own(actor))?;
    let user = actor.user;
    db.write(move |tx| async move { mark(&tx, user, None).await })
        .await
}

async fn mark(tx: &Tx, user: UserId, id: Option<&str>) -> Result<()> {
    let mut query = table::Entity::update_many()
        .set(table::ActiveModel {
            read_at: Set(Some(micros(tx.now()))),
            ..Default::default()
        })
        .filter(table::Column::UserId.eq(user.to_string()))
        .filter(table::Column::ReadAt.is_null());
    if let Some(id) = id {
        query = query.filter(table::Column::Id.eq(id));
    }
    query
        .exec(&**tx)
        .await
        .map_err(|e| fault("mark a message", e))?;
    Ok(())
}
