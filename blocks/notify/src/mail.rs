//! Mail, sent by jobs.
//!
//! SMTP promises at least once: a server may have taken a mail whose answer was lost. The
//! `Message-ID` is the message's own, by which mail programs recognise the second copy.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use identity::UserId;
use kernel::{Fault, clock::micros};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{authentication::Credentials, extension::ClientId},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use store::{Db, Handler, Job, JobBody, JobFailure, fault};
use web::{App, Language};

use crate::{
    Message, MessageId, Settings, Tls,
    event::MailSent,
    message::message_of,
    preference::{self, Preference},
    schema::message as table,
};

/// Sends one message by mail.
#[derive(Serialize, Deserialize)]
pub(crate) struct SendMail {
    pub message: MessageId,
}

impl JobBody for SendMail {
    const KIND: &'static str = "notify.send_mail.v1";
}

/// Sends the code that confirms a user's address.
#[derive(Serialize, Deserialize)]
pub(crate) struct SendCode {
    pub user: UserId,
}

impl JobBody for SendCode {
    const KIND: &'static str = "notify.send_code.v1";
}

/// The way to the mail server.
pub(crate) struct Outbox {
    app: App,
    host: String,
    from: Mailbox,
    /// None if no server is configured.
    transport: Option<AsyncSmtpTransport<Tokio1Executor>>,
}

struct Mail {
    to: String,
    language: Language,
    id: String,
    subject: String,
    body: String,
}

impl Outbox {
    pub fn new(app: &App, settings: &Settings) -> kernel::Result<Arc<Self>> {
        let from = settings
            .from
            .parse()
            .map_err(|e| Fault::caused_by(format!("setting notify.from: {}", settings.from), e))?;
        let transport = if settings.host.is_empty() {
            None
        } else {
            Some(transport(settings)?)
        };
        Ok(Arc::new(Self {
            app: app.clone(),
            host: settings.host.clone(),
            from,
            transport,
        }))
    }

    fn db(&self) -> &Db {
        self.app.db()
    }

    fn compose(&self, mail: &Mail) -> Result<lettre::Message, Fault> {
        let unwritable = "write a mail";
        let address = mail
            .to
            .parse()
            .map_err(|e| Fault::caused_by(unwritable, e))?;
        let foot = self
            .app
            .texts()
            .text(mail.language, "notify-mail-foot", &[]);
        lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address))
            .subject(mail.subject.clone())
            .message_id(Some(format!("<{}@{}>", mail.id, self.from.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .body(format!("{}\n\n-- \n{foot}\n", mail.body))
            .map_err(|e| Fault::caused_by(unwritable, e))
    }

    /// Whether there is a server; `Err` if it did not take the mail.
    async fn send(&self, mail: &Mail) -> Result<bool, JobFailure> {
        let Some(transport) = &self.transport else {
            return Ok(false);
        };
        let composed = self.compose(mail).map_err(JobFailure::Fail)?;
        let Err(error) = transport.send(composed).await else {
            return Ok(true);
        };
        let what = format!("send mail by {}", self.host);
        Err(if error.is_permanent() {
            JobFailure::Fail(Fault::caused_by(what, error))
        } else {
            JobFailure::Retry(Fault::caused_by(what, error).transient())
        })
    }

    fn words(&self, message: &Message, to: &Preference) -> Mail {
        let texts = self.app.texts();
        let mut body = message.body(texts, to.language);
        if !message.link.is_empty() {
            body.push_str("\n\n");
            body.push_str(&self.app.settings().public_url);
            body.push_str(&message.link);
        }
        Mail {
            to: to.address.clone(),
            language: to.language,
            id: message.id.to_string(),
            subject: message.title(texts, to.language),
            body,
        }
    }
}

fn transport(settings: &Settings) -> Result<AsyncSmtpTransport<Tokio1Executor>, Fault> {
    type Transport = AsyncSmtpTransport<Tokio1Executor>;
    let builder = match settings.tls {
        Tls::Always => Transport::relay(&settings.host),
        Tls::Starttls => Transport::starttls_relay(&settings.host),
        Tls::None => Ok(Transport::builder_dangerous(&settings.host)),
    };
    let mut builder = builder
        .map_err(|e| Fault::caused_by("mail server", e))?
        .port(settings.port)
        .hello_name(ClientId::default())
        .timeout(Some(Duration::from_secs(settings.timeout_seconds)));
    if !settings.user.is_empty() {
        let (user, password) = (settings.user.clone(), settings.password.clone());
        builder = builder.credentials(Credentials::new(user, password));
    }
    Ok(builder.build())
}

pub(crate) struct MessageMailer(pub Arc<Outbox>);

#[async_trait]
impl Handler for MessageMailer {
    fn kind(&self) -> &'static str {
        SendMail::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let order: SendMail = job.body()?;
        let db = self.0.db();
        let row = table::Entity::find_by_id(order.message.to_string())
            .one(db.read())
            .await
            .map_err(|e| JobFailure::Retry(fault("read a message", e)))?;
        let Some(row) = row.filter(|row| row.mailed_at.is_none()) else {
            return Ok(());
        };
        let reader = row
            .user_id
            .parse()
            .map_err(|e| JobFailure::Fail(Fault::caused_by("read a message", e)))?;
        // The reader may have changed her mind since.
        let to = preference::lookup(db.read(), reader).await?;
        let mail = self.0.words(&message_of(row.clone())?, &to);
        if to.gets_mail() && self.0.send(&mail).await? {
            note(db, row).await?;
        }
        Ok(())
    }
}

async fn note(db: &Db, row: table::Model) -> kernel::Result<()> {
    db.write(move |tx| {
        let row = row.clone();
        async move {
            table::Entity::update_many()
                .set(table::ActiveModel {
                    mailed_at: Set(Some(micros(tx.now()))),
                    ..Default::default()
                })
                .filter(table::Column::Id.eq(&row.id))
                .exec(&*tx)
                .await
                .map_err(|e| fault("note a mail", e))?;
            let subject = format!("user:{}", row.user_id);
            let body = MailSent {
                message: row.id,
                user: row.user_id,
                key: row.key,
            };
            tx.emit(subject, "system", &body)
        }
    })
    .await
}

pub(crate) struct CodeMailer(pub Arc<Outbox>);

#[async_trait]
impl Handler for CodeMailer {
    fn kind(&self) -> &'static str {
        SendCode::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let order: SendCode = job.body()?;
        let row = preference::lookup_row(self.0.db().read(), order.user).await?;
        let Some((code, row)) = row.and_then(|row| row.code.clone().map(|code| (code, row))) else {
            return Ok(());
        };
        let to = preference::preference_of(row);
        let texts = self.0.app.texts();
        let mail = Mail {
            id: job.id.clone(),
            subject: texts.text(to.language, "notify-code-mail", &[]),
            body: texts.text(to.language, "notify-code-mail-body", &[("code", code)]),
            language: to.language,
            to: to.address,
        };
        self.0.send(&mail).await?;
        Ok(())
    }
}
