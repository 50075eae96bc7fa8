//! Giving away and going back: delegate, return, withdraw, reject.

use chrono::Duration;
use serde_json::json;
use store::Db;
use workflow::{
    Progress, TaskId,
    core::Mode,
    verb::{self, Target},
};

use super::{Desk, ROW, STEPS, migrations, refused, sign::signed};
use crate::model::{file, flows};

#[store::db_test(migrations = migrations)]
async fn a_delegated_task_comes_back_to_the_delegator_who_completes(db: Db) {
    let desk = Desk::set_up(db).await;
    let instance = desk.start(STEPS, ROW, json!({})).await;
    let id = desk.task("x", None).await;
    assert_eq!(
        refused(desk.delegate(id, "a", "a").await),
        "to: workflow-delegate-self"
    );
    desk.delegate(id, "a", "chief").await.unwrap();
    assert_eq!(desk.open().await, ["x chief"]);
    assert_eq!(
        refused(desk.delegate(id, "chief", "a").await),
        "to: workflow-delegate-circle"
    );
    desk.delegate(id, "chief", "b").await.unwrap();
    let officer = desk.officer("b");
    let released = act!(desk, |tx, engine| {
        let officer = officer.clone();
        async move { workflow::release(&tx, id, &officer).await }
    });
    assert_eq!(refused(released), "workflow-task-delegated");
    let back = desk.complete("x", "b", json!({"opinion": "属实"})).await;
    assert_eq!(
        (back, desk.open().await),
        (Progress::Waits, vec!["x chief".to_owned()])
    );
    desk.complete("x", "chief", json!({"opinion": "属实"}))
        .await;
    assert_eq!(desk.open().await, ["x a"]);
    assert_eq!(desk.complete("x", "a", json!({})).await, Progress::Moved);
    assert_eq!(
        desk.verbs(instance).await,
        ["answer", "answer", "delegate", "delegate"]
    );
    let unknown = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11".to_owned();
    let (id, officer) = (desk.task("y", None).await, desk.officer("a"));
    let stranger = act!(desk, |tx, engine| {
        let (officer, unknown) = (officer.clone(), unknown.clone());
        async move { verb::delegate(&tx, id, &officer, &unknown, "x").await }
    });
    assert_eq!(refused(stranger), "to: workflow-officer-unknown");
}

