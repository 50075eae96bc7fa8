//! Substitutes of the absent.

use std::sync::Arc;

use chrono::{Duration, NaiveDate};
use kernel::{Clock, ManualClock};
use serde_json::json;
use store::{Db, page::PageRequest};
use workflow::{
    Filter,
    verb::{self, Substitute},
};

use super::{Desk, ORG, ROW, STEPS, migrations, refused};

impl Desk {
    pub(super) fn substitute(
        &self,
        officer: &str,
        substitute: &str,
        posts: Vec<String>,
        from: NaiveDate,
        until: NaiveDate,
    ) -> Substitute {
        Substitute {
            id: String::new(),
            officer: self.id(officer),
            substitute: self.id(substitute),
            posts,
            from,
            until,
            reason: "出差".into(),
            is_ended: false,
        }
    }

    pub(super) async fn name(&self, by: &str, named: Substitute) -> kernel::Result<String> {
        let by = self.officer(by);
        act!(self, |tx, engine| {
            let (named, by) = (named.clone(), by.clone());
            async move { verb::name_substitute(&tx, &by, false, &named).await }
        })
    }
}

#[store::db_test(migrations = migrations)]
async fn a_wrong_substitute_is_refused_by_field(db: Db, clock: Arc<ManualClock>) {
    let desk = Desk::set_up(db).await;
    let today = kernel::clock::local_date(clock.now());
    let day = |days: i64| today + Duration::days(days);
    let foreign = vec![format!("examiner@{ORG}")];
    for (by, substitute, posts, from, until, expected) in [
        ("a", "b", vec![], 0, 1, "workflow.substitute.name"),
        (
            "chief",
            "chief",
            vec![],
            0,
            1,
            "substitute: workflow-substitute-self",
        ),
        (
            "chief",
            "b",
            vec![],
            1,
            0,
            "until: workflow-substitute-days",
        ),
        (
            "chief",
            "b",
            vec![],
            -2,
            -1,
            "until: workflow-substitute-days",
        ),
        (
            "chief",
            "b",
            vec![],
            0,
            400,
            "until: workflow-substitute-days",
        ),
        (
            "chief",
            "b",
            foreign,
            0,
            1,
            "posts: workflow-substitute-posts",
        ),
    ] {
        let named = desk.substitute("chief", substitute, posts, day(from), day(until));
        assert_eq!(refused(desk.name(by, named).await), expected);
    }
}

#[store::db_test(migrations = migrations)]
async fn a_substitute_acts_for_the_absent_and_both_are_traced(db: Db, clock: Arc<ManualClock>) {
    let desk = Desk::set_up(db).await;
    let instance = desk.start(STEPS, ROW, json!({})).await;
    desk.complete("x", "a", json!({})).await;
    desk.complete("y", "a", json!({})).await;
    let z = desk.task("z", None).await;
    assert_eq!(refused(desk.claim(z, "b").await), "workflow.task.claim");
    let today = kernel::clock::local_date(clock.now());
    let day = |days: i64| today + Duration::days(days);
    let posts = vec![format!("approver@{ORG}")];
    let named = desk.substitute("chief", "b", posts, day(1), day(2));
    desk.name("chief", named).await.unwrap();
    assert_eq!(
        refused(desk.claim(z, "b").await),
        "workflow.task.claim",
        "not before the first day"
    );
    clock.advance(Duration::days(1));
    let own = Filter {
        groups: desk.officer("b").groups,
        assignee: Some(desk.id("b")),
        ..Filter::default()
    };
    let filter = workflow::with_absent(&desk.db, &desk.id("b"), own)
        .await
        .unwrap();
    let listed = workflow::tasks(&desk.db, &filter, &PageRequest::default())
        .await
        .unwrap()
        .items;
    assert_eq!(
        listed
            .iter()
            .map(|task| task.facts.task)
            .collect::<Vec<_>>(),
        [z]
    );
    // What the absent officer has taken himself is seen too.
    desk.claim(z, "chief").await.unwrap();
    assert_eq!(
        workflow::tasks(&desk.db, &filter, &PageRequest::default())
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    desk.complete_by(z, "b", json!({})).await.unwrap();
    let trail = workflow::trail_of(&desk.db, &desk.engine, instance)
        .await
        .unwrap();
    let both = format!("user:{} for user:{}", desk.id("b"), desk.id("chief"));
    assert!(
        trail
            .steps
            .iter()
            .any(|stay| stay.element == "z" && stay.by == both)
    );
    // It ends by itself.
    desk.start(STEPS, ROW, json!({})).await;
    desk.complete("x", "a", json!({})).await;
    desk.complete("y", "a", json!({})).await;
    let z = desk.task("z", None).await;
    clock.advance(Duration::days(2));
    assert_eq!(refused(desk.claim(z, "b").await), "workflow.task.claim");
}

#[store::db_test(migrations = migrations)]
async fn a_substitution_is_ended_before_its_time(db: Db, clock: Arc<ManualClock>) {
    let desk = Desk::set_up(db).await;
    desk.start(
        r#"<userTask id="z" tongban:candidates="approver"/>"#,
        "s>z>e",
        json!({}),
    )
    .await;
    let today = kernel::clock::local_date(clock.now());
    let named = desk.substitute("chief", "b", vec![], today, today);
    let id = desk.name("chief", named).await.unwrap();
    let end = |who: &str| {
        let (desk, id, who) = (desk.clone(), id.clone(), desk.officer(who));
        async move {
            act!(desk, |tx, engine| {
                let (id, who) = (id.clone(), who.clone());
                async move { verb::end_substitute(&tx, &id, &who, false).await }
            })
        }
    };
    assert_eq!(refused(end("c").await), "workflow.substitute.name");
    end("chief").await.unwrap();
    end("b").await.unwrap();
    assert!(
        verb::substitutes_of(&desk.db, &desk.id("chief"))
            .await
            .unwrap()[0]
            .is_ended
    );
    let z = desk.task("z", None).await;
    assert_eq!(refused(desk.claim(z, "b").await), "workflow.task.claim");
}
