//! Where the values of a record came from: field, source, batch, node, department, time, proofs.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::{Path, State};
use flow::trace::{self, Origin};
use identity::Actor;
use kernel::clock::from_micros;
use registry::record::act::{self, AsOf};
use web::{
    App, Html, Page, WebError,
    component::{Crumb, Tone},
};

use crate::registry::words::{Words, title};

struct Line {
    field: String,
    value: String,
    source: String,
    /// When the registry heard of it.
    recorded: String,
    /// The delivery that brought it; empty for what was typed.
    batch: String,
    /// Its title and number, where the exchange brought it.
    delivery: String,
}

struct Delivery {
    id: String,
    title: String,
    org: String,
    node: String,
    sequence: i64,
    read_at: String,
    accepted_at: String,
    manifest: (Tone, String),
    receipt: (Tone, String),
}

#[derive(Template)]
#[template(path = "datahub/record_origin.html")]
struct OriginPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    lines: Vec<Line>,
    deliveries: Vec<Delivery>,
}

pub(super) async fn show(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path((registry, id)): Path<(String, String)>,
) -> Result<Html, WebError> {
    let as_of = AsOf::default();
    let view = act::view(&app, &actor, &registry, &id, as_of, "", false).await?;
    let words = Words::of(&app, &view.declaration).await?;
    let told = view.folded.fields.values().map(|decided| &decided.told);
    let batches: BTreeSet<String> = told.filter_map(|told| told.batch.clone()).collect();
    let origins = trace::origins(&app, &actor, &batches).await?;
    let fields = view.declaration.fields.iter().filter_map(|field| {
        let told = &view.folded.fields.get(&field.id)?.told;
        Some(Line {
            field: title(&p, &field.title),
            value: words.value(&p, field, &told.value, false),
            source: words.source(&p, &told.source),
            recorded: p.stamp(from_micros(told.recorded_at)),
            delivery: told
                .batch
                .as_ref()
                .and_then(|batch| origins.get(batch))
                .map(|one| format!("{} {}", p.zh(&one.title), one.sent.sequence))
                .unwrap_or_default(),
            batch: told.batch.clone().unwrap_or_default(),
        })
    });
    let list = format!("/work/data/{registry}");
    Html::page(&OriginPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-registries"), "/work/data"),
            Crumb::new(title(&p, &view.declaration.title), &list),
            Crumb::new(p.t("datahub-record"), format!("{list}/{id}")),
            Crumb::new(p.t("datahub-origin-title"), ""),
        ],
        lines: fields.collect(),
        deliveries: origins.values().map(|one| delivery(&p, one)).collect(),
        p: &p,
    })
}

fn delivery(p: &Page, origin: &Origin) -> Delivery {
    let proven = |is_genuine: bool| {
        if is_genuine {
            (Tone::Good, p.t("datahub-proof-genuine"))
        } else {
            (Tone::Danger, p.t("datahub-proof-broken"))
        }
    };
    let sent = &origin.sent;
    Delivery {
        id: sent.id.clone(),
        title: p.zh(&origin.title),
        org: p.zh(&origin.org_name),
        node: sent.node.clone(),
        sequence: sent.sequence,
        read_at: p.stamp(sent.read_at),
        accepted_at: sent.accepted_at.map_or_else(String::new, |at| p.stamp(at)),
        manifest: proven(origin.proof.has_manifest),
        receipt: proven(origin.proof.has_receipt),
    }
}
