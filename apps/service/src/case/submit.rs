//! From an application to a case: handing in, once.

use std::collections::BTreeMap;

use identity::{Actor, Resource};
use kernel::{Error, Result, crypto::sm3};
use serde_json::Value;
use store::Tx;

use super::{
    CaseId, Channel, Days, Event, Facts, Limits, Procedure, Terms, Unit,
    act::{Desk, Who, note},
    event::StepLimit,
    flow, joint,
    number::sub_number,
    rules::{self, Circumstance},
    store::{self as rows, Applicant, Case, Material, Planned, Query},
};
use crate::{
    matter::{DayUnit, Matter},
    theme::{Answers, Theme},
};

/// What is applied for.
#[derive(Clone, Debug)]
pub enum Subject {
    Matter(Box<Matter>),
    /// The theme and the parts that the answers call for, each with its matter in force and the
    /// values of its form.
    Theme(Box<Theme>, Vec<(String, Matter, Value)>),
}

/// Everything that is handed in at once.
#[derive(Clone, Debug)]
pub struct Application {
    /// The draft's id: known to the applicant only, and never used for two cases.
    pub key: String,
    /// The draft that becomes the case, with its files.
    pub draft: Option<forms::DraftId>,
    pub subject: Subject,
    pub answers: Answers,
    pub form: Option<String>,
    pub data: Value,
    pub provenance: Value,
    pub materials: Vec<Material>,
    pub applicant: Applicant,
    pub channel: Channel,
}

/// What the applicant gets: the number and the password under which anybody can ask how it goes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Receipt {
    #[schema(value_type = String)]
    pub case: CaseId,
    pub number: String,
    /// Six digits.
    #[schema(example = "402817")]
    pub password: String,
}

/// Makes a case of an application. Handing in the same draft again answers the same receipt.
///
/// A clerk who hands in for a walk-in has taken the application in with it: the case begins as
/// received.
pub async fn submit(desk: &Desk, actor: &Actor, application: Application) -> Result<Receipt> {
    authorise(desk, actor, &application)?;
    let key = secret(&application.key, "case");
    let password = query_password(&application.key);
    if let Some(case) = rows::lookup_by_key(desk.db.read(), &key).await? {
        return Ok(receipt(&case, password));
    }
    let draft = application.draft;
    let case = new_case(desk, actor, application, key.clone(), &password).await?;
    let materials = case.1;
    let case = case.0;
    let (shared, who) = (desk.clone(), Who::of(actor, &case));
    let made = desk
        .db
        .write(move |tx| {
            let (desk, who) = (shared.clone(), who.clone());
            let (case, materials, key) = (case.clone(), materials.clone(), key.clone());
            Box::pin(async move {
                // Two submissions of one draft may both have found nothing a moment ago.
                if let Some(made) = rows::lookup_by_key(&*tx, &key).await? {
                    return Ok(made);
                }
                let case = insert(&tx, &desk, case, &materials, &who).await?;
                if let Some(draft) = draft {
                    take_over(&tx, draft, &case).await?;
                }
                Ok(case)
            })
        })
        .await?;
    Ok(receipt(&made, password))
}

/// Closes the draft, and gives its files to the bodies that handle the case. In the write that
/// makes the case, so that no case is ever without its files.
async fn take_over(tx: &Tx, draft: forms::DraftId, case: &Case) -> Result<()> {
    let subject = format!("case:{}", case.id);
    forms::draft::lock(tx, draft, &subject).await?;
    forms::file::assign(tx, &subject, &super::correct::readers(case)).await
}

fn authorise(desk: &Desk, actor: &Actor, application: &Application) -> Result<()> {
    let resource = match &application.subject {
        Subject::Matter(matter) => Resource::new("Matter", &matter.task_code)
            .org(&matter.dept_code)
            .region(&matter.area_code),
        Subject::Theme(theme, _) => Resource::new("Theme", &theme.id)
            .org(&theme.org)
            .region(&theme.region),
    };
    let resource = match &application.applicant.party {
        Some(party) => resource.owner(party),
        None => resource,
    };
    let action = match application.channel {
        Channel::Window => "service.case.window",
        Channel::Online | Channel::Proxy => "service.case.submit",
    };
    desk.gate.check(actor, action, &resource)
}