#[store::db_test(migrations = migrations)]
async fn a_task_returns_to_steps_really_visited_and_their_handlers(db: Db) {
    let desk = Desk::set_up(db).await;
    let instance = desk.start(STEPS, ROW, json!({})).await;
    desk.complete("x", "a", json!({})).await;
    let y = desk.task("y", None).await;
    let never = desk
        .back(y, "b", Target::Step("z".into()), Mode::Again)
        .await;
    assert_eq!(refused(never), "to: workflow-return-not-visited");
    desk.complete("y", "b", json!({})).await;
    let z = desk.task("z", None).await;
    let steps = act!(desk, |tx, engine| async move {
        verb::earlier_steps(&tx, &engine, z).await
    })
    .unwrap();
    let told: Vec<_> = steps
        .iter()
        .map(|step| {
            (
                step.element.as_str(),
                step.name.as_str(),
                step.handler.clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("y", "审查", Some(desk.id("b"))),
            ("x", "x", Some(desk.id("a")))
        ]
    );
    assert_eq!(
        refused(desk.back(z, "a", Target::Previous, Mode::Again).await),
        "workflow.task.return"
    );
    desk.back(z, "chief", Target::Previous, Mode::Back)
        .await
        .unwrap();
    assert_eq!(desk.open().await, ["y b"]);
    assert_eq!(desk.variables(instance).await["returned"], "数据有误");
    desk.complete("y", "b", json!({})).await;
    assert_eq!(
        desk.open().await,
        ["z chief"],
        "straight back to whoever returned it"
    );
    let z = desk.task("z", None).await;
    desk.back(z, "chief", Target::Initiator, Mode::Again)
        .await
        .unwrap();
    assert_eq!(desk.open().await, ["x a"]);
    desk.complete("x", "a", json!({})).await;
    assert_eq!(desk.open().await, ["y"]);
    let first = desk.task("y", None).await;
    desk.back(first, "c", Target::Previous, Mode::Again)
        .await
        .unwrap();
    let x = desk.task("x", None).await;
    assert_eq!(
        refused(desk.back(x, "a", Target::Previous, Mode::Again).await),
        "to: workflow-return-not-visited"
    );
}

#[store::db_test(migrations = migrations)]
async fn a_return_out_of_a_countersignature_takes_all_signers_away(db: Db) {
    let desk = Desk::set_up(db).await;
    let nodes = format!(
        r#"<userTask id="w" tongban:candidates="examiner"/>{}"#,
        signed(r#"tongban:sign="all""#)
    );
    desk.start(&nodes, "s>w>x>y>e", json!({})).await;
    desk.complete("w", "a", json!({})).await;
    desk.complete("x", "b", json!({"outcome": "agree"})).await;
    let own = desk.task("x", Some("c")).await;
    desk.back(own, "c", Target::Previous, Mode::Again)
        .await
        .unwrap();
    assert_eq!(desk.open().await, ["w a"]);
    desk.complete("w", "a", json!({})).await;
    assert_eq!(desk.open().await.len(), 4, "all sign anew");
}

#[store::db_test(migrations = migrations)]
async fn a_completion_is_withdrawn_before_anybody_acts_on_what_followed(db: Db) {
    let desk = Desk::set_up(db).await;
    let instance = desk.start(STEPS, ROW, json!({})).await;
    let x = desk.task("x", None).await;
    desk.complete_by(x, "a", json!({})).await.unwrap();
    assert_eq!(
        refused(desk.withdraw(x, "b").await),
        "workflow.task.withdraw"
    );
    desk.withdraw(x, "a").await.unwrap();
    assert_eq!(desk.open().await, ["x a"]);
    assert_eq!(
        refused(desk.withdraw(x, "a").await),
        "workflow-withdraw-late"
    );
    let x = desk.task("x", None).await;
    desk.complete_by(x, "a", json!({})).await.unwrap();
    let y = desk.task("y", None).await;
    desk.claim(y, "b").await.unwrap();
    assert_eq!(
        refused(desk.withdraw(x, "a").await),
        "workflow-withdraw-late"
    );
    // Given back untouched, it is as if nobody had taken it.
    let officer = desk.officer("b");
    act!(desk, |tx, engine| {
        let officer = officer.clone();
        async move { workflow::release(&tx, y, &officer).await }
    })
    .unwrap();
    desk.withdraw(x, "a").await.unwrap();
    assert_eq!(desk.verbs(instance).await, ["withdraw", "withdraw"]);
}

#[store::db_test(migrations = migrations)]
async fn a_rejection_ends_the_process_by_the_end_that_is_drawn_for_it(db: Db) {
    let desk = Desk::set_up(db).await;
    let reject = |id: TaskId, reason: &'static str| {
        let (desk, officer) = (desk.clone(), desk.officer("a"));
        async move {
            act!(desk, |tx, engine| {
                let officer = officer.clone();
                async move { verb::reject(&tx, &engine, id, &officer, reason).await }
            })
        }
    };
    let instance = desk.start(STEPS, ROW, json!({})).await;
    let id = desk.task("x", None).await;
    assert_eq!(
        refused(reject(id, " ").await),
        "reason: workflow-reason-needed"
    );
    reject(id, "不符合规划").await.unwrap();
    assert_eq!(desk.status(instance).await, "cancelled");
    let drawn = r#"<userTask id="x" tongban:candidates="examiner"/><endEvent id="no" tongban:outcome="rejected"/><exclusiveGateway id="g" default="g-e"/>"#;
    let instance = desk
        .start(drawn, "s>x>g; g>e; g>no[refused]", json!({}))
        .await;
    reject(desk.task("x", None).await, "不符合规划")
        .await
        .unwrap();
    assert_eq!(desk.status(instance).await, "completed");
    let trail = workflow::trail_of(&desk.db, &desk.engine, instance)
        .await
        .unwrap();
    assert!(trail.trail.contains(&"no".to_owned()));
    assert_eq!(desk.variables(instance).await["outcome"], "rejected");
}

#[store::db_test(migrations = migrations)]
async fn what_went_out_is_not_withdrawn(db: Db) {
    let desk = Desk::set_up(db).await;
    let nodes = r#"<userTask id="x" tongban:candidates="examiner"/><sendTask id="tell"/><userTask id="y" tongban:candidates="examiner"/>"#;
    desk.start(nodes, "s>x>tell>y>e", json!({})).await;
    let x = desk.task("x", None).await;
    desk.complete_by(x, "a", json!({})).await.unwrap();
    assert_eq!(
        refused(desk.withdraw(x, "a").await),
        "workflow-withdraw-sent"
    );
    assert_eq!(desk.open().await, ["y"]);
}

#[store::db_test(migrations = migrations)]
async fn what_a_task_sent_along_its_flow_is_not_withdrawn(db: Db) {
    let desk = Desk::set_up(db).await;
    let xml = file(&format!(
        r#"<collaboration id="c"><participant id="pp" processRef="p"/><participant id="pq"/><messageFlow id="f" sourceRef="x" targetRef="pq"/></collaboration>
        <process id="p" isExecutable="true"><startEvent id="s"/><endEvent id="e"/><userTask id="x" tongban:candidates="examiner"/><userTask id="y" tongban:candidates="examiner"/>{}</process>"#,
        flows("s>x>y>e")
    ));
    desk.start_file(xml, json!({})).await;
    let x = desk.task("x", None).await;
    desk.complete_by(x, "a", json!({})).await.unwrap();
    assert_eq!(
        refused(desk.withdraw(x, "a").await),
        "workflow-withdraw-sent"
    );
    assert_eq!(desk.open().await, ["y"]);
}

#[store::db_test(migrations = migrations)]
async fn what_a_worker_has_is_not_withdrawn(db: Db) {
    let desk = Desk::set_up(db).await;
    let nodes = r#"<userTask id="x" tongban:candidates="examiner"/><serviceTask id="pay" tongban:topic="payment"/>"#;
    desk.start(nodes, "s>x>pay>e", json!({})).await;
    for is_taken in [false, true] {
        let x = desk.task("x", None).await;
        desk.complete_by(x, "a", json!({})).await.unwrap();
        if !is_taken {
            desk.withdraw(x, "a").await.unwrap();
            continue;
        }
        let wanted = workflow::external::Fetch {
            worker: "w".into(),
            most: 1,
            topics: vec![workflow::external::Topic {
                name: "payment".into(),
                lock: Duration::minutes(1),
                ..Default::default()
            }],
        };
        let taken = workflow::external::fetch(&desk.db, &desk.engine, &wanted, "user:w");
        assert_eq!(taken.await.unwrap().len(), 1);
        assert_eq!(
            refused(desk.withdraw(x, "a").await),
            "workflow-withdraw-sent"
        );
    }
}
