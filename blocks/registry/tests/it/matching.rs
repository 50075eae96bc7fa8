use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write as _,
    sync::Arc,
};

use kernel::{Error, ManualClock, code::citizen};
use registry::{
    batch::{
        Mode,
        act::{Loading, load},
    },
    matching::{
        PairState, Thresholds, Verdict,
        act::{self, Deciding, Starting},
    },
};
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use store::{Db, db_test, page::PageRequest};
use synthetic::{City, Settings};

use crate::house::{CIVIL, House, POLICE, findings, house, migrations, officer, people};

/// Every so many people is registered twice, with another number.
const TWICE: u64 = 25;

/// Loads a city of 500; answers the person of each key.
async fn a_city(house: &House) -> HashMap<String, u64> {
    let mut csv = "gmsfhm,xm,xbdm,csrq,dh\n".to_owned();
    let mut persons = HashMap::new();
    let people = City::new(Settings {
        people: 500,
        seed: 2,
    })
    .flat_map(|h| h.people);
    for person in people {
        let again = citizen::build("640000", person.birth, 901).unwrap();
        let again = (person.index % TWICE == 0 && !person.phone.is_empty()).then_some(again);
        for number in std::iter::once(person.number.clone()).chain(again) {
            let is_new = persons.insert(number.clone(), person.index).is_none();
            assert!(is_new, "{number}");
            let sex = person.sex.code();
            let (name, birth, phone) = (&person.name, person.birth, &person.phone);
            writeln!(csv, "{number},{name},{sex},{birth},{phone}").unwrap();
        }
    }
    assert_eq!(deliver(house, "people", &csv).await, whole(persons.len()));
    persons
}

/// Loads what the police deliver; answers how many records there are then.
async fn deliver(house: &House, registry: &str, csv: &str) -> i64 {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), csv).unwrap();
    let loading = Loading {
        registry: registry.into(),
        source: "police".into(),
        batch: "city".into(),
        mode: Mode::AllOrNothing,
        valid_from: None,
    };
    let steward = officer("steward", POLICE);
    let batch = load(&house.app, &steward, &loading, file.path())
        .await
        .unwrap();
    assert_eq!(batch.refused, 0);
    batch.inserted
}

fn whole(size: usize) -> i64 {
    i64::try_from(size).unwrap()
}

fn starting(links_itself: bool) -> Starting {
    Starting {
        registry: "people".into(),
        other: None,
        purpose: "人口库查重".into(),
        thresholds: Thresholds::default(),
        links_itself,
    }
}

async fn pairs(house: &House, state: PairState) -> Vec<registry::MatchPair> {
    let page = PageRequest::new(None, Some(500));
    let steward = officer("steward", POLICE);
    act::list_pairs(&house.app, &steward, "people", state, &page)
        .await
        .unwrap()
        .items
}

/// The key of a record.
async fn key(house: &House, record: &str) -> String {
    house.view(record, None, None).await.row.key
}

/// Whether both records of a pair are of one person.
async fn is_right(
    house: &House,
    persons: &HashMap<String, u64>,
    pair: &registry::MatchPair,
) -> bool {
    let (left, right) = (
        key(house, &pair.left_record).await,
        key(house, &pair.right_record).await,
    );
    persons[&left] == persons[&right]
}

