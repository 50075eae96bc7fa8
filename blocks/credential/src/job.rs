//! What happens after a certificate was granted: its file is made, and one day it expires.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::Fault;
use serde::{Deserialize, Serialize};
use store::{Handler, Job, JobBody, JobFailure, blob};

use crate::{
    CertificateId,
    certificate::{Certificate, Status, act, store as rows},
    event, kind, metadata,
    part::Credentials,
    press,
};

/// Makes and signs the file of a certificate.
#[derive(Debug, Serialize, Deserialize)]
pub struct Render {
    pub id: String,
}

impl JobBody for Render {
    const KIND: &'static str = "credential.render.v1";
}

/// Expires the certificates whose last day is over.
#[derive(Debug, Serialize, Deserialize)]
pub struct Expire {
    pub last_day: String,
}

impl JobBody for Expire {
    const KIND: &'static str = "credential.expire.v1";
}

pub(crate) struct RenderHandler(pub Arc<Credentials>);

#[async_trait]
impl Handler for RenderHandler {
    fn kind(&self) -> &'static str {
        Render::KIND
    }

    fn lane(&self) -> Option<usize> {
        Some(press::width())
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let body: Render = job.body()?;
        let id: CertificateId = body
            .id
            .parse()
            .map_err(|e| JobFailure::Fail(Fault::caused_by("read job payload", e)))?;
        render(&self.0, id).await.map_err(JobFailure::from)
    }
}

/// Makes the file unless it is there. A second run finds the first one's work, or makes a file of
/// its own of which only one is kept.
pub(crate) async fn render(credentials: &Credentials, id: CertificateId) -> kernel::Result<()> {
    let certificate = rows::get(credentials.db.read(), id).await?;
    if certificate.rendered_at.is_some() {
        return Ok(());
    }
    let kind = kind::kept(credentials.db.read(), &certificate.definition_id).await?;
    let canonical = metadata::canonical(&certificate);
    let signature = hex::encode(credentials.seal.sign_metadata(canonical.as_bytes())?);
    let key_id = credentials.seal.metadata_key_id.clone();
    let attached = metadata::attached(&canonical, &signature, &key_id);
    let now = credentials.db.clock().now();
    let file = credentials
        .certificate_file(&certificate, &kind, attached, now)
        .await?;
    let name = format!("{}.pdf", certificate.zzbs);
    let upload = credentials
        .files
        .blobs
        .put_bytes(&name, blob::Kind::Pdf, file)
        .await?;
    let rendered = rows::Rendered {
        metadata: canonical,
        signature,
        key_id,
        blob: upload.digest.clone(),
        size: upload.size,
        digest: upload.digest.clone(),
    };
    let holder = format!("credential:{id}");
    credentials
        .db
        .write(move |tx| {
            let (certificate, upload, rendered, holder) = (
                certificate.clone(),
                upload.clone(),
                rendered.clone(),
                holder.clone(),
            );
            async move {
                if !rows::set_rendered(&tx, id, &rendered).await? {
                    return Ok(());
                }
                blob::keep(&tx, &upload, &holder).await?;
                tx.emit(
                    format!("certificate:{id}"),
                    "system",
                    &rendered_event(&certificate, &rendered),
                )
            }
        })
        .await
}

fn rendered_event(certificate: &Certificate, rendered: &rows::Rendered) -> event::Rendered {
    event::Rendered {
        id: certificate.id.to_string(),
        zzbs: certificate.zzbs.clone(),
        type_name: certificate.type_name.clone(),
        type_name_en: certificate.type_name_en.clone(),
        holder_party: certificate.holder_party.clone(),
        case_no: certificate.case_no.clone(),
        digest: rendered.digest.clone(),
        size: rendered.size,
    }
}

pub(crate) struct ExpireHandler(pub Arc<Credentials>);

/// Certificates expired in one write.
const BATCH: u64 = 200;

#[async_trait]
impl Handler for ExpireHandler {
    fn kind(&self) -> &'static str {
        Expire::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let body: Expire = job.body()?;
        let today = self.0.db.clock().today().to_string();
        // A clock that was moved back must not take away a day.
        if body.last_day >= today {
            return Err(JobFailure::Retry(Fault::new(
                "the last day is not over yet",
            )));
        }
        loop {
            let last_day = body.last_day.clone();
            let expired = self
                .0
                .db
                .write(move |tx| expire_batch(tx, last_day.clone()))
                .await?;
            if expired < BATCH {
                return Ok(());
            }
        }
    }
}

async fn expire_batch(tx: store::Tx, last_day: String) -> kernel::Result<u64> {
    let over = rows::list_over(&*tx, &last_day, BATCH).await?;
    for certificate in &over {
        act::set_status(
            &tx,
            certificate,
            certificate.version,
            Status::Expired,
            "有效期届满",
            "system",
        )
        .await?;
    }
    Ok(over.len() as u64)
}
