//! Reviews, and putting right what bad ones say.

use std::sync::Arc;

use kernel::{Error, ManualClock};
use service::{
    case::{Event, submit::Receipt},
    evaluation::{
        Answer, Repair, Review, act,
        store::{Evaluation, Search},
    },
};
use store::{Db, db_test};

use crate::world::{World, licence, migrations};

fn review(satisfaction: u8, details: &[u16]) -> Review {
    Review {
        satisfaction,
        details: details.to_vec(),
        service: 2,
        ..Review::default()
    }
}

async fn closed(w: &World) -> Receipt {
    let receipt = w.submitted(licence()).await;
    w.act(&w.clerk, &receipt, Event::Accept).await.unwrap();
    let approve = Event::Approve {
        opinion: "同意".into(),
    };
    w.act(&w.approver, &receipt, approve).await.unwrap();
    receipt
}

async fn rate(w: &World, receipt: &Receipt, review: Review) -> kernel::Result<Evaluation> {
    act::rate(&w.desk, &w.citizen, receipt.case, review).await
}

#[test]
fn details_belong_to_their_level() {
    for (level, details, text, is_right) in [
        (5, &[513][..], "", true),
        (5, &[], "", true),
        (5, &[406], "", false),
        (2, &[], "", false),
        (2, &[], "态度不好", true),
        (1, &[115], "", true),
        (1, &[214], "", false),
        (0, &[], "", false),
        (6, &[], "", false),
    ] {
        let review = Review {
            text: text.into(),
            ..review(level, details)
        };
        assert_eq!(
            review.findings().is_empty(),
            is_right,
            "{level} {details:?}"
        );
    }
}

#[db_test(migrations = migrations)]
async fn a_service_is_rated_once_when_it_is_done(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let open = w.submitted(licence()).await;
    let early = rate(&w, &open, review(5, &[])).await;
    assert!(matches!(early, Err(Error::Refused(_))));
    let receipt = closed(&w).await;
    let mixed = rate(&w, &receipt, review(5, &[413])).await;
    assert!(matches!(mixed, Err(Error::Invalid(_))));
    let stranger = act::rate(&w.desk, &w.stranger, receipt.case, review(5, &[])).await;
    assert!(matches!(stranger, Err(Error::NotFound { .. })));
    let rated = rate(&w, &receipt, review(5, &[513])).await.unwrap();
    assert_eq!((rated.repair, rated.assess), (Repair::None, 1));
    let twice = rate(&w, &receipt, review(1, &[115])).await;
    assert!(matches!(twice, Err(Error::Refused(_))));
    let figures = service::evaluation::store::list_figures(db.read())
        .await
        .unwrap();
    assert_eq!((figures.len(), figures[0].good_permille()), (1, Some(1000)));
}

#[db_test(migrations = migrations)]
async fn a_bad_review_is_put_right_and_rated_again(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let receipt = closed(&w).await;
    let bad = rate(&w, &receipt, review(1, &[115])).await.unwrap();
    assert_eq!(bad.repair, Repair::Open);
    assert_eq!(bad.contact_due.unwrap().to_string(), "2026-03-03");
    assert_eq!(bad.finish_due.unwrap().to_string(), "2026-03-23");
    let again = rate(&w, &receipt, review(4, &[])).await;
    assert!(matches!(again, Err(Error::Refused(_))));
    let (seen, _) = act::list(
        &w.desk,
        &w.approver,
        Search {
            limit: 10,
            ..Search::default()
        },
    )
    .await
    .unwrap();
    assert_eq!(seen.len(), 1);
    let foreign = act::answer(
        &w.desk,
        &w.fire,
        bad.id,
        Answer::Contact { note: "x".into() },
    )
    .await;
    assert!(matches!(foreign, Err(Error::Forbidden { .. })));
    for (answer, repair) in [
        (
            Answer::Contact {
                note: "已电话联系".into(),
            },
            Repair::Contacted,
        ),
        (
            Answer::Finish {
                reply: "已整改".into(),
            },
            Repair::Done,
        ),
    ] {
        let one = act::answer(&w.desk, &w.approver, bad.id, answer)
            .await
            .unwrap();
        assert_eq!(one.repair, repair);
    }
    let second = rate(&w, &receipt, review(4, &[413])).await.unwrap();
    assert_eq!(second.assess, 2);
    let third = rate(&w, &receipt, review(4, &[413])).await;
    assert!(matches!(third, Err(Error::Refused(_))));
}

#[db_test(migrations = migrations)]
async fn a_supervisor_judges_an_appeal(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let receipt = closed(&w).await;
    let bad = rate(&w, &receipt, review(1, &[115])).await.unwrap();
    let appeal = || Answer::Appeal {
        evidence: "录像".into(),
    };
    act::answer(&w.desk, &w.approver, bad.id, appeal())
        .await
        .unwrap();
    let judge = || Answer::Judge {
        is_valid: false,
        reason: "属实".into(),
    };
    let by_body = act::answer(&w.desk, &w.approver, bad.id, judge()).await;
    assert!(matches!(by_body, Err(Error::Forbidden { .. })));
    let judged = act::answer(&w.desk, &w.supervisor, bad.id, judge())
        .await
        .unwrap();
    assert_eq!((judged.repair, judged.is_valid), (Repair::Invalid, false));
    assert!(
        service::evaluation::store::list_figures(db.read())
            .await
            .unwrap()
            .is_empty()
    );
}
