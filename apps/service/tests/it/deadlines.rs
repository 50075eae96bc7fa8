//! The case page shows how the time of its tasks and of the whole process was counted.

use std::sync::Arc;

use kernel::ManualClock;
use store::{Db, db_test};

use crate::{
    days::calendar,
    pages::{get, router},
    world::{World, licence, migrations},
};

const XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:tongban="https://tongban.dev/bpmn" targetNamespace="https://tongban.dev/bpmn">
  <process id="timed" name="限时" isExecutable="true" tongban:days="7">
    <startEvent id="start"/>
    <sequenceFlow id="a" sourceRef="start" targetRef="accept"/>
    <userTask id="accept" name="受理" tongban:act="accept" tongban:candidates="clerk@${org}" tongban:days="3"/>
    <sequenceFlow id="b" sourceRef="accept" targetRef="end"/>
    <endEvent id="end"/>
  </process>
</definitions>"#;

#[db_test(migrations = migrations)]
async fn officers_see_how_a_deadline_was_counted(db: Db, clock: Arc<ManualClock>) {
    // The Thursday before a holiday of eight days.
    clock.set("2025-09-25T01:00:00Z".parse().unwrap());
    let w = World::new(&db, &clock);
    let router = router(&w);
    let engine = w.app.part::<workflow::Engine>().unwrap();
    engine.use_calendars(Arc::new(|_| Ok(Arc::new(calendar()))));
    db.write(|tx| async move { workflow::deploy(&tx, "timed", XML).await })
        .await
        .unwrap();
    let mut matter = licence();
    matter.process = Some("timed".into());
    let receipt = w.submitted(matter).await;
    let path = format!("/work/cases/{}", receipt.case);
    let (status, body) = get(&router, Some(&w.clerk), &path).await;
    assert_eq!(status, 200, "{body}");
    let folds = body.split("<details class=\"tb-act-fold\">").skip(1);
    let folds: Vec<&str> = folds
        .map(|fold| fold.split("</details>").next().unwrap())
        .collect();
    assert_eq!(folds.len(), 2, "one task and the process: {body}");
    assert!(folds[0].contains("<summary>受理: "), "{}", folds[0]);
    let counted = |fold: &str| {
        let days = fold.split("<time datetime=\"").skip(1);
        let days = days.map(|day| day.get(..10).unwrap().to_owned());
        days.collect::<Vec<_>>()
    };
    // The first day does not count; Sunday the 28th is worked for the holiday.
    let three = [
        "2025-09-25",
        "2025-09-26",
        "2025-09-27",
        "2025-09-28",
        "2025-09-29",
    ];
    assert_eq!(counted(folds[0]), three);
    assert_eq!(counted(folds[1]).first().unwrap(), "2025-09-25");
    assert!(
        counted(folds[1]).len() > 12,
        "the holiday is shown day by day"
    );
    // Without its calendar the page goes on without the arithmetic.
    engine.use_calendars(Arc::new(|_| Ok(Arc::new(kernel::Calendar::new()))));
    let (status, body) = get(&router, Some(&w.clerk), &path).await;
    assert_eq!(status, 200, "{body}");
    assert!(!body.contains("tb-act-fold"));
}
