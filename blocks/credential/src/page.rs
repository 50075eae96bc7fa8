//! Pages: verification for everybody, the holder's wallet, and status for officers.

use axum::{
    extract::{Multipart, Path, Query, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use identity::{Actor, Identity, MaybeActor};
use kernel::{Error, Finding, Text, mask};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use web::{
    App, Html, Page, WebError,
    component::{Choice, Fact, Fields, Pager, Tone},
};

use crate::{
    CertificateId,
    certificate::{
        Act, Certificate, Change, Status, Usage,
        act::{self, Shown, Verdict},
    },
    kind::FOR_EVER,
    typeset::qr_svg,
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route("/verify", get(verify_form).post(verify_upload))
        .route("/verify/{zzbs}", get(verify))
        .route("/wallet", get(wallet))
        .route("/wallet/{id}", get(certificate))
        .route("/wallet/{id}/file", get(file))
        .route("/wallet/{id}/qr.svg", get(code))
        .route("/work/certificates", get(search))
        .route("/work/certificates/{id}", get(certificate))
        .route("/work/certificates/{id}/status", post(change))
}

/// The largest file that is taken for verification; ours are a hundredth of it.
pub(crate) const LARGEST: usize = 16 << 20;

#[derive(askama::Template)]
#[template(path = "credential/verify.html")]
struct VerifyPage<'a> {
    p: &'a Page,
    f: Fields,
    answer: Option<AnswerView>,
}

/// The answer in words.
struct AnswerView {
    tone: Tone,
    title: String,
    text: String,
    facts: Vec<Fact>,
}

#[derive(Deserialize)]
struct Question {
    #[serde(default)]
    zzbs: String,
}

async fn verify_form(page: Page, Query(question): Query<Question>) -> Result<Response, WebError> {
    let zzbs = question.zzbs.trim();
    if zzbs.is_empty() {
        let template = VerifyPage {
            p: &page,
            f: Fields::new(),
            answer: None,
        };
        return Ok(Html::page(&template)?.into_response());
    }
    match kernel::code::certificate::parse(zzbs) {
        Ok(id) => Ok(Redirect::to(&format!("/verify/{id}")).into_response()),
        Err(error) => {
            let findings = vec![Finding::new("zzbs", error.text())];
            let f = Fields::new().with("zzbs", zzbs).rejected(findings);
            Ok(Html::again(&VerifyPage {
                p: &page,
                f,
                answer: None,
            })?
            .into_response())
        }
    }
}

async fn verify(
    State(app): State<App>,
    page: Page,
    MaybeActor(actor): MaybeActor,
    Path(zzbs): Path<String>,
) -> Result<Html, WebError> {
    let verdict = act::verify(&app, &zzbs, actor.as_ref()).await?;
    let answer = Some(answer(&page, &verdict));
    Html::page(&VerifyPage {
        p: &page,
        f: Fields::new().with("zzbs", zzbs),
        answer,
    })
}

async fn verify_upload(
    State(app): State<App>,
    page: Page,
    MaybeActor(actor): MaybeActor,
    form: Multipart,
) -> Result<Html, WebError> {
    match uploaded(form).await? {
        Ok(file) => {
            let verdict = act::verify_file(&app, &file, actor.as_ref()).await?;
            let answer = Some(answer(&page, &verdict));
            Html::page(&VerifyPage {
                p: &page,
                f: Fields::new(),
                answer,
            })
        }
        Err(text) => {
            let f = Fields::new().rejected(vec![Finding::new("file", text)]);
            Html::again(&VerifyPage {
                p: &page,
                f,
                answer: None,
            })
        }
    }
}

/// The bytes of the field `file`.
pub(crate) async fn uploaded(mut form: Multipart) -> Result<Result<Vec<u8>, Text>, WebError> {
    let broken = |_| Error::invalid("file", Text::new("credential-upload-broken"));
    while let Some(mut field) = form.next_field().await.map_err(broken)? {
        if field.name() != Some("file") {
            continue;
        }
        let mut bytes = Vec::new();
        while let Some(part) = field.chunk().await.map_err(broken)? {
            bytes.extend_from_slice(&part);
            if bytes.len() > LARGEST {
                return Ok(Err(
                    Text::new("credential-upload-too-big").with("limit", LARGEST >> 20)
                ));
            }
        }
        if !bytes.is_empty() {
            return Ok(Ok(bytes));
        }
    }
    Ok(Err(Text::new("credential-upload-empty")))
}

fn answer(page: &Page, verdict: &Verdict) -> AnswerView {
    let (tone, key, shown) = match verdict {
        Verdict::Valid(shown) => (Tone::Good, "valid", Some(shown)),
        Verdict::Invalid(shown) if shown.is_signed == Some(false) => {
            (Tone::Danger, "unsigned", Some(shown))
        }
        Verdict::Invalid(shown) => (Tone::Danger, "invalid", Some(shown)),
        Verdict::Altered(shown) => (Tone::Danger, "altered", Some(shown)),
        Verdict::Unknown => (Tone::Warning, "unknown", None),
    };
    let text = match shown {
        Some(shown) => page.ta(
            format!("credential-verdict-{key}-text"),
            [
                ("status", &page.t(shown.status.key())),
                ("since", &page.date(shown.since)),
            ],
        ),
        None => page.t("credential-verdict-unknown-text"),
    };
    AnswerView {
        tone,
        title: page.t(format!("credential-verdict-{key}")),
        text,
        facts: shown
            .map(|shown| shown_facts(page, shown))
            .unwrap_or_default(),
    }
}

fn shown_facts(page: &Page, shown: &Shown) -> Vec<Fact> {
    let term = term(page, shown.valid_from, shown.valid_to);
    let mut facts = vec![
        Fact::new(
            page.t("credential-type"),
            type_name(page, &shown.type_name, &shown.type_name_en),
        ),
        Fact::new(page.t("credential-number"), &shown.number),
        Fact::new(page.t("credential-zzbs"), &shown.zzbs),
        Fact::new(page.t("credential-holder"), page.zh(&shown.holder)),
        Fact::new(page.t("credential-holder-code"), &shown.holder_code),
        Fact::new(page.t("credential-issuer"), page.zh(&shown.issuer)),
        Fact::new(page.t("credential-issued-on"), page.date(shown.issued_on)),
        Fact::new(page.t("credential-term"), term),
    ];
    if let Some(is_signed) = shown.is_signed {
        let key = if is_signed {
            "credential-signature-good"
        } else {
            "credential-signature-bad"
        };
        facts.push(Fact::new(page.t("credential-signature"), page.t(key)));
    }
    facts
}

fn type_name(page: &Page, zh: &str, en: &str) -> String {
    if page.language == web::Language::En && !en.is_empty() {
        en.to_owned()
    } else {
        page.zh(zh)
    }
}

fn term(page: &Page, from: chrono::NaiveDate, to: chrono::NaiveDate) -> String {
    if to >= FOR_EVER {
        return page.t1("credential-term-open", "from", page.date(from));
    }
    page.ta(
        "credential-term-of",
        [("from", &page.date(from)), ("to", &page.date(to))],
    )
}

fn tone(status: Status) -> Tone {
    match status {
        Status::Valid => Tone::Good,
        Status::Suspended | Status::Transferring => Tone::Warning,
        _ => Tone::Danger,
    }
}

#[derive(askama::Template)]
#[template(path = "credential/wallet.html")]
struct WalletPage<'a> {
    p: &'a Page,
    cards: Vec<CardView>,
    pager: Pager,
    /// For whom else the viewer may act, but does not now: their certificates are not here.
    others: String,
}

