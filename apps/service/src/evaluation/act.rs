//! Reviewing, and putting right what a bad review says.

use identity::{Actor, Resource};
use kernel::{Error, Result, Text, clock::local_date};
use store::Tx;

use super::{
    Answer, EvaluationId, Hindrance, Repair, Review, answered, is_due,
    store::{self as rows, Evaluation},
};
use crate::case::{
    CaseId, Days,
    act::{self, Desk},
    due,
    event::{EvaluationAnswered, EvaluationGiven},
    store::Case,
};

/// Reviews a service of a case. Each service is reviewed once, and once more after a bad review
/// has been put right. A bad review is at once a task of the body that handled the case.
pub async fn rate(desk: &Desk, actor: &Actor, id: CaseId, review: Review) -> Result<Evaluation> {
    let case = act::view(desk, actor, id).await?;
    if case.agent != actor.user.to_string() {
        desk.gate
            .check(actor, "service.case.rate", &act::resource(&case))?;
    }
    let findings = review.findings();
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    if !is_due(&case, review.service) {
        return Err(Error::refused("service-evaluation-too-early"));
    }
    let (shared, actor) = (desk.clone(), actor.clone());
    desk.db
        .write(move |tx| {
            let (desk, actor) = (shared.clone(), actor.clone());
            let (case, review) = (case.clone(), review.clone());
            Box::pin(async move { rate_in(&tx, &desk, &actor, &case, &review).await })
        })
        .await
}

async fn rate_in(
    tx: &Tx,
    desk: &Desk,
    actor: &Actor,
    case: &Case,
    review: &Review,
) -> Result<Evaluation> {
    let earlier = rows::list_of_case(&**tx, &case.id.to_string()).await?;
    let mut of_service = earlier.iter().filter(|e| e.service == review.service);
    let assess = match (of_service.next(), of_service.next()) {
        (None, _) => 1,
        (Some(first), None) if first.repair == Repair::Done => 2,
        _ => return Err(Error::refused("service-evaluation-twice")),
    };
    let one = new_evaluation(tx, desk, actor, case, review, assess)?;
    rows::insert(tx, &one).await?;
    let body = EvaluationGiven {
        evaluation_id: one.id.to_string(),
        case_no: one.case_number.clone(),
        matter_code: one.matter_code.clone(),
        matter_name: one.matter_name.clone(),
        org: one.org.clone(),
        org_name: one.org_name.clone(),
        region: one.region.clone(),
        satisfaction: one.satisfaction,
        details: one.details.iter().map(ToString::to_string).collect(),
        service_number: one.service,
        assess_number: one.assess,
        channel: one.door,
        contact_due: one.contact_due,
        finish_due: one.finish_due,
    };
    tx.emit(format!("evaluation:{}", one.id), actor.trace(), &body)?;
    Ok(one)
}

fn new_evaluation(
    tx: &Tx,
    desk: &Desk,
    actor: &Actor,
    case: &Case,
    review: &Review,
    assess: u32,
) -> Result<Evaluation> {
    let needs_repair = review.is_bad() && assess == 1;
    let today = local_date(tx.now());
    let by = |days| -> Result<_> {
        let end = due::after(&desk.calendar, today, Days::working(days), &[])?;
        Ok(needs_repair.then_some(end))
    };
    Ok(Evaluation {
        id: EvaluationId::at(tx.now()),
        case_id: case.id.to_string(),
        case_number: case.number.clone(),
        matter_code: case.matter_code.clone(),
        matter_name: case.matter_name.clone(),
        org: case.org.clone(),
        org_name: case.org_name.clone(),
        region: case.region.clone(),
        service: review.service,
        assess,
        satisfaction: review.satisfaction,
        details: review.details.clone(),
        words: review.text.trim().to_owned(),
        door: review.door.code(),
        user: actor.user.to_string(),
        user_name: actor.name.clone(),
        is_anonymous: review.is_anonymous,
        at: tx.now(),
        is_valid: true,
        repair: if needs_repair {
            Repair::Open
        } else {
            Repair::None
        },
        contact_due: by(desk.settings.contact_days)?,
        finish_due: by(desk.settings.rectification_days)?,
        contacted_at: None,
        finished_at: None,
        reply: String::new(),
        appeal: String::new(),
        version: 1,
    })
}

