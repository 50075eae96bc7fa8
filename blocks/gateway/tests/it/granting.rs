//! Who may call, how often, until when.

use std::sync::{Arc, atomic::Ordering};

use axum::{body::Body, http::Request};
use chrono::Duration;
use gateway::{
    grant::{self, State},
    resource,
};
use kernel::ManualClock;
use serde_json::json;
use store::{Db, db_test};

use crate::house::{CITY, CIVIL, House, POLICE, granting, migrations, officer, registering};

const PATH: &str = "/api/gateway/persons/persons/7";

#[db_test(migrations = migrations)]
async fn nobody_calls_without_a_grant_that_holds(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let provider = house.provider().await;
    house.register(|_| {}).await;
    let rule = async || {
        let answer = house.get(PATH).await;
        (answer.status, answer.rule())
    };
    let refused = |key: &str| (403, key.to_owned());
    assert_eq!(rule().await, refused("gateway-grant-none"));

    // For another operation.
    house
        .grant(|asked| asked.operations = vec!["POST /echo".into()])
        .await;
    assert_eq!(rule().await, refused("gateway-grant-none"));

    // One that ends today holds today.
    let today = kernel::clock::local_date(chrono::Utc::now());
    let grant = house.grant(|asked| asked.expires_on = Some(today)).await;
    assert_eq!(rule().await.0, 200);

    // Suspended and withdrawn, from the next call on.
    let steward = officer("steward", POLICE);
    let set = async |state| {
        grant::set_state(&house.app, &steward, &grant.id, state)
            .await
            .unwrap();
    };
    set(State::Suspended).await;
    assert_eq!(rule().await, refused("gateway-grant-suspended"));
    set(State::Active).await;
    assert_eq!(rule().await.0, 200);

    // The whole interface.
    let open = async |state| {
        resource::set_state(&house.app, &steward, "persons", state)
            .await
            .unwrap();
    };
    open(resource::State::Suspended).await;
    assert_eq!(rule().await, (503, "gateway-resource-closed".into()));
    open(resource::State::Open).await;

    // Its last day is over.
    clock.advance(Duration::days(1));
    assert_eq!(rule().await, refused("gateway-grant-expired"));
    clock.advance(-Duration::days(1));
    set(State::Withdrawn).await;
    assert_eq!(rule().await, refused("gateway-grant-none"));
    let again = grant::set_state(&house.app, &steward, &grant.id, State::Active).await;
    assert!(again.is_err());
    assert_eq!(provider.api.calls.load(Ordering::SeqCst), 2);
}

#[db_test(migrations = migrations)]
async fn a_quota_and_a_rate_tell_when_to_come_back(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db.clone(), &clock).await;
    let _provider = house.provider().await;
    house.register(|_| {}).await;
    let grant = house.grant(|asked| asked.quota_per_day = 2).await;
    assert_eq!(house.get(PATH).await.status, 200);
    assert_eq!(house.get(PATH).await.status, 200);
    let answer = house.get(PATH).await;
    assert_eq!(
        (answer.status, answer.rule().as_str()),
        (429, "gateway-over-quota")
    );
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=86_400).contains(&seconds), "{seconds}");
    grant::set_state(
        &house.app,
        &officer("steward", POLICE),
        &grant.id,
        State::Withdrawn,
    )
    .await
    .unwrap();
    house.grant(|asked| asked.rate_per_second = 1).await;
    assert_eq!(house.get(PATH).await.status, 200);
    let answer = house.get(PATH).await;
    assert_eq!(
        (answer.status, answer.rule().as_str()),
        (429, "gateway-over-rate")
    );
    assert_eq!(answer.header("retry-after"), "1");
}

#[db_test(migrations = migrations)]
async fn a_quota_is_remembered_over_a_restart(db: Db, clock: Arc<ManualClock>) {
    let first = House::open(db.clone(), &clock).await;
    let provider = first.provider().await;
    first.register(|_| {}).await;
    first.grant(|asked| asked.quota_per_day = 1).await;
    assert_eq!(first.get(PATH).await.status, 200);
    drop((provider, first));
    // Another process on the same database; its node is away, which is told after the grant.
    let second = House::open(db, &clock).await;
    let _again = second.provider().await;
    assert_eq!(second.get(PATH).await.rule(), "gateway-over-quota");
}

