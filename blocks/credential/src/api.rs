//! The JSON doors to the same acts.

use axum::{
    Json,
    extract::{Multipart, Path, Query, State},
    response::Response,
};
use chrono::{DateTime, NaiveDate, Utc};
use identity::{Actor, MaybeActor};
use kernel::{Error, mask};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{App, WebError};

use crate::{
    CertificateType, Credentials,
    certificate::{
        Certificate, Change, Status, Usage,
        act::{self, Verdict},
    },
    kind, page,
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get_certificate))
        .routes(routes!(get_file))
        .routes(routes!(get_uses))
        .routes(routes!(change_status))
        .routes(routes!(search))
        .routes(routes!(verify))
        .routes(routes!(verify_file))
        .routes(routes!(list_types))
        .routes(routes!(keys))
}

type Answer<T> = Result<Json<T>, WebError>;

/// A certificate for those who may see it.
#[derive(Serialize, ToSchema)]
struct CertificateView {
    #[schema(example = "019326c5-6c80-7000-8000-000000000001")]
    id: String,
    #[schema(example = "1.2.156.3005.2.11110000000000019K001.11110000000000019K.2025000001.001.D")]
    zzbs: String,
    type_code: String,
    type_name: String,
    number: String,
    holder_name: String,
    /// Masked for persons.
    holder_code: String,
    issuer_code: String,
    issuer_name: String,
    face: serde_json::Map<String, serde_json::Value>,
    issued_on: NaiveDate,
    valid_from: NaiveDate,
    valid_to: NaiveDate,
    status: Status,
    status_since: DateTime<Utc>,
    status_reason: String,
    case_no: Option<String>,
    associated_zzbs: Option<String>,
    /// SM3 of the file; absent until it is rendered.
    sm3: Option<String>,
    size: Option<i64>,
    /// Canonical metadata and their SM2 signature (hexadecimal DER).
    metadata: String,
    signature: String,
    version: i64,
}

impl CertificateView {
    fn of(c: Certificate, today: NaiveDate) -> Self {
        let holder_code = c.masked_holder_code(mask::Profile::Internal);
        let status = c.status_on(today);
        Self {
            id: c.id.to_string(),
            zzbs: c.zzbs,
            type_code: c.type_code,
            type_name: c.type_name,
            number: c.number,
            holder_name: c.holder_name,
            holder_code,
            issuer_code: c.issuer_code,
            issuer_name: c.issuer_name,
            face: c.face,
            issued_on: c.issued_on,
            valid_from: c.valid_from,
            valid_to: c.valid_to,
            status,
            status_since: c.status_since,
            status_reason: c.status_reason,
            case_no: c.case_no,
            associated_zzbs: c.associated_zzbs,
            sm3: c.digest,
            size: c.size,
            metadata: c.metadata,
            signature: c.signature,
            version: c.version,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct CertificateList {
    items: Vec<CertificateView>,
    /// Give it as `after` for the next page.
    next: Option<String>,
}

#[derive(Deserialize, IntoParams)]
struct AfterQuery {
    /// `next` of the page before.
    after: Option<String>,
}

/// Certificates of the party that the caller acts for, newest first.
#[utoipa::path(get, path = "/api/credential/certificates", tag = "credential", params(AfterQuery),
    responses((status = 200, body = CertificateList), (status = 401)))]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<AfterQuery>,
) -> Answer<CertificateList> {
    let (certificates, next) = act::wallet(&app, &actor, query.after.as_deref()).await?;
    let today = app.clock().today();
    let items = certificates
        .into_iter()
        .map(|c| CertificateView::of(c, today))
        .collect();
    Ok(Json(CertificateList { items, next }))
}

#[derive(Deserialize, IntoParams)]
struct SearchQuery {
    /// Identifier, printed number or holder's code, complete.
    #[param(example = "JY20260302ABCDEFGHJK")]
    q: String,
}

/// Certificates that an officer may see, by identifier, number or holder's code.
#[utoipa::path(get, path = "/api/credential/search", tag = "credential", params(SearchQuery),
    responses((status = 200, body = CertificateList), (status = 403)))]
async fn search(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<SearchQuery>,
) -> Answer<CertificateList> {
    let found = act::search(&app, &actor, &query.q).await?;
    let today = app.clock().today();
    let items = found
        .into_iter()
        .map(|c| CertificateView::of(c, today))
        .collect();
    Ok(Json(CertificateList { items, next: None }))
}

/// One certificate.
#[utoipa::path(get, path = "/api/credential/certificates/{id}", tag = "credential",
    params(("id" = String, Path)), responses((status = 200, body = CertificateView), (status = 404)))]