struct CardView {
    href: String,
    title: String,
    number: String,
    issuer: String,
    term: String,
    status: String,
    tone: Tone,
}

impl CardView {
    fn of(page: &Page, certificate: &Certificate, base: &str) -> Self {
        let status = certificate.status_on(page.app.clock().today());
        Self {
            href: format!("{base}/{}", certificate.id),
            title: type_name(page, &certificate.type_name, &certificate.type_name_en),
            number: certificate.number.clone(),
            issuer: page.zh(&certificate.issuer_name),
            term: term(page, certificate.valid_from, certificate.valid_to),
            status: page.t(status.key()),
            tone: tone(status),
        }
    }
}

#[derive(Deserialize)]
struct After {
    after: Option<String>,
}

async fn wallet(
    State(app): State<App>,
    page: Page,
    actor: Actor,
    Query(after): Query<After>,
) -> Result<Html, WebError> {
    let after = after.after.as_deref().filter(|after| !after.is_empty());
    let (certificates, next) = act::wallet(&app, &actor, after).await?;
    let cards = certificates
        .iter()
        .map(|certificate| CardView::of(&page, certificate, "/wallet"))
        .collect();
    let pager = Pager::new("/wallet", "", after, next.as_deref());
    let others = match (&actor.acting_for, app.part::<Identity>()) {
        (None, Ok(identity)) => identity::agent::list_parties(&identity, &actor).await?,
        _ => Vec::new(),
    };
    let others: Vec<_> = others.iter().map(|party| page.zh(&party.name)).collect();
    Html::page(&WalletPage {
        p: &page,
        cards,
        pager,
        others: others.join(&page.t("credential-wallet-comma")),
    })
}

