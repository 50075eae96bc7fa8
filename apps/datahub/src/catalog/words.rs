//! Codes and states of the catalog in the reader's language.

use std::collections::HashMap;

use ::catalog::{
    class::{self, Class},
    profile::{self, Code, Named, Profile, name_of},
    request,
    resource::{Happening as Noted, State},
};
use kernel::{Result, clock::from_micros};
use web::{
    App, Page,
    component::{Choice, Happening, Tone},
};

/// The lists of this installation.
pub(super) struct Words {
    pub profile: Profile,
    pub classes: Vec<Class>,
}

impl Words {
    pub async fn of(app: &App) -> Result<Self> {
        let db = app.db().read();
        Ok(Self {
            profile: profile::get(db).await?,
            classes: class::list(db).await?,
        })
    }

    pub fn class(&self, p: &Page, code: &str) -> String {
        let path = class::path(&self.classes, code, p.language.is_chinese());
        format!("{code} {}", p.zh(path.join(" › ")))
    }

    pub fn name<T: Named>(p: &Page, list: &[T], code: &str) -> String {
        p.zh(name_of(list, code, p.language.is_chinese()))
    }

    pub fn choices<T: Named>(p: &Page, list: &[T]) -> Vec<Choice> {
        let choice = |one: &T| Choice::new(one.code(), Self::name(p, list, one.code()));
        list.iter().map(choice).collect()
    }

    /// Classes from the third level down.
    pub fn class_choices(&self, p: &Page) -> Vec<Choice> {
        let whole = self
            .classes
            .iter()
            .filter(|c| ::catalog::code::is_class(&c.code));
        whole
            .map(|c| Choice::new(&c.code, self.class(p, &c.code)))
            .collect()
    }
}

/// The three kinds of sharing.
pub(super) fn share_types(p: &Page) -> Vec<Code> {
    let code = |code: &str| {
        let words = p.t(format!("datahub-share-{code}"));
        Code {
            code: code.to_owned(),
            zh: words.clone(),
            en: words,
        }
    };
    ["1", "2", "3"].map(code).into()
}

pub(super) fn state(p: &Page, state: State) -> (Tone, String) {
    let tone = match state {
        State::Published => Tone::Good,
        State::DepartmentReview | State::CentreReview => Tone::Accent,
        State::Changing => Tone::Warning,
        State::Draft | State::Withdrawn => Tone::Plain,
    };
    (tone, p.t(format!("datahub-entry-{}", state.name())))
}

pub(super) fn request_state(p: &Page, state: request::State) -> (Tone, String) {
    use request::State as S;
    let tone = match state {
        S::Active => Tone::Good,
        S::Suspended | S::Supplement => Tone::Warning,
        S::Refused | S::Revoked => Tone::Danger,
        S::Expired | S::Cancelled => Tone::Plain,
        _ => Tone::Accent,
    };
    (tone, p.t(format!("datahub-request-{}", state.name())))
}

/// An act on an entry or request.
fn act(p: &Page, act: &str) -> String {
    p.t(format!("datahub-act-{act}"))
}

/// What was done to an entry or request, with who did it.
pub(super) async fn happenings(app: &App, p: &Page, rows: &[Noted]) -> Result<Vec<Happening>> {
    let mut names: HashMap<&str, String> = HashMap::new();
    let mut told = Vec::new();
    for row in rows {
        if !names.contains_key(row.actor.as_str()) {
            names.insert(&row.actor, name(app, p, &row.actor).await?);
        }
        let is_import = row.words == "import";
        told.push(Happening {
            at: from_micros(row.at),
            title: act(p, &row.act),
            who: names.get(row.actor.as_str()).cloned().unwrap_or_default(),
            text: if is_import {
                p.t("datahub-catalog-import")
            } else {
                p.zh(&row.words)
            },
            tone: Tone::Plain,
        });
    }
    Ok(told)
}

/// The name of an actor as events trace one; of a substitute, the one who acted.
async fn name(app: &App, p: &Page, actor: &str) -> Result<String> {
    let id = actor
        .strip_prefix("user:")
        .and_then(|rest| rest.split(' ').next());
    let Some(id) = id.and_then(|id| id.parse().ok()) else {
        return Ok(p.t("datahub-system"));
    };
    let user = identity::directory::user(app.db().read(), id).await?;
    Ok(p.zh(user.name))
}
