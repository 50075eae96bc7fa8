//! Completing: what is answered, who may, what follows.

use serde_json::{Value, json};
use store::{Db, page::PageRequest};
use workflow::{
    Completion, Filter, Progress,
    core::Mode,
    verb::{self, Place, Target},
};

use super::{Desk, ORG, ROW, STEPS, migrations, refused, sign::signed};
use crate::model::vars;

#[store::db_test(migrations = migrations)]
async fn a_saved_answer_is_shown_to_whoever_opens_the_task(db: Db) {
    let desk = Desk::set_up(db).await;
    let fields = r#"<userTask id="x" tongban:candidates="examiner" tongban:fields="name:read,secret:hidden,amount:write:number"/>"#;
    let instance = desk
        .start(fields, "s>x>e", json!({"name": "王", "secret": 1}))
        .await;
    let id = desk.task("x", None).await;
    let save = |variables: Value| {
        let (desk, officer) = (desk.clone(), desk.officer("a"));
        async move {
            act!(desk, |tx, engine| {
                let (officer, variables) = (officer.clone(), vars(variables.clone()));
                async move { verb::save(&tx, id, &officer, None, &variables).await }
            })
        }
    };
    save(json!({"amount": 3, "opinion": "拟同意"}))
        .await
        .unwrap();
    save(json!({"amount": 4, "opinion": "拟同意"}))
        .await
        .unwrap();
    assert_eq!(
        refused(save(json!({"amount": "4"})).await),
        "amount: workflow-field-type"
    );
    let officer = desk.officer("b");
    let detail = act!(desk, |tx, engine| {
        let officer = officer.clone();
        async move { verb::detail(&tx, &engine, id, &officer).await }
    })
    .unwrap();
    let (saved, by) = detail.saved.unwrap();
    assert_eq!((saved["amount"].clone(), by), (json!(4), desk.id("a")));
    assert!(detail.vars.contains_key("name") && !detail.vars.contains_key("secret"));
    assert_eq!(desk.variables(instance).await.get("amount"), None);
    desk.complete("x", "b", json!({"amount": 5})).await;
    assert_eq!(desk.verbs(instance).await, ["save", "save"]);
    assert_eq!(desk.variables(instance).await["amount"], 5);
}

#[store::db_test(migrations = migrations)]
async fn a_field_that_the_step_may_not_write_is_refused_by_name(db: Db) {
    let desk = Desk::set_up(db).await;
    let fields = r#"<userTask id="x" tongban:candidates="examiner" tongban:fields="name:read,secret:hidden,amount:write:number"/>"#;
    let instance = desk.start(fields, "s>x>e", json!({})).await;
    let id = desk.task("x", None).await;
    for (wrong, expected) in [
        (json!({"name": "李"}), "name: workflow-field-not-writable"),
        (json!({"secret": 2}), "secret: workflow-field-not-writable"),
        (json!({"amount": "three"}), "amount: workflow-field-type"),
    ] {
        assert_eq!(refused(desk.complete_by(id, "a", wrong).await), expected);
    }
    assert_eq!(desk.status(instance).await, "running");
    desk.complete_by(id, "a", json!({"amount": 3, "note": "free"}))
        .await
        .unwrap();
    assert_eq!(desk.status(instance).await, "completed");
}

#[store::db_test(migrations = migrations)]
async fn candidates_named_in_person_take_the_task(db: Db) {
    let desk = Desk::set_up(db).await;
    let vars = json!({"who": [desk.id("b"), desk.id("c")]});
    desk.start(
        r#"<userTask id="x" tongban:users="${who}"/>"#,
        "s>x>e",
        vars,
    )
    .await;
    let id = desk.task("x", None).await;
    assert_eq!(
        refused(desk.complete_by(id, "a", json!({})).await),
        "workflow.task.complete"
    );
    let filter = Filter {
        groups: desk.officer("b").groups,
        ..Filter::default()
    };
    let page = PageRequest::default();
    let listed = workflow::tasks(&desk.db, &filter, &page).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    desk.complete_by(id, "c", json!({})).await.unwrap();
}