#[derive(askama::Template)]
#[template(path = "credential/certificate.html")]
struct CertificatePage<'a> {
    p: &'a Page,
    f: Fields,
    /// Not `id`: components' own argument of that name would hide it.
    certificate_id: String,
    title: String,
    status: String,
    tone: Tone,
    reason: String,
    is_ready: bool,
    facts: Vec<Fact>,
    face: Vec<Fact>,
    verify_href: String,
    uses: Vec<UseView>,
    changes: Vec<Choice>,
    version: i64,
}

struct UseView {
    at: String,
    act: String,
    who: String,
    purpose: String,
    case_no: String,
}

impl UseView {
    fn of(page: &Page, usage: &Usage) -> Self {
        let who = if usage.actor_name.is_empty() {
            page.t("credential-somebody")
        } else {
            page.zh(&usage.actor_name)
        };
        Self {
            at: page.stamp(usage.at),
            act: page.t(Act::key(&usage.act)),
            who,
            purpose: page.zh(&usage.purpose),
            case_no: usage.case_no.clone().unwrap_or_default(),
        }
    }
}

async fn certificate(
    State(app): State<App>,
    page: Page,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Html, WebError> {
    let certificate = act::get(&app, &actor, parse(&id)?).await?;
    let view = certificate_page(&app, &page, &actor, &certificate, Fields::new()).await?;
    Html::page(&view)
}

async fn certificate_page<'a>(
    app: &App,
    page: &'a Page,
    actor: &Actor,
    certificate: &Certificate,
    f: Fields,
) -> Result<CertificatePage<'a>, WebError> {
    let status = certificate.status_on(app.clock().today());
    let uses = act::uses(app, certificate, None).await?;
    let changes = act::changes(app, actor, certificate)?;
    let kind = crate::kind::kept(app.db().read(), &certificate.definition_id).await?;
    let face = kind
        .face
        .iter()
        .map(|item| {
            let title = if page.language == web::Language::En && !item.title_en.is_empty() {
                item.title_en.clone()
            } else {
                page.zh(&item.title)
            };
            let value = certificate.face.get(&item.key);
            let value = value.map(|value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            });
            Fact::new(title, page.zh(value.unwrap_or_default()))
        })
        .collect();
    Ok(CertificatePage {
        p: page,
        f,
        certificate_id: certificate.id.to_string(),
        title: type_name(page, &certificate.type_name, &certificate.type_name_en),
        status: page.t(status.key()),
        tone: tone(status),
        reason: page.zh(&certificate.status_reason),
        is_ready: certificate.rendered_at.is_some(),
        facts: own_facts(page, certificate),
        face,
        verify_href: format!("/verify/{}", certificate.zzbs),
        uses: uses.iter().map(|usage| UseView::of(page, usage)).collect(),
        changes: changes
            .iter()
            .map(|change| Choice::new(change.name(), page.t(change.key())))
            .collect(),
        version: certificate.version,
    })
}

