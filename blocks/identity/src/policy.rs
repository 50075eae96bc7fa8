//! What may be done: Cedar policies, asked at the start of every act.
//!
//! A policy sees the actor as `principal` (`kind` one of `citizen`, `officer`, `system`; `posts`,
//! `orgs`, `regions`, `groups` as `post@org`, `parties`; `assurance`, `second_factor`,
//! `is_token`), the thing as `resource` (`id`, `owner`, `org`, `region`; empty text where it has
//! none), and in `context` what Cedar cannot compute: `posts_at_org` (the actor's posts at the
//! thing's organisation), `posts_above` (at the organisations above it, where the act names them),
//! `posts_in_region` (at organisations whose region covers the thing's) and `is_owner`.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use cedar_policy::{
    ActionConstraint, Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName,
    EntityUid, Policy, PolicyId, PolicySet, Request, RestrictedExpression as Value,
};
use kernel::{Error, Fault, Finding, Result, Text};

use crate::Actor;

/// The thing acted upon, as policies see it.
#[derive(Clone, Debug, Default)]
pub struct Resource {
    /// Cedar entity type: `Case`, `Matter`, `Certificate`, `System`…
    pub kind: &'static str,
    pub id: String,
    /// Party that owns it.
    pub owner: Option<String>,
    /// Organisation (credit code) that handles it.
    pub org: Option<String>,
    /// Organisations above that one (credit codes), as [`crate::directory::above`] tells them.
    pub above: Vec<String>,
    /// Region it belongs to.
    pub region: Option<String>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "callers pass identifiers, which are small and copied"
)]
impl Resource {
    pub fn new(kind: &'static str, id: impl ToString) -> Self {
        Self {
            kind,
            id: id.to_string(),
            ..Self::default()
        }
    }

    /// The installation as a whole, for acts on nothing in particular. It is everybody's: an
    /// officer's posts all count at it, wherever they are held.
    pub fn system() -> Self {
        Self::new(SYSTEM, "tongban")
    }

    #[must_use]
    pub fn owner(mut self, party: impl ToString) -> Self {
        self.owner = Some(party.to_string());
        self
    }

    #[must_use]
    pub fn org(mut self, org: impl ToString) -> Self {
        self.org = Some(org.to_string());
        self
    }

    #[must_use]
    pub fn above(mut self, orgs: Vec<String>) -> Self {
        self.above = orgs;
        self
    }

    #[must_use]
    pub fn region(mut self, region: impl ToString) -> Self {
        self.region = Some(region.to_string());
        self
    }
}

const SYSTEM: &str = "System";

/// Answers whether an actor may do something; an [`App`](web::App) part.
///
/// Empty, and so refusing everything, until [`Gate::load`] has been called: it is put into the
/// application before the policies of later modules are known.
#[derive(Default)]
pub struct Gate(RwLock<Arc<Loaded>>);

/// Everything wrong with a set of policy files; the field of a finding is the file's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyMistakes(pub Vec<Finding>);

impl std::fmt::Display for PolicyMistakes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, finding) in self.0.iter().enumerate() {
            let reason = finding.text.args.iter().map(|(_, value)| value.as_str());
            let reason: Vec<_> = reason.collect();
            let mark = if n == 0 { "" } else { "\n" };
            write!(f, "{mark}{}: {}", finding.field, reason.join(", "))?;
        }
        Ok(())
    }
}

impl std::error::Error for PolicyMistakes {}

/// Policies by the action they speak of, so that a question costs only what concerns it.
#[derive(Default)]
struct Loaded {
    by_action: HashMap<String, PolicySet>,
    /// Answers to [`Gate::may_see`] by what decides them.
    menus: RwLock<HashMap<String, Arc<HashSet<String>>>>,
}

/// Kinds of actors are few (posts × levels); this only stops a leak.
const MENUS_KEPT: usize = 2_000;

impl Gate {
    /// A gate with these policies, each `(file name, text)`.
    pub fn of<'a>(
        policies: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, PolicyMistakes> {
        let gate = Self::default();
        gate.load(policies)?;
        Ok(gate)
    }

