//! How pages name officers, and find those whom somebody typed.

use std::collections::HashMap;

use identity::{Actor, UserId, directory};
use kernel::{Error, Finding, Result, Text};
use web::{App, Page, component::Choice};

/// Colleagues that a page suggests; others are typed.
const MOST_COLLEAGUES: u64 = 200;
/// Officers named at one go; each is looked up.
const MOST_NAMED: usize = 200;
/// Officers of one name that are told apart.
const MOST_NAMESAKES: u64 = 5;

/// Officers of the actor's own departments, for what a page suggests.
pub(super) async fn colleagues(app: &App, actor: &Actor) -> Result<Vec<Choice>> {
    let orgs: Vec<String> = actor.posts.iter().map(|post| post.org.clone()).collect();
    let found = directory::officers_at(app.db().read(), &orgs, MOST_COLLEAGUES).await?;
    let others = found.into_iter().filter(|user| user.id != actor.user);
    Ok(others
        .map(|user| Choice::new(user.login, user.name))
        .collect())
}

/// The officer whose id, login or name somebody typed into a field.
pub(super) async fn find(app: &App, field: &str, typed: &str) -> Result<String> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Err(Error::invalid(field, Text::new("workflow-officer-missing")));
    }
    if typed.parse::<UserId>().is_ok() {
        return Ok(typed.to_owned());
    }
    let found = directory::officers_named(app.db().read(), typed, MOST_NAMESAKES).await?;
    // A login is one officer's, whoever else is called so.
    let by_login = found.iter().find(|user| user.login == typed);
    match (by_login, found.as_slice()) {
        (Some(user), _) | (None, [user]) => Ok(user.id.to_string()),
        (None, []) => {
            let text = Text::new("workflow-officer-unknown").with("officer", typed);
            Err(Error::invalid(field, text))
        }
        (None, several) => {
            let logins: Vec<&str> = several.iter().map(|user| user.login.as_str()).collect();
            let text = Text::new("workflow-officer-several").with("logins", logins.join(", "));
            Err(Error::invalid(field, text))
        }
    }
}

/// As [`find`], for several, between commas of either script or on lines of their own. Groups as
/// `post@org` stay what they are.
pub(super) async fn find_all(app: &App, field: &str, typed: &str) -> Result<Vec<String>> {
    let (mut found, mut findings): (Vec<String>, Vec<Finding>) = (Vec::new(), Vec::new());
    let words = typed.split([',', '，', '、', '\n']).map(str::trim);
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    if words.len() > MOST_NAMED {
        let text = Text::new("workflow-officers-number").with("most", MOST_NAMED);
        return Err(Error::invalid(field, text));
    }
    for word in words {
        if word.contains('@') {
            found.push(word.to_owned());
            continue;
        }
        match find(app, field, word).await {
            Ok(id) => found.push(id),
            Err(Error::Invalid(more)) => findings.extend(more),
            Err(error) => return Err(error),
        }
    }
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    if found.is_empty() {
        return Err(Error::invalid(field, Text::new("workflow-officer-missing")));
    }
    Ok(found)
}

/// Words for groups as `post@org` and for single officers.
pub(super) struct Groups(HashMap<String, String>);

impl Groups {
    pub(super) async fn of<'a>(
        app: &App,
        p: &Page,
        groups: impl Iterator<Item = &'a str>,
    ) -> Result<Self> {
        let mut known = HashMap::new();
        for group in groups {
            if !known.contains_key(group) {
                known.insert(group.to_owned(), words(app, p, group).await?);
            }
        }
        Ok(Self(known))
    }

    pub(super) fn list<'a>(&self, p: &Page, groups: impl IntoIterator<Item = &'a str>) -> String {
        p.list(groups.into_iter().filter_map(|group| self.0.get(group)))
    }
}

async fn words(app: &App, p: &Page, group: &str) -> Result<String> {
    let Some((post, org)) = group.split_once('@') else {
        return Ok(super::super::name_of(app, p, group).await);
    };
    let org = match directory::organisation(app.db().read(), org).await? {
        Some(org) => p.zh(org.short_name),
        None => org.to_owned(),
    };
    let key = format!("identity-post-{post}");
    let said = p.t(&key);
    let post = if said == key { post } else { &said };
    Ok(format!("{org} {post}"))
}
