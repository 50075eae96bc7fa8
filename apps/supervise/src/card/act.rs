//! What people do with cards.

use identity::{Actor, Gate, Resource};
use kernel::{Error, Result, Text, clock::local_date};
use store::{Db, EventBody};

use super::{Card, State, Verdict, store as rows};

/// Longest reply or reason, in characters.
const LONGEST: usize = 2000;

/// The handling organisation answered a card.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct CardReplied {
    pub card_id: String,
    pub case_no: String,
    pub org: String,
    pub is_late: bool,
}

impl EventBody for CardReplied {
    const KIND: &'static str = "supervise.card_replied.v1";
}

/// A supervisor decided whether the breach stands.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct CardVerified {
    pub card_id: String,
    pub case_no: String,
    pub org: String,
    pub verdict: Verdict,
}

impl EventBody for CardVerified {
    const KIND: &'static str = "supervise.card_verified.v1";
}

/// A card that the actor may see; others do not exist for him.
pub async fn get(db: &Db, gate: &Gate, actor: &Actor, id: &str) -> Result<Card> {
    let card = rows::lookup(db.read(), id)
        .await?
        .ok_or(Error::NotFound { what: "card" })?;
    gate.check(actor, "supervise.card.see", &resource(&card))
        .map_err(|_| Error::NotFound { what: "card" })?;
    Ok(card)
}

/// Answers an open card. Late replies are taken and counted as late.
pub async fn reply(db: &Db, gate: &Gate, actor: &Actor, id: &str, text: &str) -> Result<()> {
    let card = get(db, gate, actor, id).await?;
    gate.check(actor, "supervise.card.reply", &resource(&card))?;
    let text = words("reply", text)?;
    if card.state != State::Open {
        return Err(Error::refused("supervise-card-not-open"));
    }
    let is_late = card
        .reply_due
        .is_some_and(|due| local_date(db.clock().now()) > due);
    let change = Change {
        card,
        state: State::Replied,
        text,
        is_late,
        verdict: None,
    };
    change.write(db, actor).await
}

/// Decides whether the breach stands. Only a replied card, or one whose time for reply is over.
pub async fn verify(
    db: &Db,
    gate: &Gate,
    actor: &Actor,
    id: &str,
    verdict: Verdict,
    text: &str,
) -> Result<()> {
    let card = get(db, gate, actor, id).await?;
    gate.check(actor, "supervise.card.verify", &resource(&card))?;
    let text = words("verdict", text)?;
    let is_overdue = card
        .reply_due
        .is_some_and(|due| local_date(db.clock().now()) > due);
    if card.state != State::Replied && !(card.state == State::Open && is_overdue) {
        return Err(Error::refused("supervise-card-not-replied"));
    }
    let state = match verdict {
        Verdict::Upheld => State::Upheld,
        Verdict::Withdrawn => State::Withdrawn,
    };
    let change = Change {
        card,
        state,
        text,
        is_late: false,
        verdict: Some(verdict),
    };
    change.write(db, actor).await
}

struct Change {
    card: Card,
    state: State,
    text: String,
    is_late: bool,
    verdict: Option<Verdict>,
}

impl Change {
    async fn write(self, db: &Db, actor: &Actor) -> Result<()> {
        let change = std::sync::Arc::new(self);
        let actor = std::sync::Arc::new(actor.clone());
        db.write(move |tx| {
            let (change, actor) = (change.clone(), actor.clone());
            async move {
                let row = rows::Change {
                    state: change.state,
                    text: change.text.clone(),
                    by: actor.user.to_string(),
                    is_late: change.is_late,
                    is_verdict: change.verdict.is_some(),
                };
                if !rows::update(&tx, &change.card, row).await? {
                    return Err(Error::refused("supervise-card-changed"));
                }
                change.emit(&tx, &actor)
            }
        })
        .await
    }

    fn emit(&self, tx: &store::Tx, actor: &Actor) -> Result<()> {
        let subject = format!("case:{}", self.card.case_id);
        let card_id = self.card.id.to_string();
        let (case_no, org) = (self.card.case_no.clone(), self.card.org.clone());
        if let Some(verdict) = self.verdict {
            let body = CardVerified {
                card_id,
                case_no,
                org,
                verdict,
            };
            return tx.emit(subject, actor.trace(), &body);
        }
        let body = CardReplied {
            card_id,
            case_no,
            org,
            is_late: self.is_late,
        };
        tx.emit(subject, actor.trace(), &body)
    }
}

fn resource(card: &Card) -> Resource {
    Resource::new("Card", card.id)
        .org(&card.org)
        .region(&card.region)
}

fn words(field: &str, text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::invalid(field, Text::new("supervise-words-missing")));
    }
    if text.chars().count() > LONGEST {
        return Err(Error::invalid(
            field,
            Text::new("supervise-words-long").with("most", LONGEST),
        ));
    }
    Ok(text.to_owned())
}
