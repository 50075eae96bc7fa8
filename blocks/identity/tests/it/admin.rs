use std::sync::Arc;

use kernel::ManualClock;
use serde_json::json;
use store::Db;

use crate::house::{House, ORG, PASSWORD, house};

async fn id_of(house: &House, login: &str) -> String {
    let user = identity::directory::user_by_name(house.db.read(), login)
        .await
        .unwrap();
    user.unwrap().id.to_string()
}

#[store::db_test(migrations = identity::migrations)]
async fn only_administrators_see_the_users(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    house
        .browser()
        .get("/admin/users")
        .await
        .leads_to("/sign-in?next=%2Fadmin%2Fusers");
    house
        .signed_in("zhang-jing")
        .await
        .get("/admin/users")
        .await
        .is(403);
    house
        .signed_in("clerk")
        .await
        .get("/admin/users")
        .await
        .is(403);
    let mut operator = house.signed_in("operator").await;
    operator
        .get("/admin/users?q=zhang")
        .await
        .is(200)
        .says("zhang-jing");
    let first = operator
        .get("/api/identity/admin/users?limit=2")
        .await
        .json();
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let after = first["next"].as_str().unwrap();
    let rest = operator
        .get(&format!("/api/identity/admin/users?limit=2&after={after}"))
        .await
        .json();
    assert_eq!(rest["items"][1]["login"], "operator");
    let after = rest["next"].as_str().unwrap();
    let last = operator
        .get(&format!("/api/identity/admin/users?limit=2&after={after}"))
        .await
        .json();
    assert_eq!(last["next"], json!(null));
    operator
        .get("/admin/users?q=nobody-at-all")
        .await
        .says("No such users");
}

#[store::db_test(migrations = identity::migrations)]
async fn a_disabled_user_is_out_at_once_and_for_good(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let mut operator = house.signed_in("operator").await;
    let mut citizen = house.signed_in("zhang-jing").await;
    let token = identity::token::create(&house.db, "zhang-jing", "x", 9)
        .await
        .unwrap();
    let id = id_of(&house, "zhang-jing").await;
    let path = format!("/admin/users/{id}/disabled");
    operator
        .post(&path, &[("disabled", "true")])
        .await
        .leads_to(&format!("/admin/users/{id}?done=user"));
    citizen
        .get("/account")
        .await
        .leads_to("/sign-in?next=%2Faccount");
    house.program(&token).get("/api/identity/me").await.is(401);
    let right = [("login", "zhang-jing"), ("password", PASSWORD)];
    house
        .browser()
        .post("/sign-in", &right)
        .await
        .is(422)
        .says("account is disabled");
    operator
        .post(&path, &[("disabled", "false")])
        .await
        .leads_to(&format!("/admin/users/{id}?done=user"));
    house
        .browser()
        .post("/sign-in", &right)
        .await
        .leads_to("/mine");
    citizen
        .get("/account")
        .await
        .leads_to("/sign-in?next=%2Faccount");
    house.program(&token).get("/api/identity/me").await.is(401);
}

#[store::db_test(migrations = identity::migrations)]
async fn a_post_counts_and_is_lost_at_the_next_request(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let mut security = house.signed_in("security").await;
    let mut clerk = house.signed_in("clerk").await;
    let id = id_of(&house, "clerk").await;
    clerk.get("/admin/users").await.is(403);
    let page = format!("/admin/users/{id}/posts");
    let fields = [("post", "operator"), ("org", ORG)];
    security
        .post(&page, &fields)
        .await
        .leads_to(&format!("/admin/users/{id}?done=user"));
    clerk.get("/admin/users").await.is(200);
    security
        .get(&format!("/admin/users/{id}"))
        .await
        .says("System administrator")
        .says("示范政务服务局");
    security
        .post(&page, &[fields[0], fields[1], ("remove", "true")])
        .await;
    clerk.get("/admin/users").await.is(403);
    security
        .post(&page, &[("post", "king"), ("org", ORG)])
        .await
        .is(422)
        .says("no such post");
    security
        .post(&page, &[("post", "clerk"), ("org", "x")])
        .await
        .is(422)
        .says("no such organisation");
    let citizen = id_of(&house, "zhang-jing").await;
    let reply = security
        .post(&format!("/admin/users/{citizen}/posts"), &fields)
        .await;
    reply.is(422).says("cannot hold posts");
}

#[store::db_test(migrations = identity::migrations)]
async fn an_operator_makes_an_officer(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let mut operator = house.signed_in("operator").await;
    operator.get("/admin/users/new").await.is(200);
    let fields = [
        ("login", "new-officer"),
        ("name", "新人合成"),
        ("password", "First-pass-1"),
    ];
    operator.post("/admin/users", &fields).await.is(303);
    operator
        .post("/admin/users", &fields)
        .await
        .is(422)
        .says("user name is taken");
    let reply = house
        .browser()
        .post(
            "/sign-in",
            &[("login", "new-officer"), ("password", "First-pass-1")],
        )
        .await;
    reply.leads_to("/work");
    let organisations = operator
        .get("/api/identity/organisations?region=320000")
        .await
        .json();
    assert_eq!(organisations[0]["code"], ORG);
    house
        .browser()
        .get("/api/identity/organisations")
        .await
        .is(401);
}

