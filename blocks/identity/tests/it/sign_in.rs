use std::sync::Arc;

use chrono::Duration;
use identity::{Settings, second_factor::code_at, sign_in::local_path};
use kernel::{Clock, ManualClock};
use serde_json::json;
use store::Db;

use crate::house::{House, PASSWORD, ZHANG, house, house_with};

#[store::db_test(migrations = identity::migrations)]
async fn a_citizen_signs_in_and_comes_back_to_where_she_was(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let mut browser = house.browser();
    browser
        .get("/account")
        .await
        .leads_to("/sign-in?next=%2Faccount");
    browser
        .get("/sign-in?next=%2Fapply%2F1")
        .await
        .is(200)
        .says("value=\"/apply/1\"");
    let fields = [
        ("login", "Zhang-Jing "),
        ("password", PASSWORD),
        ("next", "/apply/1?x=1"),
    ];
    let reply = browser.post("/sign-in", &fields).await;
    reply.leads_to("/apply/1?x=1");
    let cookie = reply.cookie.unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    browser
        .get("/account")
        .await
        .is(200)
        .says("张静合成")
        .says("320000********0039");
    assert_eq!(
        house.events().await.last().unwrap(),
        "identity.signed_in.v1"
    );
}

#[store::db_test(migrations = identity::migrations)]
async fn a_citizen_number_signs_in_too(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let reply = house
        .browser()
        .post("/sign-in", &[("login", ZHANG), ("password", PASSWORD)])
        .await;
    reply.leads_to("/mine");
}

#[store::db_test(migrations = identity::migrations)]
async fn an_unknown_name_and_a_wrong_password_get_the_same_answer(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let mut browser = house.browser();
    let wrong = browser
        .post(
            "/sign-in",
            &[("login", "zhang-jing"), ("password", "wrong")],
        )
        .await;
    wrong
        .is(422)
        .says("User name or password is wrong")
        .says("value=\"zhang-jing\"");
    assert!(!wrong.body.contains("value=\"wrong\""));
    let unknown = browser
        .post("/sign-in", &[("login", "nobody"), ("password", "wrong")])
        .await;
    unknown.is(422).says("User name or password is wrong");
    assert_eq!(
        house.events().await[house.events().await.len() - 2..],
        ["identity.sign_in_failed.v1"; 2]
    );
}

async fn fail(house: &House, login: &str, times: usize) {
    for _ in 0..times {
        let fields = [("login", login), ("password", "wrong")];
        house.browser().post("/sign-in", &fields).await.is(422);
    }
}

#[store::db_test(migrations = identity::migrations)]
async fn five_failures_lock_an_account_for_longer_and_longer(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let right = [("login", "zhang-jing"), ("password", PASSWORD)];
    fail(&house, "zhang-jing", 5).await;
    house
        .browser()
        .post("/sign-in", &right)
        .await
        .says("Too many errors");
    house.clock.advance(Duration::seconds(31));
    fail(&house, "zhang-jing", 1).await;
    house.clock.advance(Duration::seconds(31));
    house
        .browser()
        .post("/sign-in", &right)
        .await
        .says("Too many errors");
    house.clock.advance(Duration::seconds(30));
    house
        .browser()
        .post("/sign-in", &right)
        .await
        .leads_to("/mine");
    fail(&house, "zhang-jing", 4).await;
    house
        .browser()
        .post("/sign-in", &right)
        .await
        .leads_to("/mine");
}

#[store::db_test(migrations = identity::migrations)]
async fn a_name_that_does_not_exist_is_locked_like_one_that_does(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    fail(&house, "nobody", 5).await;
    let reply = house
        .browser()
        .post("/sign-in", &[("login", "nobody"), ("password", "x")])
        .await;
    reply.says("Too many errors");
}

#[store::db_test(migrations = identity::migrations)]
async fn guesses_made_at_once_count_like_guesses_in_turn(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let guesses = (0..12).map(|_| async {
        let fields = [("login", "zhang-jing"), ("password", "wrong")];
        let reply = house.browser().post("/sign-in", &fields).await;
        reply.body.contains("User name or password is wrong")
    });
    let judged = futures::future::join_all(guesses).await;
    assert_eq!(judged.iter().filter(|is_judged| **is_judged).count(), 5);
}