#[db_test(migrations = migrations)]
async fn duplicates_are_found_explained_and_decided_by_a_person(db: Db) {
    let house = house(db).await;
    let persons = a_city(&house).await;
    let steward = officer("steward", POLICE);
    let run = act::start(&house.app, &steward, &starting(false))
        .await
        .unwrap();
    let second = act::start(&house.app, &steward, &starting(false)).await;
    assert!(matches!(second, Err(Error::Refused(_))), "one at a time");
    house.settle().await;
    let done = act::get_run(&house.app, &steward, &run).await.unwrap();
    assert_eq!((done.state.as_str(), done.linked), ("done", 0));
    assert_eq!(done.records, whole(persons.len()));

    let open = pairs(&house, PairState::Open).await;
    assert_eq!(whole(open.len()), done.to_review);
    let twice = persons.len() - persons.values().collect::<BTreeSet<_>>().len();
    let mut right = 0;
    for pair in &open {
        right += usize::from(is_right(&house, &persons, pair).await);
    }
    assert!(right >= twice - 1, "{right} of {twice} found");

    // The likeliest is merged: one record counts for the other.
    let first = &open[0];
    assert!(is_right(&house, &persons, first).await);
    let view = act::open_pair(&house.app, &steward, &first.id, "", false)
        .await
        .unwrap();
    assert!(!view.left.is_unmasked);
    assert!(view.explanation.probability() > 0.9);
    let decide = async |verdict, version| {
        let deciding = Deciding {
            verdict,
            version,
            reason: "电话核实".into(),
        };
        act::decide(&house.app, &steward, &first.id, &deciding).await
    };
    let same = decide(Verdict::KeepRight, first.version).await.unwrap();
    assert_eq!(same.state, "same");
    let gone = house.view(&first.left_record, None, None).await.row;
    assert_eq!(
        gone.merged_into.as_deref(),
        Some(first.right_record.as_str())
    );
    let late = decide(Verdict::Different, first.version).await.unwrap_err();
    assert_eq!(findings(&late)[0].1, "registry-pair-changed");
    let again = decide(Verdict::KeepLeft, same.version).await.unwrap_err();
    assert_eq!(findings(&again)[0].1, "registry-pair-decided");

    // Deciding otherwise undoes the merge.
    let different = decide(Verdict::Different, same.version).await.unwrap();
    assert_eq!(
        (different.state.as_str(), different.merge),
        ("different", None)
    );
    let back = house.view(&first.left_record, None, None).await.row;
    assert_eq!(back.merged_into, None);

    // What was decided stays decided, however often records are compared.
    act::start(&house.app, &steward, &starting(false))
        .await
        .unwrap();
    house.settle().await;
    let different = pairs(&house, PairState::Different).await;
    assert_eq!(different.len(), 1);
    let names = act::names(&house.app, &steward, &different).await.unwrap();
    assert_eq!(names.len(), 2);
    assert!(names.values().all(|name| name.contains('*')), "{names:?}");
    assert_eq!(pairs(&house, PairState::Open).await.len(), open.len() - 1);
}

#[db_test(migrations = migrations)]
async fn what_is_sure_is_merged_by_itself_and_an_undone_merge_opens_the_pair(db: Db) {
    let house = house(db).await;
    let persons = a_city(&house).await;
    let steward = officer("steward", POLICE);
    act::start(&house.app, &steward, &starting(true))
        .await
        .unwrap();
    house.settle().await;
    let linked = pairs(&house, PairState::Linked).await;
    assert!(linked.len() >= 10, "{}", linked.len());
    for pair in &linked {
        assert!(
            is_right(&house, &persons, pair).await,
            "{}",
            pair.explanation
        );
        let gone = house.view(&pair.right_record, None, None).await.row;
        assert_eq!(gone.merged_into.as_deref(), Some(pair.left_record.as_str()));
    }
    let pair = &linked[0];
    let merge = pair.merge.clone().unwrap();
    registry::record::act::unmerge(&house.app, &steward, "people", &merge, "经核实不是同一人")
        .await
        .unwrap();
    let open = pairs(&house, PairState::Open).await;
    let opened = open.iter().find(|p| p.id == pair.id).unwrap();
    assert_eq!(opened.merge, None);
    // Merged records are not compared again; the pair that was parted is.
    let run = act::start(&house.app, &steward, &starting(false))
        .await
        .unwrap();
    house.settle().await;
    let done = act::get_run(&house.app, &steward, &run).await.unwrap();
    let left = persons.len() - linked.len() + 1;
    assert_eq!(done.records, whole(left));
}

#[db_test(migrations = migrations)]
async fn bad_requests_and_strangers_change_nothing(db: Db) {
    let house = house(db).await;
    let steward = officer("steward", POLICE);
    let refused = async |starting: &Starting| {
        let error = act::start(&house.app, &steward, starting)
            .await
            .unwrap_err();
        findings(&error)
    };
    let mut bad = starting(true);
    bad.purpose = " ".into();
    bad.thresholds.link_from = 1.0;
    bad.thresholds.review_from = f64::NAN;
    assert_eq!(
        refused(&bad).await,
        [
            ("purpose".into(), "registry-match-purpose"),
            ("link_from".into(), "registry-match-threshold"),
            ("review_from".into(), "registry-match-threshold"),
        ]
    );
    let mut order = starting(false);
    order.thresholds = Thresholds {
        link_from: 0.5,
        review_from: 0.9,
    };
    let found = refused(&order).await;
    assert_eq!(found[0].1, "registry-match-threshold-order");
    let mut papers = starting(false);
    papers.registry = "papers".into();
    assert_eq!(refused(&papers).await[0].1, "registry-match-no-fields");
    let clerk = officer("clerk", CIVIL);
    let denied = act::start(&house.app, &clerk, &starting(false)).await;
    assert!(matches!(denied, Err(Error::Forbidden { .. })));
    let page = PageRequest::default();
    let runs = act::list_runs(&house.app, &steward, &page).await;
    assert_eq!(runs.unwrap().items.len(), 0);
    // An empty registry is compared, too.
    let run = act::start(&house.app, &steward, &starting(true))
        .await
        .unwrap();
    house.settle().await;
    let done = act::get_run(&house.app, &steward, &run).await.unwrap();
    assert_eq!((done.state.as_str(), done.records), ("done", 0));
}