fn receipt(case: &Case, password: String) -> Receipt {
    Receipt {
        case: case.id,
        number: case.number.clone(),
        password,
    }
}

/// The password follows from the draft's id, which only the applicant knows, so that handing in
/// again can answer it again although only its hash is kept.
fn query_password(key: &str) -> String {
    let hash = secret(key, "query password");
    let number = u64::from_str_radix(hash.get(..12).unwrap_or("0"), 16).unwrap_or_default();
    format!("{:06}", number % 1_000_000)
}

fn secret(key: &str, purpose: &str) -> String {
    hex(&sm3(format!("tongban {purpose} {key}").as_bytes()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The hash under which a query password is kept.
pub(crate) fn query_hash(salt: &str, password: &str) -> String {
    hex(&sm3(format!("{salt} {password}").as_bytes()))
}

async fn new_case(
    desk: &Desk,
    actor: &Actor,
    application: Application,
    key: String,
    password: &str,
) -> Result<(Case, Vec<Material>)> {
    let limits = desk.settings.limits();
    let today = desk.db.clock().today();
    let id = CaseId::new(desk.db.clock());
    let salt = id.to_string();
    let mut head = Head::of(&application.subject, &limits, &application.materials);
    let hall = match &application.subject {
        Subject::Theme(theme, _) => theme.hall.as_str(),
        Subject::Matter(_) => "",
    };
    let hall = hall_of(desk, hall, &head.org, &head.region).await?;
    for part in &mut head.plan {
        part.terms.hall.clone_from(&hall);
    }
    head.terms.hall = hall;
    let number = desk
        .numbers
        .next(&desk.db, &head.region, &head.org, today)
        .await?;
    let case = Case {
        id,
        number,
        parent: None,
        parent_number: None,
        part: 0,
        is_theme: head.is_theme,
        matter_code: head.code,
        matter_name: head.name,
        matter_version: head.version,
        applicant: application.applicant,
        agent: actor.user.to_string(),
        agent_name: actor.name.clone(),
        channel: application.channel,
        region: head.region,
        org: head.org,
        org_name: head.org_name,
        facts: Facts::new(head.terms),
        answers: application.answers,
        form: application.form,
        data: application.data,
        provenance: application.provenance,
        plan: head.plan,
        process: head.process,
        instance: None,
        call: None,
        certificate: None,
        idempotency_key: key,
        query: Query {
            hash: query_hash(&salt, password),
            salt,
            ..Query::default()
        },
        version: 1,
    };
    Ok((case, application.materials))
}

/// The body whose clerks take an application in: the one named, else the handling body if it has
/// clerks, else a body of the region that has, else the handling body.
async fn hall_of(desk: &Desk, named: &str, org: &str, region: &str) -> Result<String> {
    use identity::directory::{officers_with_post, organisations};
    if !named.is_empty() {
        return Ok(named.to_owned());
    }
    let db = desk.db.read();
    if !officers_with_post(db, "clerk", org).await?.is_empty() {
        return Ok(org.to_owned());
    }
    for body in organisations(db, region).await? {
        if body.region == region
            && !officers_with_post(db, "clerk", &body.code)
                .await?
                .is_empty()
        {
            return Ok(body.code);
        }
    }
    Ok(org.to_owned())
}

/// What a case takes over from its matter or theme.
struct Head {
    is_theme: bool,
    code: String,
    name: String,
    version: i32,
    region: String,
    org: String,
    org_name: String,
    process: Option<String>,
    terms: Terms,
    plan: Vec<Planned>,
}

impl Head {
    fn of(subject: &Subject, limits: &Limits, materials: &[Material]) -> Self {
        match subject {
            Subject::Matter(matter) => Self {
                is_theme: false,
                code: matter.task_code.clone(),
                name: matter.name.clone(),
                version: matter.version,
                region: matter.area_code.clone(),
                org: matter.dept_code.clone(),
                org_name: matter.dept_name.clone(),
                process: matter.process.clone(),
                terms: terms(matter, limits),
                plan: Vec::new(),
            },
            Subject::Theme(theme, parts) => {
                let plan: Vec<_> = parts
                    .iter()
                    .map(|part| planned(part, limits, materials))
                    .collect();
                let of_parts: Vec<_> = plan.iter().map(|part| part.terms.clone()).collect();
                let mut terms = joint::terms(&of_parts, theme.closing_days, theme.legal_days);
                terms.on_reject = theme.on_reject;
                terms.parts = theme.parts.iter().map(|part| part.key.clone()).collect();
                Self {
                    is_theme: true,
                    code: theme.id.clone(),
                    name: theme.name.clone(),
                    version: theme.version,
                    region: theme.region.clone(),
                    org: theme.org.clone(),
                    org_name: theme.org_name.clone(),
                    process: Some(theme.process.clone()),
                    terms,
                    plan,
                }
            }
        }
    }
}

fn planned(
    (key, matter, data): &(String, Matter, Value),
    limits: &Limits,
    materials: &[Material],
) -> Planned {
    let uses = |material: &&Material| {
        matter
            .materials
            .iter()
            .any(|m| m.key == material.key || m.name == material.name)
    };
    Planned {
        key: key.clone(),
        matter_code: matter.task_code.clone(),
        matter_name: matter.name.clone(),
        matter_version: matter.version,
        org: matter.dept_code.clone(),
        org_name: matter.dept_name.clone(),
        region: matter.area_code.clone(),
        process: matter.process.clone(),
        form: matter.form.clone(),
        data: data.clone(),
        materials: materials
            .iter()
            .filter(uses)
            .map(|m| m.key.clone())
            .collect(),
        terms: terms(matter, limits),
    }
}

/// What a matter promises.
pub fn terms(matter: &Matter, limits: &Limits) -> Terms {
    let promise = days(&matter.promise).unwrap_or_default();
    let procedures = matter.special_procedures.iter().map(|p| Procedure {
        key: p.key.clone(),
        name: p.name.clone(),
        kind: p.kind.clone(),
        max_days: p.max_days,
    });
    let steps = matter.links.iter().map(|link| StepLimit {
        name: link.name.clone(),
        days: link.days,
        is_special: link.is_special,
    });
    Terms {
        is_instant: matter.is_instant(),
        is_licence: matter.task_type.is_licence(),
        is_joint: false,
        promise: if matter.is_instant() {
            Days::default()
        } else {
            promise
        },
        // 0 means that the law sets none.
        legal: days(&matter.anticipate).filter(|limit| limit.count > 0),
        procedures: procedures.collect(),
        steps: steps.collect(),
        certificate: matter.certificate.clone(),
        result_name: matter.result.name.clone(),
        remedy: remedy(matter),
        limits: limits.clone(),
        ..Terms::default()
    }
}

/// A matter's limit in days: hours and minutes end within the day, a month has thirty.
fn days(limit: &crate::matter::Limit) -> Option<Days> {
    let count = limit.days?;
    Some(match limit.unit {
        DayUnit::WorkingDay => Days::working(count),
        DayUnit::NaturalDay => Days {
            count,
            unit: Unit::Natural,
        },
        DayUnit::Month => Days {
            count: count * 30,
            unit: Unit::Natural,
        },
        DayUnit::Hour => Days::working(count / 8),
        DayUnit::Minute => Days::working(0),
    })
}

fn remedy(matter: &Matter) -> String {
    let mut words = Vec::new();
    if !matter.review.dept.is_empty() {
        words.push(format!(
            "如不服本决定，可在收到之日起六十日内向{}申请行政复议",
            matter.review.dept
        ));
    }
    if !matter.litigation.dept.is_empty() {
        words.push(format!(
            "或者在六个月内向{}提起行政诉讼",
            matter.litigation.dept
        ));
    }
    words.join("，")
}

async fn insert(
    tx: &Tx,
    desk: &Desk,
    mut case: Case,
    materials: &[Material],
    who: &Who,
) -> Result<Case> {
    let event = match case.channel {
        Channel::Window => Event::Receive,
        Channel::Online | Channel::Proxy => Event::Submit,
    };
    let at = Circumstance {
        now: tx.now(),
        actor: &who.id,
        calendar: &desk.calendar,
    };
    let before = std::mem::take(&mut case.facts);
    case.facts = rules::transition(&before, &event, &at)?;
    rows::insert(tx, &case);
    rows::insert_materials(tx, case.id, materials).await?;
    super::react::arrange(tx, case.id, &case.facts)?;
    let after = case.facts.clone();
    note(
        tx,
        &desk.calendar,
        &case,
        (&before, &after),
        &event,
        who,
        "",
    )
    .await?;
    flow::begin(tx, desk, &mut case).await?;
    Ok(case)
}

/// Makes a sub-case of an accepted parent, as accepted on the parent's first day. The sub-case's
/// process begins with it.
pub(crate) async fn open_part(tx: &Tx, desk: &Desk, parent: &Case, key: &str) -> Result<Case> {
    let Some(index) = parent.plan.iter().position(|part| part.key == key) else {
        return Err(Error::NotFound {
            what: "part of the theme",
        });
    };
    let number = i32::try_from(index).unwrap_or(i32::MAX - 1) + 1;
    let existing = rows::list_parts_in(tx, parent.id).await?;
    if let Some(made) = existing.into_iter().find(|part| part.part == number) {
        return Ok(made);
    }
    let Some(planned) = parent.plan.get(index).cloned() else {
        return Err(Error::NotFound {
            what: "part of the theme",
        });
    };
    let mut case = part_case(tx, parent, planned, number);
    let before = Facts::new(case.facts.terms.clone());
    case.facts = rules::accepted_with(&parent.facts, &before, tx.now(), &desk.calendar)?;
    rows::insert(tx, &case);
    let after = case.facts.clone();
    let who = Who::system();
    note(
        tx,
        &desk.calendar,
        &case,
        (&before, &after),
        &Event::Accept,
        &who,
        "",
    )
    .await?;
    flow::begin(tx, desk, &mut case).await?;
    Ok(case)
}

fn part_case(tx: &Tx, parent: &Case, planned: Planned, part: i32) -> Case {
    let id = CaseId::at(tx.now());
    Case {
        id,
        number: sub_number(&parent.number, part),
        parent: Some(parent.id),
        parent_number: Some(parent.number.clone()),
        part,
        is_theme: false,
        matter_code: planned.matter_code,
        matter_name: planned.matter_name,
        matter_version: planned.matter_version,
        region: planned.region,
        org: planned.org,
        org_name: planned.org_name,
        facts: Facts::new(planned.terms),
        form: planned.form,
        data: planned.data,
        plan: Vec::new(),
        process: planned.process,
        instance: None,
        call: None,
        certificate: None,
        idempotency_key: format!("{}-{part}", parent.id),
        // Sub-cases are asked for under their parent's number.
        query: Query::default(),
        version: 1,
        ..parent.clone()
    }
}

/// What a process knows of its case from the beginning; conditions in the process use these.
///
/// `needs` says for every part of a theme whether it is needed: `needs.signboard`.
pub(crate) fn variables(case: &Case) -> BTreeMap<String, Value> {
    let parts = &case.facts.terms.parts;
    let needs: serde_json::Map<String, Value> = parts
        .iter()
        .map(|key| {
            let is_needed = case.plan.iter().any(|part| part.key == *key);
            (key.clone(), Value::Bool(is_needed))
        })
        .collect();
    BTreeMap::from([
        ("case_id".to_owned(), Value::from(case.id.to_string())),
        ("case_no".to_owned(), Value::from(case.number.clone())),
        ("matter".to_owned(), Value::from(case.matter_code.clone())),
        ("org".to_owned(), Value::from(case.org.clone())),
        (
            "hall".to_owned(),
            Value::from(case.facts.terms.hall.clone()),
        ),
        ("region".to_owned(), Value::from(case.region.clone())),
        ("channel".to_owned(), Value::from(case.channel.code())),
        (
            "party_kind".to_owned(),
            Value::from(case.applicant.kind.clone()),
        ),
        ("answers".to_owned(), serde_json::json!(case.answers)),
        ("needs".to_owned(), Value::Object(needs)),
        ("data".to_owned(), case.data.clone()),
    ])
}