#[store::db_test(migrations = identity::migrations)]
async fn strangers_of_unknown_address_do_not_lock_each_other_out(db: Db, clock: Arc<ManualClock>) {
    let settings = Settings {
        address_failures: 3,
        ..Settings::default()
    };
    let house = house_with(db, clock, settings).await;
    for name in ["a", "b", "c", "d"] {
        fail(&house, name, 1).await;
    }
    house.signed_in("zhang-jing").await;
}

#[store::db_test(migrations = identity::migrations)]
async fn an_address_that_tries_many_names_is_locked(db: Db, clock: Arc<ManualClock>) {
    let settings = Settings {
        address_failures: 3,
        address_header: "x-real-ip".into(),
        ..Settings::default()
    };
    let house = house_with(db, clock, settings).await;
    for name in ["a", "b", "c"] {
        fail(&house, name, 1).await;
    }
    let right = [("login", "zhang-jing"), ("password", PASSWORD)];
    house
        .browser()
        .post("/sign-in", &right)
        .await
        .says("Too many errors");
}

#[store::db_test(migrations = identity::migrations)]
async fn a_session_ends_when_idle_and_when_old(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let mut citizen = house.signed_in("zhang-jing").await;
    let mut clerk = house.signed_in("clerk").await;
    house.clock.advance(Duration::minutes(11));
    citizen.get("/account").await.is(200);
    clerk
        .get("/account")
        .await
        .leads_to("/sign-in?next=%2Faccount");
    house.clock.advance(Duration::minutes(31));
    citizen
        .get("/account")
        .await
        .leads_to("/sign-in?next=%2Faccount");

    let mut busy = house.signed_in("zhang-jing").await;
    for _ in 0..19 {
        house.clock.advance(Duration::minutes(25));
        busy.get("/account").await.is(200);
    }
    house.clock.advance(Duration::minutes(25));
    busy.get("/account")
        .await
        .leads_to("/sign-in?next=%2Faccount");
}

#[store::db_test(migrations = identity::migrations)]
async fn signing_in_again_changes_the_secret_and_ends_the_old_one(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let mut browser = house.signed_in("zhang-jing").await;
    let old = browser.cookie.clone();
    browser
        .post(
            "/sign-in",
            &[("login", "zhang-jing"), ("password", PASSWORD)],
        )
        .await
        .leads_to("/mine");
    assert_ne!(browser.cookie, old);
    browser.get("/account").await.is(200);
    let mut thief = house.browser();
    thief.cookie = old;
    thief
        .get("/account")
        .await
        .leads_to("/sign-in?next=%2Faccount");
}

#[store::db_test(migrations = identity::migrations)]
async fn signing_out_ends_the_session_itself_and_not_only_the_cookie(
    db: Db,
    clock: Arc<ManualClock>,
) {
    let house = house(db, clock).await;
    let mut browser = house.signed_in("zhang-jing").await;
    let old = browser.cookie.clone();
    browser.post("/sign-out", &[]).await.leads_to("/");
    browser.cookie = old;
    browser
        .get("/account")
        .await
        .leads_to("/sign-in?next=%2Faccount");
    assert_eq!(
        house.events().await.last().unwrap(),
        "identity.session_ended.v1"
    );
}

