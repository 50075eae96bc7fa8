//! Applying: from the questionnaire to one merged form, one list of materials, and handing in.
//!
//! Answers live in a draft of `forms`, so that they are gone on with on any device. What a draft
//! is of is its subject: `theme:open-restaurant` or `matter:…`.

pub mod api;
pub mod page;

use identity::Actor;
use kernel::{Error, Finding, Result, Text};
use serde_json::{Map, Value, json};
use web::App;

use crate::{
    case::{
        Channel,
        act::Desk,
        store::{Applicant, FileRef, Material, Obtained},
        submit::{self, Application, Receipt, Subject},
    },
    matter::{self, Matter},
    theme::{self, Answers, Theme, Wanted, merged_materials},
};

/// The group of materials for which no form has a question.
pub const MATERIALS: &str = "materials";

/// What an application consists of.
pub struct Plan {
    /// `None` for a single matter.
    pub theme: Option<Theme>,
    /// Needed parts by key; one of them for a single matter.
    pub matters: Vec<(String, Matter)>,
    pub form: forms::Form,
    pub wanted: Vec<Wanted>,
    /// Materials that merging saves.
    pub saved: usize,
}

impl Plan {
    pub fn subject(&self) -> String {
        match (&self.theme, self.matters.first()) {
            (Some(theme), _) => format!("theme:{}", theme.id),
            (None, Some((_, matter))) => format!("matter:{}", matter.task_code),
            (None, None) => String::new(),
        }
    }

    pub fn name(&self) -> &str {
        match (&self.theme, self.matters.first()) {
            (Some(theme), _) => &theme.name,
            (None, Some((_, matter))) => &matter.name,
            (None, None) => "",
        }
    }
}

/// The plan of a subject for some answers. Every part's matter must be in force.
pub async fn plan(app: &App, subject: &str, answers: &Answers) -> Result<Plan> {
    if let Some(id) = subject.strip_prefix("theme:") {
        return plan_theme(app, theme::store::get(app.db().read(), id).await?, answers).await;
    }
    let code = subject.strip_prefix("matter:").unwrap_or(subject);
    let matter = matter::get_in_force(app.db().read(), code).await?;
    if !matter.is_open() || !matter.is_online {
        return Err(Error::refused("service-apply-not-open"));
    }
    whole(app, None, vec![(String::new(), matter)]).await
}

async fn plan_theme(app: &App, theme: Theme, answers: &Answers) -> Result<Plan> {
    let findings = theme.check_answers(answers);
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    let mut matters = Vec::new();
    for part in theme.needed(answers) {
        let matter = matter::get_in_force(app.db().read(), &part.matter).await?;
        matters.push((part.key.clone(), matter));
    }
    whole(app, Some(theme), matters).await
}

async fn whole(app: &App, theme: Option<Theme>, matters: Vec<(String, Matter)>) -> Result<Plan> {
    let own = theme.as_ref().and_then(|theme| theme.form.clone());
    let ids = own
        .into_iter()
        .chain(matters.iter().filter_map(|(_, m)| m.form.clone()));
    let mut all = Vec::new();
    for id in ids {
        all.push(pack::form(app.db().read(), &id).await?);
    }
    let all: Vec<_> = all.iter().map(AsRef::as_ref).collect();
    let plain: Vec<Matter> = matters.iter().map(|(_, matter)| matter.clone()).collect();
    let (wanted, saved) = merged_materials(&plain);
    let (zh, en) = match (&theme, plain.first()) {
        (Some(theme), _) => (theme.name.as_str(), theme.name_en.as_str()),
        (None, Some(matter)) => (matter.name.as_str(), matter.name_en.as_str()),
        (None, None) => ("", ""),
    };
    let mut form = forms::merge("application", forms::Words::new(zh, en), &all);
    ask_materials(&mut form, &wanted);
    Ok(Plan {
        theme,
        matters,
        form,
        wanted,
        saved,
    })
}