#[store::db_test(migrations = migrations)]
async fn a_step_of_the_same_handler_is_skipped_when_it_allows(db: Db) {
    let desk = Desk::set_up(db).await;
    let nodes = r#"<userTask id="x" tongban:candidates="examiner"/><userTask id="y" tongban:candidates="examiner" tongban:skip="same-handler" tongban:outcomes="approve,refuse"/><userTask id="z" tongban:candidates="approver" tongban:skip="same-handler"/>"#;
    let instance = desk.start(nodes, ROW, json!({})).await;
    desk.complete("x", "a", json!({})).await;
    assert_eq!(desk.open().await, ["z"]);
    assert_eq!(desk.variables(instance).await["outcome"], "approve");
    let trail = workflow::trail_of(&desk.db, &desk.engine, instance)
        .await
        .unwrap();
    assert!(trail.trail.contains(&"y".to_owned()));
}

#[store::db_test(migrations = migrations)]
async fn the_next_handler_is_chosen_among_the_candidates(db: Db) {
    let desk = Desk::set_up(db).await;
    let nodes = |choose: &str| {
        format!(
            r#"<userTask id="x" tongban:candidates="examiner" {choose}/><userTask id="y" tongban:candidates="examiner"/>"#
        )
    };
    desk.start(&nodes(""), "s>x>y>e", json!({})).await;
    let x = desk.task("x", None).await;
    let unasked = desk.choose(x, "a", json!({}), Some("b")).await;
    assert_eq!(refused(unasked), "next: workflow-next-not-allowed");
    desk.complete_by(x, "a", json!({})).await.unwrap();
    desk.complete("y", "a", json!({})).await;

    desk.start(&nodes(r#"tongban:choose="next""#), "s>x>y>e", json!({}))
        .await;
    let x = desk.task("x", None).await;
    let wrong = desk.choose(x, "a", json!({}), Some("chief")).await;
    assert_eq!(refused(wrong), "next: workflow-next-not-candidate");
    desk.choose(x, "a", json!({}), Some("c")).await.unwrap();
    assert_eq!(desk.open().await, ["y c"]);
    // He has not acted yet, so it can still be withdrawn.
    desk.withdraw(x, "a").await.unwrap();
    desk.complete("x", "a", json!({})).await;
    desk.complete("y", "b", json!({})).await;

    desk.start(&nodes(r#"tongban:choose="anyone""#), "s>x>y>e", json!({}))
        .await;
    let x = desk.task("x", None).await;
    desk.choose(x, "a", json!({}), Some("chief")).await.unwrap();
    assert_eq!(desk.open().await, ["y chief"]);
}

#[store::db_test(migrations = migrations)]
async fn many_tasks_are_completed_each_by_itself(db: Db) {
    let desk = Desk::set_up(db).await;
    desk.engine.reserve("case:");
    let mut ids = Vec::new();
    for _ in 0..3 {
        desk.start(STEPS, ROW, json!({})).await;
    }
    ids.extend(
        desk.tasks()
            .await
            .iter()
            .map(|task| (task.facts.task, None)),
    );
    desk.complete_by(ids[1].0, "b", json!({})).await.unwrap();
    let kept = act!(desk, |tx, engine| async move {
        workflow::start(&tx, &engine, "p", "case:1", vars(json!({"org": ORG}))).await
    });
    kept.unwrap();
    let of_case = Filter {
        subject: Some("case:1".into()),
        ..Filter::default()
    };
    let page = workflow::tasks(&desk.db, &of_case, &PageRequest::default())
        .await
        .unwrap();
    ids.push((page.items[0].facts.task, None));
    let done = Completion {
        vars: vars(json!({"opinion": "同意"})),
        next: None,
    };
    let answers = verb::complete_many(&desk.db, &desk.engine, &ids, &desk.officer("a"), &done)
        .await
        .unwrap();
    assert!(matches!(answers[0].result, Ok(Progress::Moved)));
    assert!(matches!(answers[2].result, Ok(Progress::Moved)));
    assert_eq!(
        refused(answers.into_iter().nth(1).unwrap().result),
        "workflow-task-already-done"
    );
    let answers = verb::complete_many(&desk.db, &desk.engine, &ids[3..], &desk.officer("a"), &done)
        .await
        .unwrap();
    assert_eq!(
        refused(answers.into_iter().next().unwrap().result),
        "workflow-through-application"
    );
    let none = verb::complete_many(&desk.db, &desk.engine, &[], &desk.officer("a"), &done).await;
    assert_eq!(refused(none), "tasks: workflow-batch-number");
    let stranger = desk.officer("chief");
    desk.start(STEPS, ROW, json!({})).await;
    let id = desk.task("x", None).await;
    let answers = verb::complete_many(&desk.db, &desk.engine, &[(id, None)], &stranger, &done)
        .await
        .unwrap();
    assert_eq!(
        refused(answers.into_iter().next().unwrap().result),
        "workflow.task.complete"
    );
}

/// What an application asks before it acts on its own rows.
#[store::db_test(migrations = migrations)]
async fn an_application_foresees_whether_a_completion_moves_the_process(db: Db) {
    let desk = Desk::set_up(db).await;
    desk.start(&signed(r#"tongban:sign="ratio:0.5""#), "s>x>y>e", json!({}))
        .await;
    let foresee = |who: &'static str, outcome: &'static str| {
        let desk = desk.clone();
        async move {
            let (id, officer) = (desk.task("x", Some(who)).await, desk.officer(who));
            act!(desk, |tx, engine| {
                let officer = officer.clone();
                async move {
                    let given = vars(json!({"outcome": outcome}));
                    workflow::foresee(&tx, id, &officer, &given).await
                }
            })
            .unwrap()
        }
    };
    assert_eq!(foresee("a", "agree").await, None);
    desk.complete("x", "a", json!({"outcome": "agree"})).await;
    assert_eq!(foresee("b", "refuse").await, None);
    assert_eq!(foresee("b", "agree").await.unwrap()["outcome"], "agree");
    let own = desk.task("x", Some("b")).await;
    desk.delegate(own, "b", "chief").await.unwrap();
    assert_eq!(foresee("chief", "agree").await, None);
    assert_eq!(desk.open().await.len(), 3, "foreseeing changes nothing");
}

#[store::db_test(migrations = migrations)]
async fn finished_foreign_and_waiting_tasks_take_no_verb(db: Db) {
    let desk = Desk::set_up(db).await;
    desk.start(STEPS, ROW, json!({})).await;
    let x = desk.task("x", None).await;
    assert_eq!(
        refused(desk.complete_by(x, "chief", json!({})).await),
        "workflow.task.complete"
    );
    desk.claim(x, "a").await.unwrap();
    assert_eq!(
        refused(desk.complete_by(x, "b", json!({})).await),
        "workflow-task-taken"
    );
    assert_eq!(
        refused(desk.back(x, "b", Target::Previous, Mode::Again).await),
        "workflow-task-taken"
    );
    desk.complete_by(x, "a", json!({})).await.unwrap();
    assert_eq!(
        refused(desk.complete_by(x, "a", json!({})).await),
        "workflow-task-already-done"
    );
    assert_eq!(
        refused(desk.delegate(x, "a", "b").await),
        "workflow-task-already-done"
    );
    assert_eq!(
        refused(desk.add(x, "a", Place::After, &["b"]).await),
        "workflow-task-already-done"
    );
    assert_eq!(
        refused(desk.back(x, "a", Target::Previous, Mode::Again).await),
        "workflow-task-already-done"
    );
}