    /// Replaces all policies. Every mistake in every file is reported, and then none is taken.
    pub fn load<'a>(
        &self,
        policies: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), PolicyMistakes> {
        let mut all = Vec::new();
        let mut findings = Vec::new();
        for (name, text) in policies {
            match read(name, text) {
                Ok(mut read) => all.append(&mut read),
                Err(finding) => findings.push(finding),
            }
        }
        match sort(&all) {
            Ok(loaded) if findings.is_empty() => {
                *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
                Ok(())
            }
            Ok(_) => Err(PolicyMistakes(findings)),
            Err(finding) => {
                findings.push(finding);
                Err(PolicyMistakes(findings))
            }
        }
    }

    /// `Ok` if some policy permits and none forbids; else [`Error::Forbidden`].
    pub fn check(&self, actor: &Actor, action: &str, resource: &Resource) -> Result<()> {
        if self.loaded().permits(actor, action, resource)? {
            Ok(())
        } else {
            Err(Error::Forbidden {
                action: action.to_owned(),
            })
        }
    }

    /// The actions allowed to the actor on the system as a whole; menus show these.
    pub fn may_see(&self, actor: &Actor) -> Result<Arc<HashSet<String>>> {
        let loaded = self.loaded();
        let key = menu_key(actor);
        if let Some(known) = loaded.menus().get(&key) {
            return Ok(known.clone());
        }
        let mut actions = HashSet::new();
        for action in loaded.by_action.keys().filter(|a| !a.is_empty()) {
            if loaded.permits(actor, action, &Resource::system())? {
                actions.insert(action.clone());
            }
        }
        let actions = Arc::new(actions);
        let mut menus = loaded.menus.write().unwrap_or_else(PoisonError::into_inner);
        if menus.len() >= MENUS_KEPT {
            menus.clear();
        }
        menus.insert(key, actions.clone());
        Ok(actions)
    }

    /// Every action that a policy names, in order.
    pub fn actions(&self) -> Vec<String> {
        let loaded = self.loaded();
        let actions: BTreeSet<_> = loaded.by_action.keys().filter(|a| !a.is_empty()).collect();
        actions.into_iter().cloned().collect()
    }

    fn loaded(&self) -> Arc<Loaded> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Loaded {
    fn menus(&self) -> std::sync::RwLockReadGuard<'_, HashMap<String, Arc<HashSet<String>>>> {
        self.menus.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn permits(&self, actor: &Actor, action: &str, resource: &Resource) -> Result<bool, Fault> {
        // Policies that name no action (the system's own) are kept under the empty name.
        let Some(policies) = self
            .by_action
            .get(action)
            .or_else(|| self.by_action.get(""))
        else {
            return Ok(false);
        };
        let request = request(actor, action, resource)?;
        let entities = entities(actor, resource)?;
        let answer = Authorizer::new().is_authorized(&request, policies, &entities);
        // A policy that cannot be evaluated neither permits nor forbids: Cedar's rule. A broken
        // `forbid` must not open a door, so any error refuses.
        if let Some(error) = answer.diagnostics().errors().next() {
            tracing::error!(%error, action, "policy cannot be evaluated");
            return Ok(false);
        }
        Ok(answer.decision() == Decision::Allow)
    }
}

/// What of an actor can change the answer for the system as a whole.
fn menu_key(actor: &Actor) -> String {
    let mut groups = actor.all_groups();
    groups.sort();
    let acting = actor.acting_for.as_ref().map(|p| p.kind);
    format!(
        "{} {} {} {} {acting:?} {}",
        actor.kind(),
        actor.assurance,
        actor.second_factor,
        actor.is_token,
        groups.join(",")
    )
}

fn read(name: &str, text: &str) -> Result<Vec<Policy>, Finding> {
    let unreadable = |reason: String| {
        Finding::new(
            name,
            Text::new("identity-policy-unreadable").with("reason", reason),
        )
    };
    let set: PolicySet = text
        .parse()
        .map_err(|e: cedar_policy::ParseErrors| unreadable(describe(&e)))?;
    if set.templates().next().is_some() {
        return Err(unreadable(
            "templates (?principal) are not supported".into(),
        ));
    }
    set.policies()
        .map(|policy| match policy.action_constraint() {
            ActionConstraint::In(actions) if actions.is_empty() => {
                Err(unreadable(format!("{}: names no action", policy.id())))
            }
            _ => Ok(policy.new_id(PolicyId::new(format!("{name}:{}", policy.id())))),
        })
        .collect()
}

/// All errors of a file in one line.
fn describe(errors: &cedar_policy::ParseErrors) -> String {
    let all: Vec<_> = errors.iter().map(ToString::to_string).collect();
    all.join("; ")
}

fn sort(policies: &[Policy]) -> Result<Loaded, Finding> {
    let mut by_action: HashMap<String, PolicySet> =
        HashMap::from([(String::new(), PolicySet::new())]);
    for policy in policies {
        for action in actions_of(policy) {
            by_action.entry(action).or_default();
        }
    }
    for policy in policies {
        let actions = actions_of(policy);
        for (action, set) in &mut by_action {
            if actions.is_empty() || actions.contains(action) {
                set.add(policy.clone()).map_err(|e| {
                    let text = Text::new("identity-policy-unreadable").with("reason", e);
                    Finding::new(policy.id().to_string(), text)
                })?;
            }
        }
    }
    Ok(Loaded {
        by_action,
        menus: RwLock::default(),
    })
}

