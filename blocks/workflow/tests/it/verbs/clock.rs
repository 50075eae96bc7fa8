//! Copies, urging, and the suspended clock.

use std::sync::Arc;

use chrono::Duration;
use kernel::{
    ManualClock,
    calendar::{Calendar, Year},
};
use serde_json::json;
use store::{Db, Worker, page::PageRequest};
use workflow::{Task, verb};

use super::{Desk, ROW, STEPS, migrations, refused};

#[store::db_test(migrations = migrations)]
async fn copies_are_read_with_receipts_and_hold_nothing_up(db: Db) {
    let desk = Desk::set_up(db).await;
    desk.start(STEPS, ROW, json!({})).await;
    let id = desk.task("x", None).await;
    let readers: Vec<String> = ["b", "c", "b"].iter().map(|name| desk.id(name)).collect();
    let officer = desk.officer("a");
    let circulate = || {
        let (desk, readers, officer) = (desk.clone(), readers.clone(), officer.clone());
        async move {
            act!(desk, |tx, engine| {
                let (readers, officer) = (readers.clone(), officer.clone());
                async move { verb::circulate(&tx, id, &officer, &readers, "请阅").await }
            })
        }
    };
    assert_eq!(circulate().await.unwrap(), 2);
    assert_eq!(circulate().await.unwrap(), 0, "nobody gets two");
    desk.complete("x", "a", json!({})).await;
    assert_eq!(
        circulate().await.unwrap(),
        0,
        "whoever had the task may still send copies"
    );
    let mine = verb::copies(&desk.db, &desk.id("b"), true, &PageRequest::default())
        .await
        .unwrap();
    let copy = mine.items[0].id.clone();
    let read = |who: &str| {
        let (desk, copy, officer) = (desk.clone(), copy.clone(), desk.officer(who));
        async move {
            act!(desk, |tx, engine| {
                let (copy, officer) = (copy.clone(), officer.clone());
                async move { verb::read_copy(&tx, &copy, &officer).await }
            })
        }
    };
    assert_eq!(refused(read("c").await), "workflow.copy.read");
    read("b").await.unwrap();
    read("b").await.unwrap();
    let receipts = verb::receipts(&desk.db, id).await.unwrap();
    let has_read = |who: &str| {
        let mut his = receipts.iter().filter(|copy| copy.reader == desk.id(who));
        his.next().unwrap().read_at.is_some()
    };
    assert_eq!(
        (has_read("b"), has_read("c"), receipts.len()),
        (true, false, 2)
    );
    assert!(
        verb::copies(&desk.db, &desk.id("b"), true, &PageRequest::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[store::db_test(migrations = migrations)]
async fn a_task_is_urged_once_in_some_hours(db: Db, clock: Arc<ManualClock>) {
    let desk = Desk::set_up(db).await;
    let nodes = r#"<userTask id="x" tongban:candidates="approver" tongban:urge="2"/>"#;
    let instance = desk.start(nodes, "s>x>e", json!({})).await;
    let id = desk.task("x", None).await;
    let urge = |who: &str, is_supervisor: bool| {
        let (desk, officer) = (desk.clone(), desk.officer(who));
        async move {
            act!(desk, |tx, engine| {
                let officer = officer.clone();
                async move { verb::urge(&tx, id, &officer, is_supervisor, "请尽快").await }
            })
        }
    };
    assert_eq!(refused(urge("b", false).await), "workflow.task.urge");
    urge("a", false).await.unwrap();
    assert_eq!(refused(urge("a", false).await), "workflow-urged-lately");
    clock.advance(Duration::hours(2));
    urge("b", true).await.unwrap();
    assert_eq!(desk.verbs(instance).await, ["urge", "urge"]);
}

pub fn calendar() -> Arc<Calendar> {
    let mut calendar = Calendar::new();
    for year in [2026, 2027] {
        let year: Year =
            serde_json::from_value(json!({"year": year, "off": [], "work": []})).unwrap();
        calendar.insert(&year).unwrap();
    }
    Arc::new(calendar)
}

#[store::db_test(migrations = migrations)]
async fn a_suspended_task_waits_and_its_term_moves_by_working_days(
    db: Db,
    clock: Arc<ManualClock>,
) {
    let desk = Desk::set_up(db).await;
    let calendar = calendar();
    desk.engine
        .use_calendars(Arc::new(move |_: &str| Ok(calendar.clone())));
    clock.set("2026-01-05T01:00:00Z".parse().unwrap());
    let nodes = r#"<userTask id="x" tongban:candidates="examiner" tongban:days="5" tongban:grounds="听证,检验" tongban:extend="3"/>"#;
    let instance = desk.start(nodes, "s>x>e", json!({})).await;
    let id = desk.task("x", None).await;
    let due = |tasks: Vec<Task>| {
        kernel::clock::local(tasks[0].facts.due_at.unwrap() - Duration::seconds(1))
            .date_naive()
            .to_string()
    };
    assert_eq!(due(desk.tasks().await), "2026-01-12");
    let suspend = |ground: &'static str| {
        let (desk, officer) = (desk.clone(), desk.officer("a"));
        async move {
            act!(desk, |tx, engine| {
                let officer = officer.clone();
                async move { verb::suspend(&tx, id, &officer, ground, "当事人申请").await }
            })
        }
    };
    let resume = || {
        let (desk, officer) = (desk.clone(), desk.officer("a"));
        async move {
            act!(desk, |tx, engine| {
                let officer = officer.clone();
                async move { verb::resume(&tx, &engine, id, &officer).await }
            })
        }
    };
    assert_eq!(refused(resume().await), "workflow-task-not-suspended");
    assert_eq!(
        refused(suspend("午休").await),
        "ground: workflow-ground-unknown"
    );
    clock.advance(Duration::days(1));
    suspend("听证").await.unwrap();
    assert_eq!(refused(suspend("听证").await), "workflow-task-suspended");
    assert_eq!(
        refused(desk.complete_by(id, "a", json!({})).await),
        "workflow-task-suspended"
    );
    clock.advance(Duration::days(6));
    resume().await.unwrap();
    // From Tuesday the 6th to Monday the 12th, five working days did not count.
    assert_eq!(due(desk.tasks().await), "2026-01-19");
    let extend = |days: u32| {
        let (desk, officer) = (desk.clone(), desk.officer("a"));
        async move {
            act!(desk, |tx, engine| {
                let officer = officer.clone();
                async move { verb::extend(&tx, &engine, id, &officer, days, "案情复杂").await }
            })
        }
    };
    assert_eq!(refused(extend(4).await), "days: workflow-extend-days");
    extend(3).await.unwrap();
    assert_eq!(due(desk.tasks().await), "2026-01-22");
    assert_eq!(refused(extend(1).await), "workflow-extended-already");
    desk.complete_by(id, "a", json!({})).await.unwrap();
    assert_eq!(desk.verbs(instance).await, ["extend", "resume", "suspend"]);
}

#[store::db_test(migrations = migrations)]
async fn working_day_timers_on_a_suspended_tasks_border_stand_too(db: Db, clock: Arc<ManualClock>) {
    let desk = Desk::set_up(db).await;
    let calendar = calendar();
    desk.engine
        .use_calendars(Arc::new(move |_: &str| Ok(calendar.clone())));
    clock.set("2026-01-05T01:00:00Z".parse().unwrap());
    let timer = |id: &str, time: &str| {
        format!(
            r#"<boundaryEvent id="{id}" attachedToRef="x" cancelActivity="false">{time}</boundaryEvent>"#
        )
    };
    let legal = timer(
        "legal",
        r#"<timerEventDefinition tongban:workingDays="5"/>"#,
    );
    let plain = timer(
        "plain",
        "<timerEventDefinition><timeDuration>P7D</timeDuration></timerEventDefinition>",
    );
    let nodes = format!(
        r#"<userTask id="x" tongban:candidates="examiner"/>{legal}{plain}<userTask id="urge" tongban:candidates="examiner"/><userTask id="call" tongban:candidates="examiner"/><endEvent id="e2"/>"#
    );
    desk.start(&nodes, "s>x>e; legal>urge>e2; plain>call>e2", json!({}))
        .await;
    let (id, officer) = (desk.task("x", None).await, desk.officer("a"));
    clock.advance(Duration::days(1));
    act!(desk, |tx, engine| {
        let officer = officer.clone();
        async move { verb::suspend(&tx, id, &officer, "听证", "当事人申请").await }
    })
    .unwrap();
    let worker = Worker::new(&workflow::jobs(&desk.db, &desk.engine));
    let open = async || {
        while worker.run_due(&desk.db).await.unwrap() > 0 {}
        let mut open: Vec<String> = desk
            .tasks()
            .await
            .into_iter()
            .map(|t| t.facts.element)
            .collect();
        open.sort();
        open
    };
    // The fifth working day is over, and seven days of any kind.
    clock.set("2026-01-13T01:00:00Z".parse().unwrap());
    assert_eq!(open().await, ["call", "x"]);
    let officer = desk.officer("a");
    act!(desk, |tx, engine| {
        let officer = officer.clone();
        async move { verb::resume(&tx, &engine, id, &officer).await }
    })
    .unwrap();
    assert_eq!(open().await, ["call", "x"]);
    clock.set("2026-01-21T01:00:00Z".parse().unwrap());
    assert_eq!(open().await, ["call", "urge", "x"]);
}