/// Adds a question for every material that no form asks for.
fn ask_materials(form: &mut forms::Form, wanted: &[Wanted]) {
    for (order, material) in (0_i64..).zip(wanted) {
        if question(form, material).is_some() {
            continue;
        }
        if form.group(MATERIALS).is_none() {
            form.groups.push(forms::Group {
                id: MATERIALS.to_owned(),
                title: forms::Words::new("申请材料", "Documents"),
                help: forms::Words::default(),
                when: None,
            });
        }
        form.fields.push(forms::Field {
            name: material.key.clone(),
            group: MATERIALS.to_owned(),
            order,
            title: forms::Words::new(material.name.clone(), ""),
            help: forms::Words::new(material.standard.clone(), ""),
            placeholder: forms::Words::default(),
            widget: forms::Widget::File,
            is_required: material.is_required && !material.may_follow,
            when: None,
            required_when: None,
            source: None,
            element: None,
            mask: None,
            sensitivity: 2,
            is_editable: true,
            choices: Vec::new(),
            file: Some(forms::FileRule {
                accept: ["pdf", "jpg", "jpeg", "png"].map(str::to_owned).to_vec(),
                max_count: 10,
                max_bytes: 20 << 20,
                certificate_type: material.licence.clone(),
                sample: None,
            }),
            schema: json!({ "type": "array" }),
            pattern_help: forms::Words::default(),
            used_by: Vec::new(),
        });
    }
}

/// The question that collects a material: its own name, or what merging made of it.
fn question(form: &forms::Form, material: &Wanted) -> Option<String> {
    let is_file = |name: &str| {
        form.field(name)
            .is_some_and(|f| f.widget == forms::Widget::File)
    };
    if is_file(&material.key) {
        return Some(material.key.clone());
    }
    let renamed = form
        .parts
        .iter()
        .filter_map(|part| part.fields.get(&material.key));
    renamed.into_iter().find(|name| is_file(name)).cloned()
}

/// Begins a draft, filled with what the government knows: certificates first, then registers,
/// then what the applicant handed in last.
pub async fn start(
    app: &App,
    actor: &Actor,
    subject: &str,
    answers: &Answers,
) -> Result<forms::Draft> {
    let answers = match subject.strip_prefix("theme:") {
        Some(id) => theme::store::get(app.db().read(), id).await?.kept(answers),
        None => answers.clone(),
    };
    let plan = plan(app, subject, &answers).await?;
    if let Some((_, matter)) = plan.matters.first() {
        let today = app.clock().today();
        identity::agent::check_scope(app.db().read(), actor, &matter.task_code, today).await?;
    }
    let earlier = earlier(app, actor).await?;
    let offers = offers(app, actor, &plan.form).await?;
    let new = new_draft(app, actor, &plan, &answers, &earlier, &offers);
    forms::draft::create(app, actor, new).await
}

fn new_draft(
    app: &App,
    actor: &Actor,
    plan: &Plan,
    answers: &Answers,
    earlier: &forms::Known,
    offers: &forms::Offers,
) -> forms::NewDraft {
    let account = forms::prefill::account(actor);
    let sources: [&dyn forms::Source; 2] = [&account, earlier];
    let sources: &[&dyn forms::Source] = &sources;
    let mut new = forms::NewDraft::of(actor, plan.subject(), plan.form.clone())
        .answers(json!(answers))
        .prefilled(&sources, app.clock().now());
    new.values = forms::attach_certificates(&plan.form, &new.values, offers);
    new
}

/// Values of the last application, under the names of their questions.
async fn earlier(app: &App, actor: &Actor) -> Result<forms::Known> {
    let words = forms::Words::new("您上次的申请", "your last application");
    let mut known = forms::Known::from_register(words);
    let Some(party) = actor.party() else {
        return Ok(known);
    };
    let party = party.id.to_string();
    let data = crate::case::store::lookup_last_data(app.db().read(), &party).await?;
    if let Some(Value::Object(values)) = data {
        for (name, value) in values {
            known = known.with(format!("last.{name}"), value);
        }
    }
    Ok(known)
}

/// Certificates that the applicant holds and that stand in for files of the form.
pub async fn offers(app: &App, actor: &Actor, form: &forms::Form) -> Result<forms::Offers> {
    let mut offers = forms::Offers::new();
    let Some(party) = actor.party() else {
        return Ok(offers);
    };
    let today = app.clock().today();
    let kinds = form
        .fields
        .iter()
        .filter_map(|f| f.file.as_ref()?.certificate_type.clone());
    for kind in kinds.collect::<std::collections::BTreeSet<_>>() {
        let db = app.db().read();
        let held = credential::find_valid(db, &party.code, Some(&kind), today).await?;
        let all = held.into_iter().map(|one| forms::Offer {
            title: format!("{} {}", one.type_name, one.number),
            zzbs: one.zzbs,
        });
        offers.insert(kind, all.collect());
    }
    Ok(offers)
}

