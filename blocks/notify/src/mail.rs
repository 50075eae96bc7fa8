//! Mail, sent by jobs.
//!
//! SMTP promises at least once: a server may have taken a mail whose answer was lost. The
//! `Message-ID` is the message's own, by which mail programs recognise the second copy.

use std::time::Duration;

use async_trait::async_trait;
use kernel::{Fault, clock::micros};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{authentication::Credentials, extension::ClientId},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use store::{Handler, Job, JobBody, JobFailure, fault};
use web::App;

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

pub(crate) struct Mailer {
    app: App,
    settings: Settings,
    from: Mailbox,
    /// None if no server is configured.
    transport: Option<AsyncSmtpTransport<Tokio1Executor>>,
}

impl Mailer {
    pub fn new(app: &App, settings: Settings) -> kernel::Result<Self> {
        let from = settings
            .from
            .parse()
            .map_err(|e| Fault::caused_by(format!("setting notify.from: {}", settings.from), e))?;
        let transport = if settings.host.is_empty() {
            None
        } else {
            Some(transport(&settings)?)
        };
        Ok(Self {
            app: app.clone(),
            settings,
            from,
            transport,
        })
    }

    fn compose(&self, message: &Message, to: &Preference) -> Result<lettre::Message, Fault> {
        let unwritable = "write a mail";
        let address = to
            .address
            .parse()
            .map_err(|e| Fault::caused_by(unwritable, e))?;
        let texts = self.app.texts();
        let mut body = message.body(texts, to.language);
        if !message.link.is_empty() {
            body.push_str("\n\n");
            body.push_str(&self.app.settings().public_url);
            body.push_str(&message.link);
        }
        body.push_str("\n\n-- \n");
        body.push_str(&texts.text(to.language, "notify-mail-foot", &[]));
        let domain = self.from.email.domain();
        lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address))
            .subject(message.title(texts, to.language))
            .message_id(Some(format!("<{}@{domain}>", message.id)))
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .map_err(|e| Fault::caused_by(unwritable, e))
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

#[async_trait]
impl Handler for Mailer {
    fn kind(&self) -> &'static str {
        SendMail::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let order: SendMail = job.body()?;
        let db = self.app.db();
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
        let Some(transport) = self.transport.as_ref().filter(|_| to.wants_mail) else {
            return Ok(());
        };
        let mail = self
            .compose(&message_of(row.clone())?, &to)
            .map_err(JobFailure::Fail)?;
        if let Err(error) = transport.send(mail).await {
            let what = format!("send mail by {}", self.settings.host);
            return Err(if error.is_permanent() {
                JobFailure::Fail(Fault::caused_by(what, error))
            } else {
                JobFailure::Retry(Fault::caused_by(what, error).transient())
            });
        }
        self.note(row).await
    }
}

impl Mailer {
    async fn note(&self, row: table::Model) -> Result<(), JobFailure> {
        let noted = self.app.db().write(move |tx| {
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
        });
        Ok(noted.await?)
    }
}