#[store::db_test(migrations = identity::migrations)]
async fn no_administrator_does_what_another_does(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let clerk = id_of(&house, "clerk").await;
    let posts = format!("/admin/users/{clerk}/posts");
    let disabled = format!("/admin/users/{clerk}/disabled");
    let sessions = format!("/admin/users/{clerk}/sessions/end");
    let new = [
        ("login", "third-officer"),
        ("name", "合成三"),
        ("password", "First-pass-1"),
    ];
    let post = [("post", "examiner"), ("org", ORG)];
    // List, make, disable, give a post, end sessions, read the log.
    for (login, may) in [
        ("operator", [true, true, true, false, false, false]),
        ("security", [true, false, false, true, true, false]),
        ("auditor", [false, false, false, false, false, true]),
        ("clerk", [false; 6]),
    ] {
        let mut browser = house.signed_in(login).await;
        let answers = [
            browser.get("/admin/users").await.status,
            browser.post("/admin/users", &new).await.status,
            browser
                .post(&disabled, &[("disabled", "false")])
                .await
                .status,
            browser.post(&posts, &post).await.status,
            browser.post(&sessions, &[]).await.status,
            browser.get("/admin/audit").await.status,
        ];
        assert_eq!(answers.map(|status| status.as_u16() != 403), may, "{login}");
    }
}

#[store::db_test(migrations = identity::migrations)]
async fn nobody_holds_two_administrators_posts(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let mut security = house.signed_in("security").await;
    for (login, post, words) in [
        ("operator", "auditor", "kept apart"),
        ("auditor", "security", "kept apart"),
        ("security", "clerk", "his own posts"),
    ] {
        let path = format!("/admin/users/{}/posts", id_of(&house, login).await);
        let reply = security.post(&path, &[("post", post), ("org", ORG)]).await;
        reply.is(422).says(words);
    }
    // Two posts that came by another way, as by a pack, count for nothing.
    let seed = identity::load::OfficerSeed {
        login: "operator".into(),
        name: "合成operator".into(),
        posts: vec![
            ("operator".into(), ORG.into()),
            ("auditor".into(), ORG.into()),
        ],
    };
    house
        .db
        .write(move |tx| {
            let seed = seed.clone();
            async move { identity::load::officer(&tx, &seed, "").await }
        })
        .await
        .unwrap();
    let mut both = house.signed_in("operator").await;
    both.get("/admin/audit").await.is(403);
    both.get("/admin/users/new").await.is(403);
}

#[store::db_test(migrations = identity::migrations)]
async fn sessions_end_at_once_and_the_auditor_sees_who_ended_them(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let mut clerk = house.signed_in("clerk").await;
    let mut security = house.signed_in("security").await;
    let id = id_of(&house, "clerk").await;
    security
        .post(&format!("/admin/users/{id}/sessions/end"), &[])
        .await
        .is(303);
    clerk
        .get("/account")
        .await
        .leads_to("/sign-in?next=%2Faccount");
    store::work::settle(&house.db, &[], &[]).await.unwrap();
    let mut auditor = house.signed_in("auditor").await;
    auditor
        .get("/admin/audit?kind=identity.sessions")
        .await
        .is(200)
        .says("identity.sessions_ended.v1");
    let page = auditor
        .get(&format!(
            "/api/identity/admin/events?subject=user:{id}&limit=1"
        ))
        .await
        .json();
    assert_eq!(page["items"][0]["kind"], "identity.sessions_ended.v1");
    let actor = id_of(&house, "security").await;
    assert_eq!(page["items"][0]["actor"], format!("user:{actor}"));
    assert!(page["next"].is_string());
}

#[store::db_test(migrations = identity::migrations)]
async fn the_directory_tells_who_is_above(db: Db, _clock: Arc<ManualClock>) {
    for (code, parent) in [("A", None), ("B", Some("A")), ("C", Some("B")), ("D", None)] {
        let seed = identity::load::OrganisationSeed {
            code: code.into(),
            parent: parent.map(str::to_owned),
            region: "321000".into(),
            ..identity::load::OrganisationSeed::default()
        };
        db.write(move |tx| {
            let seed = seed.clone();
            async move { identity::load::organisation(&tx, &seed).await.map(drop) }
        })
        .await
        .unwrap();
    }
    for (code, above) in [
        ("A", vec![]),
        ("B", vec!["A"]),
        ("C", vec!["B", "A"]),
        ("nobody", vec!["A", "D"]),
    ] {
        let found = identity::directory::above(db.read(), code).await.unwrap();
        assert_eq!(found, above, "{code}");
    }
}