#[store::db_test(migrations = identity::migrations)]
async fn a_second_factor_is_asked_once_it_is_on(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let mut browser = house.signed_in("zhang-jing").await;
    browser
        .post("/account/second-factor", &[])
        .await
        .leads_to("/account/security#second-factor");
    let page = browser.get("/account/security").await;
    page.says("<svg").says("Confirm");
    let secret = page
        .body
        .split("<code class=\"tb-code\">")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap()
        .to_owned();
    let code = || code_at(&secret, house.clock.now()).unwrap();
    browser
        .post("/account/second-factor/confirm", &[("code", "000000")])
        .await
        .is(422)
        .says("<svg");
    browser
        .post("/account/second-factor/confirm", &[("code", &code())])
        .await
        .leads_to("/account/security?done=factor");

    let mut other = house.browser();
    let fields = [
        ("login", "zhang-jing"),
        ("password", PASSWORD),
        ("next", "/account"),
    ];
    other
        .post("/sign-in", &fields)
        .await
        .leads_to("/sign-in/code?next=%2Faccount");
    other
        .get("/account")
        .await
        .leads_to("/sign-in?next=%2Faccount");
    let spent = code();
    other
        .post("/sign-in/code", &[("code", &spent)])
        .await
        .is(422)
        .says("used before");
    house.clock.advance(Duration::seconds(30));
    other
        .post("/sign-in/code", &[("code", &code()), ("next", "/account")])
        .await
        .leads_to("/account");
    other.get("/account").await.is(200);

    house.clock.advance(Duration::seconds(30));
    let removal = code();
    let fields = [("password", "wrong"), ("code", &*removal)];
    other
        .post("/account/second-factor/remove", &fields)
        .await
        .is(422);
    let fields = [("password", PASSWORD), ("code", &*removal)];
    other
        .post("/account/second-factor/remove", &fields)
        .await
        .leads_to("/account/security?done=factor-removed");
    house
        .signed_in("zhang-jing")
        .await
        .get("/account")
        .await
        .is(200);
}

#[store::db_test(migrations = identity::migrations)]
async fn the_code_must_come_within_five_minutes(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let mut browser = house.signed_in("zhang-jing").await;
    let secret = browser
        .call("POST", "/api/identity/second-factor", json!({}))
        .await
        .json();
    let secret = secret["secret"].as_str().unwrap().to_owned();
    let code = code_at(&secret, house.clock.now()).unwrap();
    browser
        .call(
            "PUT",
            "/api/identity/second-factor",
            json!({ "code": code }),
        )
        .await
        .is(204);
    let mut other = house.browser();
    other
        .post(
            "/sign-in",
            &[("login", "zhang-jing"), ("password", PASSWORD)],
        )
        .await;
    house.clock.advance(Duration::minutes(6));
    let code = code_at(&secret, house.clock.now()).unwrap();
    other
        .post("/sign-in/code", &[("code", &code)])
        .await
        .is(422)
        .says("took too long");
    let body = json!({ "login": "zhang-jing", "password": PASSWORD, "code": code });
    let reply = other.call("POST", "/api/identity/sessions", body).await;
    assert_eq!(
        reply.is(201).json(),
        json!({ "code_needed": false, "second_factor_needed": false })
    );
}

#[store::db_test(migrations = identity::migrations)]
async fn an_officer_without_second_factor_has_no_posts(db: Db, clock: Arc<ManualClock>) {
    let house = house_with(db, clock, Settings::default()).await;
    let mut operator = house.browser();
    let fields = [("login", "operator"), ("password", PASSWORD)];
    operator
        .post("/sign-in", &fields)
        .await
        .leads_to("/account/security");
    operator
        .get("/account/security")
        .await
        .is(200)
        .says("posts count only after");
    operator.get("/admin/users").await.is(403);
    let secret = operator
        .call("POST", "/api/identity/second-factor", json!({}))
        .await
        .json();
    let secret = secret["secret"].as_str().unwrap().to_owned();
    let code = code_at(&secret, house.clock.now()).unwrap();
    operator
        .post("/account/second-factor/confirm", &[("code", &code)])
        .await;
    operator
        .get("/admin/users")
        .await
        .is(200)
        .says("zhang-jing")
        .says("张**成");
}

#[test]
fn one_returns_only_to_this_server() {
    for (next, expected) in [
        ("/mine", "/mine"),
        ("/apply/1?step=2", "/apply/1?step=2"),
        ("", "/"),
        ("mine", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("/sign-out", "/"),
    ] {
        assert_eq!(local_path(next), expected, "{next}");
    }
}