/// Puts a certificate in the place of files. Only one of the kind that the question takes, and
/// that the applicant holds, will do.
pub async fn use_certificate(
    app: &App,
    actor: &Actor,
    id: forms::DraftId,
    field: &str,
    zzbs: &str,
) -> Result<forms::Draft> {
    let draft = forms::draft::get(app, actor, id).await?;
    let kind = draft
        .form
        .field(field)
        .and_then(|asked| asked.file.as_ref()?.certificate_type.clone());
    let held = offers(app, actor, &draft.form).await?;
    let offer = kind
        .and_then(|kind| held.get(&kind))
        .and_then(|all| all.iter().find(|offer| offer.zzbs == zzbs));
    let Some(offer) = offer else {
        let text = Text::new("service-apply-certificate-not-held");
        return Err(Error::invalid(field, text));
    };
    forms::file::use_certificate(app, actor, id, field, offer).await
}

/// The questionnaire's answers of a draft.
pub fn answers_of(draft: &forms::Draft) -> Answers {
    serde_json::from_value(draft.answers.clone()).unwrap_or_default()
}

/// Hands a draft in: every rule of the form is checked, and a draft that was handed in before
/// answers the same receipt.
pub async fn submit(app: &App, actor: &Actor, id: forms::DraftId) -> Result<Receipt> {
    let desk = Desk::of(app)?;
    let draft = forms::draft::get(app, actor, id).await?;
    let answers = answers_of(&draft);
    let plan = plan(app, &draft.subject, &answers).await?;
    let values = forms::draft::check(&draft, app.clock().today()).map_err(Error::Invalid)?;
    let party = actor
        .party()
        .ok_or_else(|| Error::refused("service-apply-no-party"))?;
    let applicant = Applicant {
        party: Some(party.id.to_string()),
        kind: match party.kind {
            identity::PartyKind::Natural => "natural",
            identity::PartyKind::Legal => "legal",
        }
        .to_owned(),
        name: party.name.clone(),
        code: party.code.clone(),
        phone: party.phone.clone(),
        address: party.address.clone(),
    };
    check_audience(&plan, &applicant)?;
    let channel = if actor.acting_for.is_some() {
        Channel::Proxy
    } else {
        Channel::Online
    };
    hand_in(&desk, actor, &draft, plan, values, applicant, channel).await
}

async fn hand_in(
    desk: &Desk,
    actor: &Actor,
    draft: &forms::Draft,
    plan: Plan,
    values: Value,
    applicant: Applicant,
    channel: Channel,
) -> Result<Receipt> {
    let split = forms::split(&values, &draft.form);
    let own = |matter: &Matter| {
        let form = matter.form.as_ref().and_then(|form| split.get(form));
        form.cloned().unwrap_or_else(|| Value::Object(Map::new()))
    };
    let materials = plan
        .wanted
        .iter()
        .map(|wanted| material(&draft.form, wanted, &values));
    let materials = materials.collect();
    let subject = match plan.theme {
        Some(theme) => {
            let parts = plan.matters.into_iter().map(|(key, matter)| {
                let data = own(&matter);
                (key, matter, data)
            });
            Subject::Theme(Box::new(theme), parts.collect())
        }
        None => match plan.matters.into_iter().next() {
            Some((_, matter)) => Subject::Matter(Box::new(matter)),
            None => return Err(Error::NotFound { what: "matter" }),
        },
    };
    let application = Application {
        key: draft.id.to_string(),
        draft: Some(draft.id),
        subject,
        answers: answers_of(draft),
        form: Some(draft.form_id.clone()),
        data: values,
        provenance: json!(draft.provenances),
        materials,
        applicant,
        channel,
    };
    Box::pin(submit::submit(desk, actor, application)).await
}

