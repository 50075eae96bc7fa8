//! Tells users what happened to their accounts, above all when it was not they who did it.

use async_trait::async_trait;
use identity::{
    UserId,
    event::{
        AgentAppointed, AgentDismissed, PasswordChanged, SecondFactorAdded, SecondFactorRemoved,
        TokenCreated,
    },
};
use kernel::{Fault, Result};
use store::{Consumer, Event, EventBody, Tx};

use crate::{Recipient, send};

pub(crate) struct AccountNotices;

const READS: [&str; 6] = [
    AgentAppointed::KIND,
    AgentDismissed::KIND,
    PasswordChanged::KIND,
    SecondFactorAdded::KIND,
    SecondFactorRemoved::KIND,
    TokenCreated::KIND,
];

#[async_trait]
impl Consumer for AccountNotices {
    fn name(&self) -> &'static str {
        "notify.account_notices"
    }

    fn reads(&self, kind: &str) -> bool {
        READS.contains(&kind)
    }

    async fn take(&self, tx: &Tx, event: &Event) -> Result<()> {
        // What packs load and operators do at the console is no news to anybody.
        if event.actor == "system" || event.actor == "console" {
            return Ok(());
        }
        let Some(notice) = notice_of(event)? else {
            return Ok(());
        };
        let user: UserId = notice
            .user
            .parse()
            .map_err(|e| Fault::caused_by("user of an event", e))?;
        send(
            tx,
            &Recipient::User(user),
            notice.key,
            &notice.args,
            notice.link,
        )
        .await
    }
}

struct Notice {
    user: String,
    key: &'static str,
    args: Vec<(&'static str, String)>,
    link: &'static str,
}

fn notice_of(event: &Event) -> Result<Option<Notice>> {
    const SECURITY: &str = "/account/security";
    let plain = |user, key, link| Notice {
        user,
        key,
        args: Vec::new(),
        link,
    };
    if let Some(body) = body::<AgentAppointed>(event)? {
        return Ok(Some(Notice {
            user: body.user,
            key: "notify-agent-appointed",
            args: vec![("party", body.party_name), ("until", body.until_day)],
            link: "/account",
        }));
    }
    if let Some(body) = body::<AgentDismissed>(event)? {
        return Ok(Some(plain(body.user, "notify-agent-dismissed", "/account")));
    }
    if let Some(body) = body::<PasswordChanged>(event)? {
        return Ok(Some(plain(body.user, "notify-password-changed", SECURITY)));
    }
    if let Some(body) = body::<SecondFactorAdded>(event)? {
        return Ok(Some(plain(
            body.user,
            "notify-second-factor-added",
            SECURITY,
        )));
    }
    if let Some(body) = body::<SecondFactorRemoved>(event)? {
        return Ok(Some(plain(
            body.user,
            "notify-second-factor-removed",
            SECURITY,
        )));
    }
    if let Some(body) = body::<TokenCreated>(event)? {
        return Ok(Some(Notice {
            user: body.user,
            key: "notify-token-created",
            args: vec![("label", body.label)],
            link: "/account/tokens",
        }));
    }
    Ok(None)
}

fn body<B: EventBody>(event: &Event) -> Result<Option<B>> {
    let body = event.body::<B>().transpose();
    Ok(body.map_err(|e| Fault::caused_by("read an event", e))?)
}