#[db_test(migrations = migrations)]
async fn programs_compare_and_decide_through_the_doors(db: Db) {
    let house = house(db).await;
    a_city(&house).await;
    let steward = officer("steward", POLICE);
    let body = json!({"registry": "people", "purpose": "人口库查重"});
    let path = "/api/registry-matching/runs";
    let (status, started) = house.post(&steward, path, body.clone()).await;
    assert_eq!(status, 200, "{started}");
    let (status, _) = house.post(&officer("clerk", CIVIL), path, body).await;
    assert_eq!(status, 403);
    house.settle().await;
    let run = format!("{path}/{}", started["id"].as_str().unwrap());
    let (status, run) = house.get(&steward, &run).await;
    assert_eq!(
        (status, run["state"].as_str()),
        (200, Some("done")),
        "{run}"
    );
    assert_eq!(run["progress"], 1.0);
    assert!(run["model"]["levels"].as_array().unwrap().len() > 10);
    let path = "/api/registry-matching/pairs";
    let (_, open) = house
        .get(&steward, &format!("{path}?registry=people"))
        .await;
    let first = &open["items"][0];
    let pair = format!("{path}/{}", first["id"].as_str().unwrap());
    let (status, masked) = house.get(&steward, &pair).await;
    assert_eq!(status, 200, "{masked}");
    let name = masked["left_values"]["xm"].as_str().unwrap();
    assert!(name.contains('*'), "{name}");
    let sum = |detail: &Value| {
        let parts = detail["parts"].as_array().unwrap().iter();
        let parts = parts.map(|p| p["weight"].as_f64().unwrap() + p["rarity"].as_f64().unwrap());
        detail["prior"].as_f64().unwrap() + parts.sum::<f64>()
    };
    assert!((sum(&masked) - masked["weight"].as_f64().unwrap()).abs() < 0.001);
    let (status, _) = house.get(&steward, &format!("{pair}?unmask=true")).await;
    assert_eq!(status, 422, "whole values need a purpose");
    let decision = format!("{pair}/decision");
    let (status, refused) = house
        .post(
            &steward,
            &decision,
            json!({"verdict": "keep_left", "version": 1}),
        )
        .await;
    assert_eq!(status, 422, "{refused}");
    let later = json!({"verdict": "later", "version": 1});
    let (status, later) = house.post(&steward, &decision, later).await;
    assert_eq!((status, later["state"].as_str()), (200, Some("later")));
    let body = json!({"verdict": "keep_left", "version": 2, "reason": "电话核实"});
    let (status, same) = house.post(&steward, &decision, body).await;
    assert_eq!(
        (status, same["state"].as_str()),
        (200, Some("same")),
        "{same}"
    );
    assert!(same["merge"].is_string());
}

/// A second registry of people; answers the person of each key.
async fn residents(house: &House) -> HashMap<String, u64> {
    let mut declared = people();
    declared["$id"] = json!("residents");
    let declared = declared.to_string();
    house
        .db
        .write(move |tx| {
            let declared = declared.clone();
            async move { registry::install(&tx, &declared).await }
        })
        .await
        .unwrap();
    let mut csv = "gmsfhm,xm,xbdm,csrq,dh\n".to_owned();
    let mut persons = HashMap::new();
    let people = City::new(Settings {
        people: 500,
        seed: 2,
    })
    .flat_map(|h| h.people);
    for person in people.filter(|p| p.index % 5 == 1 && !p.phone.is_empty()) {
        // Somebody else's number: only name, birth and telephone say who it is.
        let number = citizen::build("650000", person.birth, 905).unwrap();
        if persons.contains_key(&number) {
            continue;
        }
        let (name, birth, phone) = (&person.name, person.birth, &person.phone);
        writeln!(csv, "{number},{name},{},{birth},{phone}", person.sex.code()).unwrap();
        persons.insert(number, person.index);
    }
    assert_eq!(
        deliver(house, "residents", &csv).await,
        whole(persons.len())
    );
    persons
}