/// The actions a policy names; none if it speaks of all.
fn actions_of(policy: &Policy) -> Vec<String> {
    let name = |uid: EntityUid| uid.id().unescaped().to_owned();
    match policy.action_constraint() {
        ActionConstraint::Any => Vec::new(),
        ActionConstraint::Eq(action) => vec![name(action)],
        ActionConstraint::In(actions) => actions.into_iter().map(name).collect(),
    }
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, Fault> {
    let kind: EntityTypeName = kind
        .parse()
        .map_err(|e| Fault::caused_by(format!("policy entity type {kind}"), e))?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

fn text(value: &str) -> Value {
    Value::new_string(value.to_owned())
}

fn set<'a>(values: impl IntoIterator<Item = &'a str>) -> Value {
    Value::new_set(values.into_iter().map(text))
}

fn request(actor: &Actor, action: &str, resource: &Resource) -> Result<Request, Fault> {
    let at_org = actor
        .posts
        .iter()
        .filter(|p| resource.kind == SYSTEM || resource.org.as_deref() == Some(&*p.org));
    let above = actor
        .posts
        .iter()
        .filter(|p| resource.above.contains(&p.org));
    let in_region = actor.posts.iter().filter(|p| {
        resource.kind == SYSTEM
            || resource
                .region
                .as_deref()
                .is_some_and(|r| covers(&p.region, r))
    });
    let is_owner = resource
        .owner
        .as_ref()
        .is_some_and(|owner| parties(actor).contains(owner));
    let context = Context::from_pairs([
        ("posts_at_org".to_owned(), set(at_org.map(|p| &*p.post))),
        ("posts_above".to_owned(), set(above.map(|p| &*p.post))),
        (
            "posts_in_region".to_owned(),
            set(in_region.map(|p| &*p.post)),
        ),
        ("is_owner".to_owned(), Value::new_bool(is_owner)),
    ])
    .map_err(|e| Fault::caused_by("policy context", e))?;
    Request::new(
        uid("User", &actor.user.to_string())?,
        uid("Action", action)?,
        uid(resource.kind, &resource.id)?,
        context,
        None,
    )
    .map_err(|e| Fault::caused_by("policy request", e))
}

fn parties(actor: &Actor) -> Vec<String> {
    let all = actor.own.iter().chain(&actor.acting_for);
    all.map(|party| party.id.to_string()).collect()
}

fn entities(actor: &Actor, resource: &Resource) -> Result<Entities, Fault> {
    let groups = actor.all_groups();
    let parties = parties(actor);
    let principal = HashMap::from([
        ("kind".to_owned(), text(actor.kind())),
        (
            "posts".to_owned(),
            set(actor.posts.iter().map(|p| &*p.post)),
        ),
        ("orgs".to_owned(), set(actor.posts.iter().map(|p| &*p.org))),
        (
            "regions".to_owned(),
            set(actor.posts.iter().map(|p| &*p.region)),
        ),
        ("groups".to_owned(), set(groups.iter().map(|g| &**g))),
        ("parties".to_owned(), set(parties.iter().map(|p| &**p))),
        (
            "assurance".to_owned(),
            Value::new_long(actor.assurance.into()),
        ),
        (
            "second_factor".to_owned(),
            Value::new_bool(actor.second_factor),
        ),
        ("is_token".to_owned(), Value::new_bool(actor.is_token)),
    ]);
    let attribute = |value: &Option<String>| text(value.as_deref().unwrap_or_default());
    let thing = HashMap::from([
        ("id".to_owned(), text(&resource.id)),
        ("owner".to_owned(), attribute(&resource.owner)),
        ("org".to_owned(), attribute(&resource.org)),
        ("region".to_owned(), attribute(&resource.region)),
    ]);
    let entity = |uid, attributes| {
        Entity::new(uid, attributes, HashSet::new())
            .map_err(|e| Fault::caused_by("policy entity", e))
    };
    let principal = entity(uid("User", &actor.user.to_string())?, principal)?;
    let thing = entity(uid(resource.kind, &resource.id)?, thing)?;
    // A user may act on himself: one entity may not be given twice.
    let both = if principal.uid() == thing.uid() {
        vec![principal]
    } else {
        vec![principal, thing]
    };
    Entities::from_entities(both, None).map_err(|e| Fault::caused_by("policy entities", e))
}

/// Whether a region contains another: province `330000` ⊃ city `330100` ⊃ district `330102`.
pub fn covers(region: &str, other: &str) -> bool {
    let stem = region
        .strip_suffix("0000")
        .or_else(|| region.strip_suffix("00"))
        .unwrap_or(region);
    !region.is_empty() && other.starts_with(stem)
}
