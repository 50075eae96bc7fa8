//! Codes, sources and states in words.

use std::{collections::HashMap, sync::Arc};

use kernel::Result;
use registry::{
    Declaration, Field, Registries, declaration::Kind, part::Codes, record::State, source,
    value::Value,
};
use web::{App, Page, component::Tone};

/// What is needed to say a registry's values.
pub(crate) struct Words {
    codes: HashMap<String, Arc<Codes>>,
    sources: HashMap<String, (String, String)>,
}

impl Words {
    pub(crate) async fn of(app: &App, declaration: &Declaration) -> Result<Self> {
        let registries = app.part::<Registries>()?;
        let sources = source::list(app.db().read()).await?;
        Ok(Self {
            codes: registries.codes_of(app.db(), declaration).await?,
            sources: sources
                .into_iter()
                .map(|s| (s.id, (s.title_zh, s.title_en)))
                .collect(),
        })
    }

    pub(crate) fn source(&self, p: &Page, id: &str) -> String {
        match self.sources.get(id) {
            Some((zh, _)) if p.language.is_chinese() && !zh.is_empty() => p.zh(zh),
            Some((_, en)) if !en.is_empty() => en.clone(),
            _ => id.to_owned(),
        }
    }

    /// The value as the reader may see it; codes with their names.
    pub(crate) fn value(&self, p: &Page, field: &Field, value: &Value, whole: bool) -> String {
        if field.is_sensitive() && !whole {
            return value.masked(field);
        }
        match (value, field.kind) {
            (Value::Boolean(yes), Kind::Boolean) => {
                p.t(if *yes { "datahub-yes" } else { "datahub-no" })
            }
            (Value::Text(code), _) => match self.name_of(field, code) {
                Some((zh, _)) if p.language.is_chinese() => format!("{} {code}", p.zh(zh)),
                Some((_, en)) => format!("{en} {code}"),
                None => code.clone(),
            },
            _ => value.text(field),
        }
    }

    fn name_of(&self, field: &Field, code: &str) -> Option<&(String, String)> {
        self.codes.get(field.code_table.as_ref()?)?.get(code)
    }
}

pub(crate) fn title(p: &Page, title: &registry::declaration::Title) -> String {
    p.zh(title.in_language(p.language.is_chinese()))
}

/// The words and the tone of a record's state.
pub(crate) fn state(p: &Page, state: State) -> (Tone, String) {
    match state {
        State::Open => (Tone::Good, p.t("datahub-state-open")),
        State::Closed => (Tone::Plain, p.t("datahub-state-closed")),
        State::Merged => (Tone::Warning, p.t("datahub-state-merged")),
    }
}