fn own_facts(page: &Page, certificate: &Certificate) -> Vec<Fact> {
    let mut facts = vec![
        Fact::new(page.t("credential-number"), &certificate.number),
        Fact::new(page.t("credential-zzbs"), &certificate.zzbs),
        Fact::new(
            page.t("credential-holder"),
            page.zh(&certificate.holder_name),
        ),
        Fact::new(
            page.t("credential-holder-code"),
            certificate.masked_holder_code(mask::Profile::Internal),
        ),
        Fact::new(
            page.t("credential-issuer"),
            page.zh(&certificate.issuer_name),
        ),
        Fact::new(
            page.t("credential-issued-on"),
            page.date(certificate.issued_on),
        ),
        Fact::new(
            page.t("credential-term"),
            term(page, certificate.valid_from, certificate.valid_to),
        ),
    ];
    if let Some(case_no) = &certificate.case_no {
        facts.push(Fact::new(page.t("credential-case"), case_no));
    }
    if let Some(other) = &certificate.associated_zzbs {
        facts.push(
            Fact::new(page.t("credential-associated"), other).link(format!("/verify/{other}")),
        );
    }
    facts
}

/// Identifiers that are none name nothing.
pub(crate) fn parse(id: &str) -> Result<CertificateId, Error> {
    id.parse().map_err(|_| Error::NotFound {
        what: "certificate",
    })
}

async fn file(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let (certificate, content) = act::download(&app, &actor, parse(&id)?, "").await?;
    Ok(pdf_response(&certificate.zzbs, content))
}

pub(crate) fn pdf_response(name: &str, content: Vec<u8>) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/pdf"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-store"),
    );
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.pdf\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    (headers, content).into_response()
}

async fn code(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let certificate = act::get(&app, &actor, parse(&id)?).await?;
    let credentials = app.part::<crate::Credentials>()?;
    let svg = qr_svg(&credentials.verify_url(&certificate.zzbs))?;
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response())
}

#[derive(askama::Template)]
#[template(path = "credential/search.html")]
struct SearchPage<'a> {
    p: &'a Page,
    words: String,
    cards: Vec<CardView>,
}

#[derive(Deserialize)]
struct Words {
    #[serde(default)]
    q: String,
}

async fn search(
    State(app): State<App>,
    page: Page,
    actor: Actor,
    Query(words): Query<Words>,
) -> Result<Html, WebError> {
    let found = act::search(&app, &actor, &words.q).await?;
    let cards = found
        .iter()
        .map(|c| CardView::of(&page, c, "/work/certificates"))
        .collect();
    Html::page(&SearchPage {
        p: &page,
        words: words.q,
        cards,
    })
}

async fn change(
    State(app): State<App>,
    page: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    let id = parse(&id)?;
    let version = f.value("version").parse().unwrap_or_default();
    let outcome = match Change::from_name(f.value("change")) {
        Some(change) => act::change(&app, &actor, id, version, change, f.value("reason")).await,
        None => Err(Error::invalid(
            "change",
            Text::new("credential-change-missing"),
        )),
    };
    let findings = match outcome {
        Ok(_) => return Ok(Redirect::to(&format!("/work/certificates/{id}")).into_response()),
        Err(Error::Invalid(findings)) => findings,
        Err(Error::Refused(text)) => vec![Finding::new("", text)],
        Err(other) => return Err(other.into()),
    };
    let certificate = act::get(&app, &actor, id).await?;
    let view = certificate_page(&app, &page, &actor, &certificate, f.rejected(findings)).await?;
    Ok(Html::again(&view)?.into_response())
}