#[db_test(migrations = migrations)]
async fn a_number_of_the_callers_own_counts_once(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let provider = house.ready().await;
    let number = "019c8f2e-0000-7000-8000-000000000009";
    let ask = async |number: &str| {
        let request = Request::get(PATH)
            .header("tongban-call", number)
            .body(Body::empty())
            .unwrap();
        house.ask(&officer("examiner", CIVIL), request).await
    };
    let answer = ask(number).await;
    assert_eq!(
        (answer.status, answer.header("tongban-call")),
        (200, number)
    );
    let answer = ask(number).await;
    assert_eq!(
        (answer.status, answer.rule().as_str()),
        (409, "gateway-replayed")
    );
    assert_eq!(ask("seven").await.status, 422);
    assert_eq!(provider.api.calls.load(Ordering::SeqCst), 1);
}

#[db_test(migrations = migrations)]
async fn a_call_that_had_to_wait_keeps_its_number(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let provider = house.provider().await;
    house.register(|_| {}).await;
    let grant = house.grant(|asked| asked.quota_per_day = 1).await;
    let number = "019c8f2e-0000-7000-8000-000000000010";
    let ask = async || {
        let request = Request::get(PATH)
            .header("tongban-call", number)
            .body(Body::empty())
            .unwrap();
        house.ask(&officer("examiner", CIVIL), request).await
    };
    assert_eq!(house.get(PATH).await.status, 200);
    assert_eq!(ask().await.rule(), "gateway-over-quota");
    assert_eq!(ask().await.rule(), "gateway-over-quota");
    let steward = officer("steward", POLICE);
    grant::set_state(&house.app, &steward, &grant.id, State::Withdrawn)
        .await
        .unwrap();
    house.grant(|_| {}).await;
    let answer = ask().await;
    assert_eq!(
        (answer.status, answer.header("tongban-call")),
        (200, number)
    );
    assert_eq!(provider.api.calls.load(Ordering::SeqCst), 2);
    assert_eq!(ask().await.rule(), "gateway-replayed");
}