fn check_audience(plan: &Plan, applicant: &Applicant) -> Result<()> {
    let audience = plan.theme.as_ref().map(|theme| &theme.audience);
    match audience {
        Some(kinds) if !kinds.is_empty() && !kinds.contains(&applicant.kind) => {
            Err(Error::refused("service-apply-wrong-audience"))
        }
        _ => Ok(()),
    }
}

/// What was handed in for a wanted material.
fn material(form: &forms::Form, wanted: &Wanted, values: &Value) -> Material {
    let name = question(form, wanted).unwrap_or_else(|| wanted.key.clone());
    let certificate = entries_of(values, &name)
        .map(|entry| word(entry, "certificate"))
        .find(|zzbs| !zzbs.is_empty());
    let files = files_of(values, &name);
    Material {
        key: wanted.key.clone(),
        name: wanted.name.clone(),
        obtained: match (&certificate, files.is_empty()) {
            (Some(_), _) => Obtained::Certificate,
            (None, false) => Obtained::Upload,
            (None, true) if wanted.may_follow => Obtained::Later,
            (None, true) => Obtained::None,
        },
        certificate,
        files,
        ..Material::default()
    }
}

/// Files and certificates that were handed in at a question.
fn entries_of<'a>(values: &'a Value, question: &str) -> impl Iterator<Item = &'a Value> {
    let entries = values.get(question).and_then(Value::as_array);
    entries.into_iter().flatten()
}

/// The files that were handed in at a question.
pub(crate) fn files_of(values: &Value, question: &str) -> Vec<FileRef> {
    let file = |entry: &Value| FileRef {
        id: word(entry, "file"),
        name: word(entry, "name"),
        size: entry
            .get("size")
            .and_then(Value::as_u64)
            .unwrap_or_default(),
        media_type: word(entry, "media_type"),
        digest: word(entry, "sm3"),
    };
    entries_of(values, question)
        .filter(|entry| entry.get("file").is_some())
        .map(file)
        .collect()
}

fn word(entry: &Value, name: &str) -> String {
    let text = entry.get(name).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// Hands in for a walk-in: the clerk has seen the papers; electronic files are not asked for.
pub async fn submit_walk_in(
    app: &App,
    actor: &Actor,
    subject: &str,
    answers: &Answers,
    mut applicant: Applicant,
    key: &str,
) -> Result<Receipt> {
    let desk = Desk::of(app)?;
    let mut findings = Vec::new();
    for (field, value) in [("name", &applicant.name), ("code", &applicant.code)] {
        if value.trim().is_empty() {
            findings.push(Finding::new(field, Text::new("service-window-needed")));
        }
    }
    if applicant.kind == "legal" {
        if let Err(e) = kernel::code::uscc::parse(&applicant.code) {
            findings.push(Finding::new("code", e.text()));
        }
    } else if let Err(e) = kernel::code::citizen::parse(&applicant.code, app.clock().today()) {
        findings.push(Finding::new("code", e.text()));
    }
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    let plan = plan(app, subject, answers).await?;
    let known = identity::directory::party_by_code(app.db().read(), &applicant.code).await?;
    applicant.party = known.map(|party| party.id.to_string());
    let data = json!({
        "firm_name": applicant.name, "firm_code": applicant.code,
        "phone": applicant.phone, "address": applicant.address,
    });
    let paper = |wanted: &Wanted| Material {
        key: wanted.key.clone(),
        name: wanted.name.clone(),
        obtained: Obtained::Paper,
        copies: 1,
        ..Material::default()
    };
    let materials = plan.wanted.iter().map(paper).collect();
    let subject = match plan.theme {
        Some(theme) => {
            let parts = plan
                .matters
                .into_iter()
                .map(|(key, matter)| (key, matter, data.clone()));
            Subject::Theme(Box::new(theme), parts.collect())
        }
        None => match plan.matters.into_iter().next() {
            Some((_, matter)) => Subject::Matter(Box::new(matter)),
            None => return Err(Error::NotFound { what: "matter" }),
        },
    };
    let application = Application {
        key: key.to_owned(),
        draft: None,
        subject,
        answers: answers.clone(),
        form: None,
        data,
        provenance: json!({}),
        materials,
        applicant,
        channel: Channel::Window,
    };
    Box::pin(submit::submit(&desk, actor, application)).await
}
