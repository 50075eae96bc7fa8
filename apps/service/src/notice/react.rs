//! Notices are typeset, sealed and kept right after their event, by a job.

use async_trait::async_trait;
use kernel::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Blobs, EventBody, Handler, Job, JobBody, JobFailure, Tx, blob};
use web::App;

use crate::case::store::{self as rows, Notice};

/// All notices share one template; it knows each kind's title and text.
const TEMPLATE: &str = include_str!("../../notices/statutory.typ");

/// Makes the file of a notice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Typeset {
    pub notice: String,
}

impl JobBody for Typeset {
    const KIND: &'static str = "service.typeset_notice.v1";
}

/// A notice's file has been made and sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoticeMade {
    pub notice: String,
    pub case_id: String,
    pub kind: String,
    /// SM3 of the file, hexadecimal.
    pub digest: String,
    /// In bytes.
    pub size: i64,
}

impl EventBody for NoticeMade {
    const KIND: &'static str = "service.notice_made.v1";
}

/// Orders the file of a notice, once however often it is asked for.
pub(crate) fn order(tx: &Tx, notice: &str) -> Result<()> {
    let body = Typeset {
        notice: notice.to_owned(),
    };
    tx.enqueue_unique(notice, tx.now(), &body)
}

/// Runs [`Typeset`].
pub struct Typesetter(pub App);

#[async_trait]
impl Handler for Typesetter {
    fn kind(&self) -> &'static str {
        Typeset::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let body: Typeset = job.body()?;
        Ok(typeset(&self.0, &body.notice).await?)
    }
}

/// Makes and keeps the file unless it is there. Of two files that were made at one time one is
/// kept; the other belongs to nobody and goes.
async fn typeset(app: &App, id: &str) -> Result<()> {
    let notice = rows::get_notice(app.db().read(), id).await?;
    if notice.blob.is_some() {
        return Ok(());
    }
    let organ = notice.data.get("org").and_then(Value::as_str);
    let organ = organ.unwrap_or_default().to_owned();
    let reason = format!("{} {}", notice.number, notice.kind);
    let pdf = app
        .part::<credential::Credentials>()?
        .document(TEMPLATE, notice.data.clone(), &organ, &reason, notice.at)
        .await?;
    let upload = app
        .part::<Blobs>()?
        .put_bytes(&file_name(&notice), blob::Kind::Pdf, pdf)
        .await?;
    app.db()
        .write(move |tx| {
            let (notice, upload) = (notice.clone(), upload.clone());
            async move {
                if !rows::update_notice_blob(&tx, &notice.id, &upload.digest).await? {
                    return Ok(());
                }
                blob::keep(&tx, &upload, &format!("service_notice:{}", notice.id)).await?;
                let made = NoticeMade {
                    notice: notice.id,
                    case_id: notice.case.to_string(),
                    kind: notice.kind,
                    digest: upload.digest,
                    size: upload.size,
                };
                tx.emit(format!("case:{}", made.case_id), "system", &made)
            }
        })
        .await
}

/// Under which name people keep the file.
pub(crate) fn file_name(notice: &Notice) -> String {
    format!("{}-{}.pdf", notice.number, notice.kind)
}
