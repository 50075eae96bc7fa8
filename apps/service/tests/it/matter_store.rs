//! Versions of matters and the guide's search, on both databases.

use identity::{Actor, Gate, Post, UserId};
use kernel::Error;
use service::matter::{
    self, Matter, State, act,
    store::{Search, list},
};
use store::Db;

use crate::matter_checks::a_matter;

fn gate() -> Gate {
    let policy = include_str!("../../policies/matter.cedar");
    Gate::of([("matter.cedar", policy)]).unwrap()
}

fn an_officer(post: &str) -> Actor {
    Actor {
        user: UserId::new(&kernel::SystemClock),
        name: "合成·管事".into(),
        posts: vec![Post {
            post: post.into(),
            org: "12441500196720244T".into(),
            org_name: "示范局（合成）".into(),
            region: "441500".into(),
            held_for: None,
        }],
        ..Actor::system()
    }
}

async fn publish(db: &Db, matter: Matter) -> i32 {
    let code = matter.task_code.clone();
    let steward = an_officer("steward");
    let version = act::save_draft(db, &gate(), &steward, matter, None)
        .await
        .unwrap();
    act::publish(db, &gate(), &steward, &code, version)
        .await
        .unwrap();
    version
}

#[store::db_test(migrations = service::matter::migrations)]
async fn every_published_change_is_a_new_version_and_the_old_one_stays(db: Db) {
    let code = a_matter().task_code;
    assert_eq!(publish(&db, a_matter()).await, 1);
    let mut changed = a_matter();
    changed.promise.days = Some(4);
    changed.links.clear();
    assert_eq!(publish(&db, changed).await, 2);

    let now = matter::get_in_force(db.read(), &code).await.unwrap();
    assert_eq!((now.version, now.promise.days), (2, Some(4)));
    let before = matter::get(db.read(), &code, 1).await.unwrap();
    assert_eq!(before.state, State::Superseded);
    assert_eq!(before.promise.days, Some(5));
}

#[store::db_test(migrations = service::matter::migrations)]
async fn a_draft_that_fails_a_check_is_not_published(db: Db) {
    let mut matter = a_matter();
    matter.by_law.clear();
    let steward = an_officer("steward");
    let code = matter.task_code.clone();
    let version = act::save_draft(&db, &gate(), &steward, matter, None)
        .await
        .unwrap();
    let refused = act::publish(&db, &gate(), &steward, &code, version).await;
    let Err(Error::Invalid(findings)) = refused else {
        panic!("published: {refused:?}");
    };
    assert_eq!(findings[0].text.key, "service-check-08");
    assert!(
        matter::lookup_shown(db.read(), &code)
            .await
            .unwrap()
            .is_none()
    );
}

#[store::db_test(migrations = service::matter::migrations)]
async fn a_suspended_matter_takes_no_cases_until_resumed(db: Db) {
    publish(&db, a_matter()).await;
    let (gate, steward, code) = (gate(), an_officer("steward"), a_matter().task_code);
    act::suspend(&db, &gate, &steward, &code, 1).await.unwrap();
    // The button pressed twice.
    act::suspend(&db, &gate, &steward, &code, 1).await.unwrap();
    let refused = matter::get_in_force(db.read(), &code).await;
    assert!(matches!(refused, Err(Error::Refused(t)) if t.key == "service-matter-suspended"));
    act::resume(&db, &gate, &steward, &code, 1).await.unwrap();
    assert!(matter::get_in_force(db.read(), &code).await.is_ok());
    act::cancel(&db, &gate, &steward, &code, 1).await.unwrap();
    let again = act::resume(&db, &gate, &steward, &code, 1).await;
    assert!(matches!(again, Err(Error::Refused(_))));
}

#[store::db_test(migrations = service::matter::migrations)]
async fn only_a_steward_of_the_body_may_edit(db: Db) {
    let clerk = an_officer("clerk");
    let refused = act::save_draft(&db, &gate(), &clerk, a_matter(), None).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. })));
    let mut elsewhere = an_officer("steward");
    elsewhere.posts[0].org = "00".into();
    elsewhere.posts[0].region = "320000".into();
    let refused = act::save_draft(&db, &gate(), &elsewhere, a_matter(), None).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. })));
}

#[store::db_test(migrations = service::matter::migrations)]
async fn of_two_stewards_editing_one_draft_one_wins(db: Db) {
    let (gate, steward) = (gate(), an_officer("steward"));
    act::save_draft(&db, &gate, &steward, a_matter(), None)
        .await
        .unwrap();
    let second = act::save_draft(&db, &gate, &steward, a_matter(), None).await;
    assert!(matches!(second, Err(Error::Refused(t)) if t.key == "service-matter-has-draft"));
    act::save_draft(&db, &gate, &steward, a_matter(), Some(1))
        .await
        .unwrap();
    let late = act::save_draft(&db, &gate, &steward, a_matter(), Some(1)).await;
    assert!(matches!(late, Err(Error::Refused(t)) if t.key == "service-matter-changed-meanwhile"));
}

#[store::db_test(migrations = service::matter::migrations)]
async fn installing_the_same_matter_again_changes_nothing(db: Db) {
    let install = |matter: Matter| {
        db.write(move |tx| {
            let matter = matter.clone();
            async move { act::install(&tx, matter).await }
        })
    };
    assert!(install(a_matter()).await.unwrap());
    assert!(!install(a_matter()).await.unwrap());
    let mut changed = a_matter();
    changed.summary = "一句话".into();
    assert!(install(changed).await.unwrap());
    let now = matter::get_in_force(db.read(), &a_matter().task_code)
        .await
        .unwrap();
    assert_eq!(now.version, 2);
}

#[store::db_test(migrations = service::matter::migrations)]
async fn the_guide_finds_by_words_topic_and_department_and_pages_by_key(db: Db) {
    for (serial, name) in ["食品经营许可 ABC", "户外招牌设置", "100%_烟草"]
        .iter()
        .enumerate()
    {
        let mut matter = a_matter();
        matter.task_code = format!("12441500196720244T344019980600{serial}");
        matter.name = (*name).into();
        matter.corp_topics = vec!["准营准办".into()];
        if serial == 0 {
            matter.user_topics = vec!["就业创业".into()];
        }
        publish(&db, matter).await;
    }
    let names = async |search: Search| -> Vec<String> {
        let (rows, _) = list(db.read(), &search).await.unwrap();
        rows.into_iter().map(|row| row.name).collect()
    };
    let words = |words: &str| Search {
        words: words.into(),
        limit: 10,
        ..Search::default()
    };
    assert_eq!(names(words("abc 食品")).await, ["食品经营许可 ABC"]);
    assert_eq!(names(words("市场监督")).await.len(), 3);
    // Wildcards are letters like others.
    assert_eq!(names(words("%_")).await, ["100%_烟草"]);
    assert_eq!(names(words("没有")).await.len(), 0);
    let topic = Search {
        user_topic: "就业创业".into(),
        limit: 10,
        ..Search::default()
    };
    assert_eq!(names(topic).await, ["食品经营许可 ABC"]);

    let mut search = Search {
        corp_topic: "准营准办".into(),
        limit: 2,
        ..Search::default()
    };
    let (first, has_more) = list(db.read(), &search).await.unwrap();
    assert!(has_more);
    search.after = first[1].key.clone();
    let (second, has_more) = list(db.read(), &search).await.unwrap();
    assert!(!has_more);
    assert_eq!(second.len(), 1);
    assert!(second[0].task_code > first[1].task_code);
}
