//! The catalog for the world: DCAT 3 as JSON-LD, of what is open to the public.

use ::store::page::PageRequest;
use identity::{Actor, Gate, Resource};
use kernel::Result;
use serde_json::{Map, Value, json};
use web::App;

use crate::{
    class::{self, Class},
    metadata::Metadata,
    profile::{self, Profile, of_code},
    resource::{
        Entry,
        store::{self, Filter},
    },
};

/// A page of the catalog. Everybody gets what is open; officers who may read the catalog all that
/// is published here.
pub async fn page(app: &App, actor: Option<&Actor>, after: Option<String>) -> Result<Value> {
    let gate = app.part::<Gate>()?;
    let is_officer = actor.is_some_and(|actor| {
        let may = actor.may(&gate, "catalog.read", &Resource::system());
        may.is_ok()
    });
    let filter = Filter {
        only_public: true,
        is_open: (!is_officer).then_some(true),
        ..Filter::default()
    };
    let db = app.db().read();
    let profile = profile::get(db).await?;
    let classes = class::list(db).await?;
    let request = PageRequest::new(after, Some(200));
    let found = store::list(app.db(), &filter, &request).await?;
    let base = app.settings().public_url.trim_end_matches('/').to_owned();
    let catalog = format!("{base}/catalog/dcat");
    let mut graph = vec![json!({
        "@id": catalog,
        "@type": "dcat:Catalog",
        "dct:title": words(&format!("{}信息资源目录", app.settings().place), "zh-CN"),
        "dcat:dataset": found.items.iter().map(|row| json!({"@id": address(&base, row)})).collect::<Vec<_>>(),
    })];
    for row in &found.items {
        graph.push(dataset(&base, row, &row.metadata()?, &profile, &classes));
    }
    let here = request
        .after
        .map_or_else(|| catalog.clone(), |key| format!("{catalog}?after={key}"));
    let mut view = json!({
        "@id": here,
        "@type": "hydra:PartialCollectionView",
        "hydra:first": {"@id": catalog},
    });
    if let (Some(next), Some(view)) = (&found.next, view.as_object_mut()) {
        view.insert(
            "hydra:next".to_owned(),
            json!({"@id": format!("{catalog}?after={next}")}),
        );
    }
    graph.push(view);
    Ok(json!({"@context": context(), "@graph": graph}))
}

fn context() -> Value {
    json!({
        "dcat": "http://www.w3.org/ns/dcat#",
        "dct": "http://purl.org/dc/terms/",
        "foaf": "http://xmlns.com/foaf/0.1/",
        "vcard": "http://www.w3.org/2006/vcard/ns#",
        "skos": "http://www.w3.org/2004/02/skos/core#",
        "hydra": "http://www.w3.org/ns/hydra/core#",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
    })
}

fn words(text: &str, language: &str) -> Value {
    json!({"@value": text, "@language": language})
}

fn address(base: &str, row: &Entry) -> String {
    format!("{base}/catalog/dcat#{}", row.id)
}

fn dataset(
    base: &str,
    row: &Entry,
    entry: &Metadata,
    profile: &Profile,
    classes: &[Class],
) -> Value {
    let mut titles = vec![words(&entry.name, "zh-CN")];
    if !entry.name_en.is_empty() {
        titles.push(words(&entry.name_en, "en"));
    }
    let mut node = json!({
        "@id": address(base, row),
        "@type": "dcat:Dataset",
        "dct:identifier": entry.code,
        "dct:title": titles,
        "dct:description": words(&entry.summary, "zh-CN"),
        "dct:publisher": {
            "@type": "foaf:Agent",
            "foaf:name": entry.provider_name,
            "dct:identifier": entry.provider,
        },
        "dcat:theme": themes(&entry.class, classes),
        "dct:accessRights": {"@id": access(entry)},
        "dcat:version": row.number.to_string(),
        "dcat:distribution": {"@type": "dcat:Distribution", "dct:format": entry.format_type},
    });
    if let Some(node) = node.as_object_mut() {
        put_optional(node, entry, profile);
    }
    node
}

fn access(entry: &Metadata) -> String {
    let access = match (entry.is_open, entry.share_type.as_str()) {
        (true, _) => "PUBLIC",
        (false, "3") => "NON_PUBLIC",
        (false, _) => "RESTRICTED",
    };
    format!("http://publications.europa.eu/resource/authority/access-right/{access}")
}

/// What an entry may lack.
fn put_optional(node: &mut Map<String, Value>, entry: &Metadata, profile: &Profile) {
    let mut put = |key: &str, value: Value| {
        node.insert(key.to_owned(), value);
    };
    if !entry.inner_department.is_empty() {
        let contact = json!({"@type": "vcard:Organization", "vcard:fn": entry.inner_department});
        put("dcat:contactPoint", contact);
    }
    if !entry.theme.is_empty() {
        put("dcat:keyword", words(&entry.theme, "zh-CN"));
    }
    let cycle = of_code(&profile.cycles, &entry.cycle);
    if let Some(cycle) = cycle.filter(|cycle| !cycle.frequency.is_empty()) {
        let frequencies = "http://publications.europa.eu/resource/authority/frequency";
        let frequency = json!({"@id": format!("{frequencies}/{}", cycle.frequency)});
        put("dct:accrualPeriodicity", frequency);
    }
    if let Some(day) = entry.published_on {
        let day = json!({"@value": day.to_string(), "@type": "xsd:date"});
        put("dct:issued", day);
    }
    if !entry.open_condition.is_empty() {
        put("dct:rights", words(&entry.open_condition, "zh-CN"));
    }
    if !entry.related.is_empty() {
        put("dct:relation", json!(entry.related));
    }
}

/// The class and those above it.
fn themes(class: &str, classes: &[Class]) -> Value {
    let line = crate::code::line(class);
    let named = line.iter().filter_map(|code| {
        let found = classes.iter().find(|one| one.code == *code)?;
        Some(json!({
            "@type": "skos:Concept",
            "skos:notation": found.code,
            "skos:prefLabel": [words(&found.name_zh, "zh-CN"), words(&found.name_en, "en")],
        }))
    });
    Value::Array(named.collect())
}