#[db_test(migrations = migrations)]
async fn bad_input_is_told_field_by_field(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    house.enrol("police-1", POLICE).await;
    house.enrol("civil-1", CIVIL).await;
    let steward = officer("steward", POLICE);
    let findings = |error: kernel::Error| match error {
        kernel::Error::Invalid(findings) => findings
            .into_iter()
            .map(|finding| (finding.field, finding.text.key))
            .collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let mut asked = registering();
    asked.code = "a b".into();
    asked.title = " ".into();
    asked.node = "civil-1".into();
    asked.document = Some(json!("openapi: 3.0.0"));
    asked.timeout_seconds = 600;
    asked.request_limit = 0;
    let error = resource::register(&house.app, &steward, &asked).await;
    let found = findings(error.unwrap_err());
    let keys: Vec<_> = found.iter().map(|(_, key)| *key).collect();
    assert_eq!(
        keys,
        [
            "gateway-code",
            "gateway-title-missing",
            "gateway-limit",
            "gateway-timeout",
            "gateway-node-foreign",
            "gateway-openapi-paths"
        ]
    );
    house.register(|_| {}).await;
    let mut asked = granting();
    asked.purpose = String::new();
    asked.operations = vec!["GET /nothing".into()];
    asked.quota_per_day = -1;
    let error = grant::grant(&house.app, &steward, &asked).await;
    let keys: Vec<_> = findings(error.unwrap_err())
        .into_iter()
        .map(|f| f.1)
        .collect();
    assert_eq!(
        keys,
        [
            "gateway-purpose-missing",
            "gateway-operation-unknown",
            "gateway-number"
        ]
    );
    // Only who may; a steward elsewhere is none here.
    let other = officer("steward", CIVIL);
    let refused = grant::grant(&house.app, &other, &granting()).await;
    assert!(matches!(refused, Err(kernel::Error::Forbidden { .. })));
    let refused = resource::register(&house.app, &other, &registering()).await;
    assert!(matches!(refused, Err(kernel::Error::Forbidden { .. })));
    let closed = resource::State::Suspended;
    let refused = resource::set_state(&house.app, &other, "persons", closed).await;
    assert!(matches!(refused, Err(kernel::Error::Forbidden { .. })));
    let clerk = officer("clerk", CIVIL);
    let refused = grant::grant(&house.app, &clerk, &granting()).await;
    assert!(matches!(refused, Err(kernel::Error::Forbidden { .. })));
    let refused = resource::register(&house.app, &clerk, &registering()).await;
    assert!(matches!(refused, Err(kernel::Error::Forbidden { .. })));
}

/// Waits until a resource has so many rows of refused calls: they are counted after the answers.
async fn refused(
    house: &House,
    actor: &identity::Actor,
    rows: usize,
) -> Vec<(String, String, i64)> {
    let page = store::page::PageRequest::new(None, None);
    let mut found = Vec::new();
    for _ in 0..300 {
        let all = gateway::refused::list(&house.app, actor, "persons", &page);
        found = all.await.unwrap().items;
        if found.len() == rows {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(found.iter().all(|one| one.first_at <= one.last_at));
    let line = |one: gateway::refused::Refused| (one.consumer, one.rule, one.calls);
    found.into_iter().map(line).collect()
}

#[db_test(migrations = migrations)]
async fn refused_calls_are_counted_by_caller_and_rule(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db.clone(), &clock).await;
    let _provider = house.provider().await;
    house.register(|asked| asked.request_limit = 1 << 20).await;
    let police = officer("examiner", POLICE);
    let row = |org: &str, rule: &str, calls| (org.to_owned(), rule.to_owned(), calls);
    for _ in 0..30 {
        assert_eq!(house.get(PATH).await.status, 403);
    }
    let found = refused(&house, &police, 1).await;
    assert_eq!(found[0].1, "gateway-grant-none");
    house.grant(|asked| asked.quota_per_day = 1).await;
    assert_eq!(house.get(PATH).await.status, 200);
    for (path, rule) in [
        (PATH, "gateway-over-quota"),
        ("/api/gateway/persons/nothing", "gateway-path-unknown"),
        ("/api/gateway/persons/echo", "gateway-method-other"),
    ] {
        assert_eq!(house.get(path).await.rule(), rule);
    }
    let caller = officer("examiner", CIVIL);
    let large = Request::post("/api/gateway/persons/echo").header("content-length", (1 << 20) + 1);
    let large = large.body(Body::from(vec![0; (1 << 20) + 1])).unwrap();
    assert_eq!(house.ask(&caller, large).await.rule(), "gateway-too-large");
    // A number that is none, an interface that is none, and a citizen: only the first is a refusal
    // of somebody's call here.
    let request = Request::get(PATH).header("tongban-call", "seven");
    let answer = house
        .ask(&caller, request.body(Body::empty()).unwrap())
        .await;
    assert_eq!(answer.status, 422);
    assert_eq!(house.get("/api/gateway/nothing/x").await.status, 404);
    let mut citizen = caller.clone();
    citizen.posts.clear();
    let request = Request::get(PATH).body(Body::empty()).unwrap();
    assert_eq!(house.ask(&citizen, request).await.status, 403);

    let all = [
        row(CIVIL, "gateway-call-number", 1),
        row(CIVIL, "gateway-grant-none", 30),
        row(CIVIL, "gateway-method-other", 1),
        row(CIVIL, "gateway-over-quota", 1),
        row(CIVIL, "gateway-path-unknown", 1),
        row(CIVIL, "gateway-too-large", 1),
    ];
    assert_eq!(refused(&house, &police, 6).await, all);
    assert_eq!(refused(&house, &caller, 6).await, all);
    // What was let in is in the log of calls, and nothing else is.
    assert_eq!(house.log().await, [("answered".to_owned(), 200)]);
    // Other callers see their own, which are none yet; the provider sees theirs as well.
    let other = officer("examiner", CITY);
    assert_eq!(refused(&house, &other, 0).await, []);
    let request = Request::get(PATH).body(Body::empty()).unwrap();
    assert_eq!(house.ask(&other, request).await.status, 403);
    let own = row(CITY, "gateway-grant-none", 1);
    assert_eq!(refused(&house, &other, 1).await, std::slice::from_ref(&own));
    assert!(refused(&house, &police, 7).await.contains(&own));
    // By the door for programs, page by page; another day's are rows of their own.
    clock.advance(Duration::days(1));
    house
        .ask(&other, Request::get(PATH).body(Body::empty()).unwrap())
        .await;
    refused(&house, &police, 8).await;
    let page = store::page::PageRequest::new(None, Some(5));
    let first = gateway::refused::list(&house.app, &police, "persons", &page);
    let first = first.await.unwrap();
    assert_eq!(first.items[0].consumer, CITY);
    let path = "/api/sharing/resources/persons/refused";
    let after = percent_encoding::utf8_percent_encode(
        first.next.as_deref().unwrap(),
        percent_encoding::NON_ALPHANUMERIC,
    );
    let request = Request::get(format!("{path}?after={after}"));
    let rest = house
        .ask(&police, request.body(Body::empty()).unwrap())
        .await
        .json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 3, "{rest}");
    // They are kept as long as the log.
    clock.advance(Duration::days(366));
    let prune: Arc<dyn store::Handler> = Arc::new(gateway::job::PruneHandler(house.app.clone()));
    let worker = store::Worker::new(&[prune]);
    assert_eq!(worker.run_due(&db).await.unwrap(), 1);
    assert_eq!(refused(&house, &police, 0).await, []);
}