fn resource(one: &Evaluation) -> Resource {
    Resource::new("Evaluation", one.id)
        .org(&one.org)
        .region(&one.region)
}

/// Contacts, puts right, appeals, or (a supervisor) judges an appeal.
pub async fn answer(
    desk: &Desk,
    actor: &Actor,
    id: EvaluationId,
    answer: Answer,
) -> Result<Evaluation> {
    let one = rows::get(desk.db.read(), id).await?;
    let action = match answer {
        Answer::Judge { .. } => "service.evaluation.judge",
        _ => "service.evaluation.answer",
    };
    desk.gate.check(actor, action, &resource(&one))?;
    let trace = actor.trace();
    desk.db
        .write(move |tx| {
            let (answer, trace) = (answer.clone(), trace.clone());
            Box::pin(async move { answer_in(&tx, id, &answer, &trace).await })
        })
        .await
}

async fn answer_in(tx: &Tx, id: EvaluationId, answer: &Answer, trace: &str) -> Result<Evaluation> {
    let mut one = rows::get(&**tx, id).await?;
    let has_appealed = !one.appeal.is_empty();
    one.repair = answered(one.repair, has_appealed, answer).map_err(said)?;
    let today = local_date(tx.now());
    let (step, is_late) = match answer {
        Answer::Contact { .. } => {
            one.contacted_at = Some(tx.now());
            ("contacted", one.contact_due.is_some_and(|due| today > due))
        }
        Answer::Finish { reply } => {
            one.finished_at = Some(tx.now());
            reply.clone_into(&mut one.reply);
            ("rectified", one.finish_due.is_some_and(|due| today > due))
        }
        Answer::Appeal { evidence } => {
            evidence.clone_into(&mut one.appeal);
            ("appealed", false)
        }
        Answer::Judge { is_valid, reason } => {
            one.is_valid = *is_valid;
            reason.clone_into(&mut one.reply);
            (
                if *is_valid {
                    "appeal_rejected"
                } else {
                    "appeal_upheld"
                },
                false,
            )
        }
    };
    rows::update(tx, &one).await?;
    one.version += 1;
    let body = EvaluationAnswered {
        evaluation_id: one.id.to_string(),
        case_no: one.case_number.clone(),
        org: one.org.clone(),
        region: one.region.clone(),
        step: step.to_owned(),
        is_late,
    };
    tx.emit(format!("evaluation:{}", one.id), trace, &body)?;
    Ok(one)
}

fn said(hindrance: Hindrance) -> Error {
    match hindrance {
        Hindrance::WordsMissing => {
            Error::invalid("words", Text::new("service-evaluation-words-missing"))
        }
        Hindrance::NothingToDo => Error::refused("service-evaluation-nothing-to-do"),
        Hindrance::AppealedTwice => Error::refused("service-evaluation-appealed-twice"),
        Hindrance::NotAppealed => Error::refused("service-evaluation-not-appealed"),
    }
}

/// Reviews that an officer may see: of his bodies, and for clerks and supervisors of the region.
/// Names of those who wished to stay unnamed are left out.
pub async fn list(
    desk: &Desk,
    actor: &Actor,
    mut search: rows::Search,
) -> Result<(Vec<Evaluation>, bool)> {
    desk.gate
        .check(actor, "service.evaluation.view", &Resource::system())?;
    search.orgs = actor.posts.iter().map(|p| p.org.clone()).collect();
    search.regions = actor
        .posts
        .iter()
        .filter(|p| matches!(p.post.as_str(), "clerk" | "supervisor"))
        .map(|p| p.region.clone())
        .collect();
    let (mut all, has_more) = rows::list(desk.db.read(), &search).await?;
    for one in all.iter_mut().filter(|one| one.is_anonymous) {
        one.user.clear();
        one.user_name.clear();
    }
    Ok((all, has_more))
}
