//! Organisations, officers, parties, agents: who a demo or a new installation begins with.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use identity::load::{self, CitizenSeed, LegalPersonSeed, OrganisationSeed};
use kernel::{Fault, Result, code::uscc};
use serde::Deserialize;
use store::Tx;

use super::Loader;
use crate::{Catalog, File, Finding, Source, catalog::line_of, check::read_toml};

pub(super) fn loaders() -> Vec<Arc<dyn Loader>> {
    vec![
        Arc::new(Organisations),
        Arc::new(Officers::default()),
        Arc::new(Parties::default()),
    ]
}

fn broken(finding: &Finding) -> Fault {
    Fault::new(finding.to_string())
}

struct Organisations;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrganisationFile {
    /// A body stands after the one above it.
    organisation: Vec<OrganisationSeed>,
}

#[async_trait]
impl Loader for Organisations {
    fn folder(&self) -> &'static str {
        "organisations"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["toml"]
    }

    fn order(&self) -> u32 {
        20
    }

    fn check(&self, _: &Source, file: &File, catalog: &mut Catalog) -> Vec<Finding> {
        let read: OrganisationFile = match read_toml(file) {
            Ok(read) => read,
            Err(finding) => return vec![finding],
        };
        let mut findings = Vec::new();
        for body in &read.organisation {
            if let Err(e) = uscc::parse(&body.code) {
                let line = line_of(file, &body.code);
                let text = format!("{}: {e}", body.code);
                findings.push(Finding::new(
                    file,
                    line,
                    text,
                    "write the body's social credit code",
                ));
            }
            catalog.define("organisation", &body.code, file);
            if let Some(parent) = &body.parent {
                catalog.refer("organisation", parent, file);
            }
        }
        findings
    }

    async fn install(&self, tx: &Tx, _: &Source, file: &File) -> Result<usize> {
        let read: OrganisationFile = read_toml(file).map_err(|f| broken(&f))?;
        for body in &read.organisation {
            load::organisation(tx, body).await?;
        }
        Ok(read.organisation.len())
    }
}

/// Hashing a password takes long on purpose; a demo's accounts share one, so it is done once.
#[derive(Default)]
struct Hashes(std::sync::Mutex<HashMap<String, String>>);

impl Hashes {
    async fn get(&self, password: &str) -> Result<String> {
        if password.is_empty() {
            return Ok(String::new());
        }
        if let Some(hash) = self.known().get(password) {
            return Ok(hash.clone());
        }
        let hash = identity::password::hash(password.to_owned()).await?;
        self.known().insert(password.to_owned(), hash.clone());
        Ok(hash)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Officers(Hashes);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfficerFile {
    /// First password of all officers of this file; for demos only.
    #[serde(default)]
    password: String,
    officer: Vec<OfficerEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfficerEntry {
    login: String,
    name: String,
    #[serde(default)]
    posts: Vec<Post>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Post {
    post: String,
    org: String,
}

#[async_trait]
impl Loader for Officers {
    fn folder(&self) -> &'static str {
        "officers"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["toml"]
    }

    fn order(&self) -> u32 {
        21
    }

    fn check(&self, _: &Source, file: &File, catalog: &mut Catalog) -> Vec<Finding> {
        let read: OfficerFile = match read_toml(file) {
            Ok(read) => read,
            Err(finding) => return vec![finding],
        };
        for officer in &read.officer {
            catalog.define("login name", &officer.login, file);
            for post in &officer.posts {
                catalog.refer("organisation", &post.org, file);
            }
        }
        Vec::new()
    }

    async fn install(&self, tx: &Tx, _: &Source, file: &File) -> Result<usize> {
        let read: OfficerFile = read_toml(file).map_err(|f| broken(&f))?;
        let hash = self.0.get(&read.password).await?;
        for officer in &read.officer {
            let posts = officer
                .posts
                .iter()
                .map(|p| (p.post.clone(), p.org.clone()));
            let seed = load::OfficerSeed {
                login: officer.login.clone(),
                name: officer.name.clone(),
                posts: posts.collect(),
            };
            load::officer(tx, &seed, &hash).await?;
        }
        Ok(read.officer.len())
    }
}

#[derive(Default)]
struct Parties(Hashes);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartyFile {
    /// First password of all citizens of this file that can sign in; for demos only.
    #[serde(default)]
    password: String,
    #[serde(default)]
    citizen: Vec<CitizenSeed>,
    #[serde(default)]
    firm: Vec<LegalPersonSeed>,
    #[serde(default)]
    agent: Vec<AgentEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentEntry {
    /// Citizen number or credit code of who is acted for.
    party: String,
    login: String,
    #[serde(default)]
    scope: String,
}

#[async_trait]
impl Loader for Parties {
    fn folder(&self) -> &'static str {
        "parties"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["toml"]
    }

    fn order(&self) -> u32 {
        22
    }

    fn check(&self, _: &Source, file: &File, catalog: &mut Catalog) -> Vec<Finding> {
        let read: PartyFile = match read_toml(file) {
            Ok(read) => read,
            Err(finding) => return vec![finding],
        };
        let mut findings = Vec::new();
        let today = chrono::NaiveDate::MAX;
        for person in &read.citizen {
            catalog.define("party", &person.code, file);
            if let Some(login) = &person.login {
                catalog.define("login name", login, file);
            }
            if let Err(e) = kernel::code::citizen::parse(&person.code, today) {
                let text = format!("{}: {e}", person.code);
                let line = line_of(file, &person.code);
                findings.push(Finding::new(
                    file,
                    line,
                    text,
                    "write a number whose check digit is right",
                ));
            }
        }
        for firm in &read.firm {
            catalog.define("party", &firm.code, file);
            if let Some(person) = &firm.representative {
                catalog.refer("party", person, file);
            }
            if let Err(e) = uscc::parse(&firm.code) {
                let text = format!("{}: {e}", firm.code);
                let line = line_of(file, &firm.code);
                findings.push(Finding::new(
                    file,
                    line,
                    text,
                    "write a code whose check character is right",
                ));
            }
        }
        for agent in &read.agent {
            catalog.refer("party", &agent.party, file);
            catalog.refer("login name", &agent.login, file);
        }
        findings
    }

    async fn install(&self, tx: &Tx, _: &Source, file: &File) -> Result<usize> {
        let read: PartyFile = read_toml(file).map_err(|f| broken(&f))?;
        let hash = self.0.get(&read.password).await?;
        for person in &read.citizen {
            load::citizen(tx, person, &hash).await?;
        }
        for firm in &read.firm {
            load::legal_person(tx, firm).await?;
        }
        for agent in &read.agent {
            load::agent(tx, &agent.party, &agent.login, &agent.scope).await?;
        }
        Ok(read.citizen.len() + read.firm.len() + read.agent.len())
    }
}