#[db_test(migrations = migrations)]
async fn records_of_two_registries_are_linked_and_none_is_merged(db: Db) {
    let house = house(db).await;
    let persons = a_city(&house).await;
    let residents = residents(&house).await;
    let steward = officer("steward", POLICE);
    let between = |links_itself| Starting {
        other: Some("residents".into()),
        ..starting(links_itself)
    };
    let error = act::start(&house.app, &steward, &between(true)).await;
    assert_eq!(
        findings(&error.unwrap_err()),
        [("links_itself".into(), "registry-match-two-registries")]
    );
    let run = act::start(&house.app, &steward, &between(false))
        .await
        .unwrap();
    house.settle().await;
    let done = act::get_run(&house.app, &steward, &run).await.unwrap();
    assert_eq!((done.state.as_str(), done.linked), ("done", 0));
    assert_eq!(done.records, whole(persons.len() + residents.len()));
    let open = pairs(&house, PairState::Open).await;
    assert!(!open.is_empty());
    let mut found = BTreeSet::new();
    for pair in &open {
        assert_eq!(
            (pair.registry.as_str(), pair.other.as_str()),
            ("people", "residents")
        );
        let sides = act::open_pair(&house.app, &steward, &pair.id, "", false)
            .await
            .unwrap();
        let (left, right) = (sides.left.row.key, sides.right.row.key);
        if persons[&left] == residents[&right] {
            found.insert(right);
        }
    }
    let (found, all) = (found.len(), residents.len());
    assert!(found * 10 >= all * 9, "{found} of {all} found");
    let first = &open[0];
    let deciding = Deciding {
        verdict: Verdict::KeepLeft,
        version: first.version,
        reason: "电话核实".into(),
    };
    let same = act::decide(&house.app, &steward, &first.id, &deciding)
        .await
        .unwrap();
    assert_eq!((same.state.as_str(), same.merge), ("same", None));
    let left = house.view(&first.left_record, None, None).await.row;
    assert_eq!(left.merged_into, None);
}

async fn rename(house: &House, from: &str, to: &str) {
    let sql = format!("ALTER TABLE {from} RENAME TO {to}");
    house
        .db
        .write(move |tx| {
            let sql = sql.clone();
            async move {
                tx.execute_unprepared(&sql).await.unwrap();
                Ok(())
            }
        })
        .await
        .unwrap();
}

#[db_test(migrations = migrations)]
async fn a_comparison_that_is_given_up_lets_the_next_one_begin(db: Db, clock: Arc<ManualClock>) {
    let house = house(db).await;
    a_city(&house).await;
    let steward = officer("steward", POLICE);
    let start = async || act::start(&house.app, &steward, &starting(false)).await;
    let state = async |run: &str| {
        let run = act::get_run(&house.app, &steward, run).await;
        run.unwrap().state
    };
    let run = start().await.unwrap();
    let mut handlers = house.jobs.iter();
    let handler = handlers.find(|h| h.kind() == "registry.match.v1").unwrap();
    let attempt = |attempts| store::Job {
        id: "try".into(),
        kind: "registry.match.v1".into(),
        payload: json!({"run": run}),
        attempts,
        epoch: 1,
    };
    rename(&house, "registry_people", "people_away").await;
    let first = handler.run(&attempt(0)).await;
    assert!(
        matches!(first, Err(store::JobFailure::Retry(_))),
        "{first:?}"
    );
    assert_eq!(state(&run).await, "running");
    assert!(
        matches!(start().await, Err(Error::Refused(_))),
        "it is tried again"
    );
    // Its worker dies at each try, until nobody tries it any more.
    let worker = store::Worker::new(std::slice::from_ref(handler));
    for _ in 0..store::GIVE_UP_AFTER {
        assert_eq!(worker.claim(&house.db, 1).await.unwrap().len(), 1);
        clock.advance(chrono::Duration::minutes(2));
    }
    assert_eq!(state(&run).await, "running");
    assert_eq!(worker.run_due(&house.db).await.unwrap(), 1);
    let given_up = act::get_run(&house.app, &steward, &run).await.unwrap();
    assert_eq!(given_up.state, "failed");
    assert!(given_up.problem.contains("lease"), "{}", given_up.problem);
    rename(&house, "people_away", "registry_people").await;
    let next = start().await.unwrap();
    handler
        .run(&store::Job {
            payload: json!({"run": next}),
            ..attempt(0)
        })
        .await
        .unwrap();
    assert_eq!(state(&next).await, "done");
    // An operator tries the first one again.
    handler.run(&attempt(0)).await.unwrap();
    let done = act::get_run(&house.app, &steward, &run).await.unwrap();
    assert_eq!((done.state.as_str(), done.problem.as_str()), ("done", ""));
}