async fn get_certificate(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<CertificateView> {
    let certificate = act::get(&app, &actor, page::parse(&id)?).await?;
    Ok(Json(CertificateView::of(certificate, app.clock().today())))
}

#[derive(Deserialize, IntoParams)]
struct PurposeQuery {
    /// Kept in the log of uses.
    #[param(example = "开户")]
    purpose: Option<String>,
}

/// The sealed PDF; the download is logged.
#[utoipa::path(get, path = "/api/credential/certificates/{id}/file", tag = "credential",
    params(("id" = String, Path), PurposeQuery),
    responses((status = 200, content_type = "application/pdf", body = Vec<u8>), (status = 404),
        (status = 409, description = "The file is still being made")))]
async fn get_file(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Query(query): Query<PurposeQuery>,
) -> Result<Response, WebError> {
    let purpose = query.purpose.unwrap_or_default();
    let (certificate, content) = act::download(&app, &actor, page::parse(&id)?, &purpose).await?;
    Ok(page::pdf_response(&certificate.zzbs, content))
}

/// Who saw, verified, downloaded or used the certificate, newest first.
#[utoipa::path(get, path = "/api/credential/certificates/{id}/uses", tag = "credential",
    params(("id" = String, Path), AfterQuery), responses((status = 200, body = Vec<Usage>), (status = 404)))]
async fn get_uses(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Query(query): Query<AfterQuery>,
) -> Answer<Vec<Usage>> {
    let certificate = act::get(&app, &actor, page::parse(&id)?).await?;
    Ok(Json(
        act::uses(&app, &certificate, query.after.as_deref()).await?,
    ))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StatusChange {
    change: Change,
    /// The holder reads it.
    #[schema(example = "现场检查发现重大隐患，依法暂扣")]
    reason: String,
    /// Version that the caller has seen.
    #[schema(example = 1)]
    version: i64,
}

/// Suspends, resumes, revokes, cancels or withdraws a certificate.
#[utoipa::path(post, path = "/api/credential/certificates/{id}/status", tag = "credential",
    params(("id" = String, Path)), request_body = StatusChange,
    responses((status = 200, body = CertificateView), (status = 403),
        (status = 409, description = "Changed by somebody else, or ended"), (status = 422)))]
async fn change_status(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<StatusChange>,
) -> Answer<CertificateView> {
    let id = page::parse(&id)?;
    let changed = act::change(&app, &actor, id, body.version, body.change, &body.reason).await?;
    Ok(Json(CertificateView::of(changed, app.clock().today())))
}

/// What anybody may know of an identifier.
#[utoipa::path(get, path = "/api/credential/verify/{zzbs}", tag = "credential",
    params(("zzbs" = String, Path, example = "1.2.156.3005.2.11110000000000019K001.11110000000000019K.2025000001.001.D")),
    responses((status = 200, body = Verdict)))]
async fn verify(
    State(app): State<App>,
    MaybeActor(actor): MaybeActor,
    Path(zzbs): Path<String>,
) -> Answer<Verdict> {
    Ok(Json(act::verify(&app, &zzbs, actor.as_ref()).await?))
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the multipart body")]
struct VerifyUpload {
    /// The PDF, at most 16 MB.
    #[schema(value_type = String, format = Binary, example = "licence.pdf")]
    file: Vec<u8>,
}

/// Whether a file is one that was issued here; it is not kept.
#[utoipa::path(post, path = "/api/credential/verify", tag = "credential",
    request_body(content = VerifyUpload, content_type = "multipart/form-data"),
    responses((status = 200, body = Verdict), (status = 422)))]
async fn verify_file(
    State(app): State<App>,
    MaybeActor(actor): MaybeActor,
    form: Multipart,
) -> Answer<Verdict> {
    let file = page::uploaded(form)
        .await?
        .map_err(|text| Error::invalid("file", text))?;
    Ok(Json(act::verify_file(&app, &file, actor.as_ref()).await?))
}

/// All types of certificates.
#[utoipa::path(get, path = "/api/credential/types", tag = "credential",
    responses((status = 200, body = Vec<CertificateType>)))]
async fn list_types(State(app): State<App>) -> Answer<Vec<CertificateType>> {
    Ok(Json(kind::list(app.db().read()).await?))
}

/// What others need to verify our files and metadata.
#[derive(Serialize, ToSchema)]
struct Keys {
    /// Root of the PDF seal, PEM.
    seal_root: String,
    /// SM2 key of metadata, PEM; the identity is `1234567812345678`.
    #[schema(
        example = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoEcz1UBgi0DQgAE…\n-----END PUBLIC KEY-----\n"
    )]
    metadata_key: String,
}

/// The root certificate of the seal and the public key of metadata.
#[utoipa::path(get, path = "/api/credential/keys", tag = "credential", responses((status = 200, body = Keys)))]
async fn keys(State(app): State<App>) -> Answer<Keys> {
    let credentials = app.part::<Credentials>()?;
    Ok(Json(Keys {
        seal_root: credentials.root_pem()?,
        metadata_key: credentials.metadata_key_pem()?,
    }))
}
