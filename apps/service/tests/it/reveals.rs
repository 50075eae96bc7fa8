//! Personal values in full: with a purpose, for a while, and known to the applicant.

use std::sync::Arc;

use chrono::Duration;
use kernel::{Error, ManualClock};
use service::reveal::act;
use store::{Db, db_test};

use crate::{
    pages::{get, post, router},
    world::{World, kinds, licence, migrations},
};

const CODE: &str = "11000019900101123X";
const PHONE: &str = "13800000000";

#[db_test(migrations = migrations)]
async fn an_officer_sees_personal_values_in_full_for_a_purpose_and_a_while(
    db: Db,
    clock: Arc<ManualClock>,
) {
    let w = World::new(&db, &clock);
    let router = router(&w);
    let id = w.submitted(licence()).await.case;
    let page = format!("/work/cases/{id}");
    let door = format!("/api/service/cases/{id}");
    for path in [&page, &door] {
        let (_, body) = get(&router, Some(&w.examiner), path).await;
        assert!(!body.contains(CODE) && !body.contains(PHONE), "{path}");
    }
    let (status, body) = post(&router, &w.examiner, &format!("{page}/reveal"), "purpose=+").await;
    assert_eq!(status.as_u16(), 422);
    assert!(body.contains("service-reveal-purpose-missing"), "{body}");
    let to_call = "purpose=%E7%94%B5%E8%AF%9D%E8%A1%A5%E4%BB%B6";
    let (status, _) = post(&router, &w.examiner, &format!("{page}/reveal"), to_call).await;
    assert_eq!(status.as_u16(), 303);
    for path in [&page, &door] {
        let (_, body) = get(&router, Some(&w.examiner), path).await;
        assert!(body.contains(CODE) && body.contains(PHONE), "{path} {body}");
        let (_, body) = get(&router, Some(&w.approver), path).await;
        assert!(
            !body.contains(PHONE),
            "another officer's look opened {path}"
        );
    }
    let (_, body) = get(&router, Some(&w.citizen), &format!("/mine/cases/{id}")).await;
    assert!(body.contains("电话补件"), "{body}");
    w.clock.advance(Duration::minutes(16));
    let (_, body) = get(&router, Some(&w.examiner), &page).await;
    assert!(!body.contains(PHONE));
}

#[db_test(migrations = migrations)]
async fn saying_the_same_again_is_one_look_and_leaves_one_event(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let id = w.submitted(licence()).await.case;
    let first = act::reveal(&w.desk, &w.clerk, id, "核对身份")
        .await
        .unwrap();
    let again = act::reveal(&w.desk, &w.clerk, id, " 核对身份 ")
        .await
        .unwrap();
    assert_eq!(first, again);
    let looks = act::list(&w.desk, &w.citizen, id).await.unwrap();
    assert_eq!(looks, [first]);
    let seen = kinds(&w.desk.db).await;
    let left = seen.iter().filter(|kind| kind.contains("revealed"));
    assert_eq!(left.count(), 1, "{seen:?}");
}

#[db_test(migrations = migrations)]
async fn who_does_not_handle_the_case_is_not_let_in(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let id = w.submitted(licence()).await.case;
    let refused = act::reveal(&w.desk, &w.supervisor, id, "好奇").await;
    assert!(
        matches!(refused, Err(Error::Forbidden { .. })),
        "{refused:?}"
    );
    let unknown = act::reveal(&w.desk, &w.fire, id, "好奇").await;
    assert!(
        matches!(unknown, Err(Error::NotFound { .. })),
        "{unknown:?}"
    );
    assert!(act::list(&w.desk, &w.citizen, id).await.unwrap().is_empty());
}
