//! A task goes to a colleague of the same post, or is done in the place of one who is absent.

use std::sync::Arc;

use identity::{
    Actor,
    load::{self, OfficerSeed, OrganisationSeed},
};
use kernel::{Error, ManualClock};
use service::case::{
    State, flow, store as rows,
    submit::Receipt,
    work::{self, Done},
};
use store::{Db, db_test};

use crate::{
    pages::{get, post, router},
    world::{MARKET, World, licence, migrations, officer, timeline},
};

/// A body with two clerks and an examiner who can be found in the directory.
async fn clerks(db: &Db) -> Vec<Actor> {
    let seeds = [("ann", "clerk"), ("ben", "clerk"), ("eve", "examiner")];
    let made = db
        .write(move |tx| async move {
            let body = OrganisationSeed {
                code: MARKET.into(),
                region: "321000".into(),
                name_zh: "示范市场监督管理局（合成）".into(),
                name_en: "Sample bureau (synthetic)".into(),
                ..OrganisationSeed::default()
            };
            load::organisation(&tx, &body).await?;
            let mut users = Vec::new();
            for (login, post) in seeds {
                let seed = OfficerSeed {
                    login: login.into(),
                    name: format!("合成{login}"),
                    posts: vec![(post.into(), MARKET.into())],
                };
                users.push(load::officer(&tx, &seed, "").await?);
            }
            Ok(users)
        })
        .await
        .unwrap();
    let actor = |(user, (login, post)): (identity::UserId, (&str, &str))| Actor {
        user,
        ..officer(db, login, &[(post, MARKET)])
    };
    made.into_iter().zip(seeds).map(actor).collect()
}

const XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:tongban="https://tongban.dev/bpmn" targetNamespace="https://tongban.dev/bpmn">
  <process id="one-step" name="一步" isExecutable="true">
    <startEvent id="start"/>
    <sequenceFlow id="a" sourceRef="start" targetRef="accept"/>
    <userTask id="accept" name="受理" tongban:act="accept" tongban:candidates="clerk@${org}"/>
    <sequenceFlow id="b" sourceRef="accept" targetRef="end"/>
    <endEvent id="end"/>
  </process>
</definitions>"#;

async fn handed_in(w: &World) -> Receipt {
    w.desk
        .db
        .write(|tx| async move { workflow::deploy(&tx, "one-step", XML).await })
        .await
        .unwrap();
    let mut matter = licence();
    matter.process = Some("one-step".into());
    w.submitted(matter).await
}

#[db_test(migrations = migrations)]
async fn a_task_goes_to_a_colleague_of_the_same_post(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let [ann, ben, eve] = <[Actor; 3]>::try_from(clerks(&db).await).unwrap();
    let receipt = handed_in(&w).await;
    w.later(1);
    let case = rows::get(db.read(), receipt.case).await.unwrap();
    let task = flow::tasks_of(&w.desk, &case).await.unwrap().remove(0);
    let router = router(&w);
    let show = format!("/work/cases/{}", receipt.case);
    let (_, page) = get(&router, Some(&ann), &show).await;
    assert!(page.contains(&ben.user.to_string()), "{page}");
    assert!(!page.contains(&eve.user.to_string()));

    let to = format!("/work/tasks/{}/transfer", task.id);
    let wanted =
        |user: &Actor, reason: &str| format!("user={}&transfer_reason={reason}", user.user);
    for (wrong, field) in [
        (wanted(&eve, "x"), "user"),
        (wanted(&ann, "x"), "user"),
        (wanted(&ben, ""), "transfer_reason"),
    ] {
        let (status, body) = post(&router, &ann, &to, &wrong).await;
        assert_eq!(status.as_u16(), 422, "{wrong}");
        assert!(
            body.contains(&format!("href=\"#{field}\"")),
            "{wrong} {body}"
        );
    }
    let (status, body) = post(&router, &ann, &to, &wanted(&ben, "%E5%87%BA%E5%B7%AE")).await;
    assert_eq!(status.as_u16(), 303, "{body}");

    let task = flow::tasks_of(&w.desk, &case).await.unwrap().remove(0);
    assert_eq!(task.assignee.as_deref(), Some(&*ben.user.to_string()));
    assert_eq!(timeline(&w, &case).await, ["submitted", "transferred"]);
    // The applicant is not told who does the work.
    let public = rows::list_entries(db.read(), case.id, true).await.unwrap();
    assert_eq!(public.len(), 1);
    // It is no longer in the first one's hands.
    let (status, _) = post(&router, &ann, &to, &wanted(&ben, "x")).await;
    assert_ne!(status.as_u16(), 303);
    let state = rows::get(db.read(), receipt.case).await.unwrap().state();
    assert_eq!(state, State::Submitted);
}

async fn stand_in(db: &Db, absent: &Actor, substitute: &Actor) -> Vec<identity::Post> {
    let today = db.clock().today();
    let named = workflow::verb::Substitute {
        id: String::new(),
        officer: absent.user.to_string(),
        substitute: substitute.user.to_string(),
        posts: Vec::new(),
        from: today,
        until: today,
        reason: "出差".into(),
        is_ended: false,
    };
    let officer = workflow::Officer::from(absent);
    db.write(move |tx| {
        let (named, officer) = (named.clone(), officer.clone());
        async move { workflow::verb::name_substitute(&tx, &officer, false, &named).await }
    })
    .await
    .unwrap();
    let substitute = substitute.user.to_string();
    workflow::verb::held_for_absent(db, &substitute)
        .await
        .unwrap()
}

#[db_test(migrations = migrations)]
async fn a_substitute_handles_the_case_in_the_absent_ones_name(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let [ann, _, mut eve] = <[Actor; 3]>::try_from(clerks(&db).await).unwrap();
    // An examiner of another body: nothing of this case is hers.
    eve.posts = officer(&db, "eve", &[("examiner", "11321000000000002B")]).posts;
    let receipt = handed_in(&w).await;
    let case = rows::get(db.read(), receipt.case).await.unwrap();
    let task = flow::tasks_of(&w.desk, &case).await.unwrap().remove(0);
    let accept = || Done {
        outcome: "accept".into(),
        ..Done::default()
    };
    let refused = work::complete(&w.desk, &eve, &task.id, accept()).await;
    assert!(
        matches!(refused, Err(Error::NotFound { .. })),
        "{refused:?}"
    );

    let held = stand_in(&db, &ann, &eve).await;
    assert_eq!(held.len(), 1);
    eve.posts.extend(held);
    let (listed, _) = flow::list_tasks(&w.desk, &eve, flow::Whose::Groups, "", 10)
        .await
        .unwrap();
    assert_eq!(listed.len(), 1);
    let case = work::complete(&w.desk, &eve, &task.id, accept())
        .await
        .unwrap();
    assert_eq!(case.state(), State::Accepted);
    let entries = rows::list_entries(db.read(), case.id, false).await.unwrap();
    let accepted = entries
        .iter()
        .find(|entry| entry.event == "accepted")
        .unwrap();
    assert_eq!(accepted.actor_name, "eve（代合成ann）");
    assert_eq!(accepted.actor, eve.user.to_string());

    // Only for as long as she stands in, and never for those who keep the system.
    w.later(1);
    let eve = eve.user.to_string();
    let held = workflow::verb::held_for_absent(&db, &eve).await.unwrap();
    assert_eq!(held, []);
}
