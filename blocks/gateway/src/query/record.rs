//! Answers from a registry.

use std::collections::HashSet;

use identity::{Actor, directory};
use kernel::{Error, Result, Text};
use registry::{Declaration, Field, Registries, record::act::view_by_key, source};
use serde_json::{Map, Value, json};
use web::App;

use super::{Query, plain, read};

/// A department offers questions to what it answers for itself.
pub(super) async fn findings(app: &App, query: &Query, org: &str) -> Result<Vec<Text>> {
    let registries = app.part::<Registries>()?;
    let found = registries
        .declaration(app.db().read(), &query.registry)
        .await;
    let Ok(declaration) = found else {
        return Ok(vec![
            Text::new("gateway-query-registry").with("name", &query.registry),
        ]);
    };
    let mut findings = query.unknown(|name| declaration.field(name).is_some());
    if !query.key.is_empty() {
        findings.push(Text::new("gateway-query-key-own"));
    }
    for name in foreign(app, query, org).await? {
        findings.push(Text::new("gateway-query-foreign").with("name", name));
    }
    Ok(findings)
}

/// Fields that others have authority for. What is not declared any more is told when it is asked.
pub(super) async fn foreign(app: &App, query: &Query, org: &str) -> Result<Vec<String>> {
    let db = app.db().read();
    let registries = app.part::<Registries>()?;
    let declaration = match registries.declaration(db, &query.registry).await {
        Ok(declaration) => declaration,
        Err(Error::NotFound { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let own = sources_of(app, org).await?;
    let wanted = query.compare.iter().chain(&query.fields);
    let fields = wanted.filter_map(|name| declaration.field(name));
    let foreign = fields.filter(|field| !answers(&declaration, field, &own));
    Ok(foreign.map(|field| field.id.clone()).collect())
}

/// Sources of an organisation's own, and of those below it.
async fn sources_of(app: &App, org: &str) -> Result<HashSet<String>> {
    let db = app.db().read();
    let mut own = HashSet::new();
    for source in source::list(db).await? {
        let is_own = source.org == org
            || directory::above(db, &source.org)
                .await?
                .iter()
                .any(|above| above == org);
        if is_own {
            own.insert(source.id);
        }
    }
    Ok(own)
}

/// Whether one of these sources has authority for the field; for one that names none, the sources
/// of the key have.
fn answers(declaration: &Declaration, field: &Field, own: &HashSet<String>) -> bool {
    let of_key = || {
        let key = declaration
            .key
            .iter()
            .filter_map(|id| declaration.field(id));
        key.flat_map(|field| &field.authority)
            .any(|id| own.contains(id))
    };
    if field.authority.is_empty() {
        of_key()
    } else {
        field.authority.iter().any(|id| own.contains(id))
    }
}

/// A record that is not there and one that says otherwise answer a comparison
/// the same: no.
pub(super) async fn answer(
    app: &App,
    actor: &Actor,
    purpose: &str,
    query: &Query,
    question: &[u8],
) -> Result<Value> {
    let registries = app.part::<Registries>()?;
    let declaration = registries
        .declaration(app.db().read(), &query.registry)
        .await?;
    let question = read(&declaration.key, query, question)?;
    let told = |name: &String| question.get(name).map(String::as_str).unwrap_or_default();
    // As the registry writes keys of several fields.
    let key: Vec<String> = declaration
        .key
        .iter()
        .map(|name| told(name).replace('|', "||"))
        .collect();
    let key = key.join("|");
    let view = match view_by_key(app, actor, &query.registry, &key, purpose, true).await {
        Ok(view) => view,
        Err(Error::NotFound { .. }) if query.fields.is_empty() => {
            return Ok(json!({"matches": false}));
        }
        Err(Error::NotFound { .. }) => return Ok(json!({"found": false})),
        Err(error) => return Err(error),
    };
    let value = |name: &String| {
        let field = declaration.field(name)?;
        let decided = view.folded.fields.get(name)?;
        Some(decided.told.value.json(field))
    };
    if query.fields.is_empty() {
        let is_same = |name: &String| {
            let own = value(name).map(|value| plain(&value)).unwrap_or_default();
            !view.folded.is_closed && !own.is_empty() && own == told(name).trim()
        };
        return Ok(json!({"matches": query.compare.iter().all(is_same)}));
    }
    let fields: Map<String, Value> = query
        .fields
        .iter()
        .map(|name| (name.clone(), value(name).unwrap_or(Value::Null)))
        .collect();
    Ok(json!({"found": true, "is_closed": view.folded.is_closed, "fields": fields}))
}
