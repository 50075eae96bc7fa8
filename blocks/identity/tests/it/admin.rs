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
async fn only_operators_see_the_users(db: Db, clock: Arc<ManualClock>) {
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
    assert_eq!(rest["items"][0]["login"], "operator");
    assert_eq!(rest["next"], json!(null));
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
    let mut operator = house.signed_in("operator").await;
    let mut clerk = house.signed_in("clerk").await;
    let id = id_of(&house, "clerk").await;
    clerk.get("/admin/users").await.is(403);
    let page = format!("/admin/users/{id}/posts");
    let fields = [("post", "operator"), ("org", ORG)];
    operator
        .post(&page, &fields)
        .await
        .leads_to(&format!("/admin/users/{id}?done=user"));
    clerk.get("/admin/users").await.is(200);
    operator
        .get(&format!("/admin/users/{id}"))
        .await
        .says("Operator")
        .says("示范政务服务局");
    operator
        .post(&page, &[fields[0], fields[1], ("remove", "true")])
        .await;
    clerk.get("/admin/users").await.is(403);
    operator
        .post(&page, &[("post", "king"), ("org", ORG)])
        .await
        .is(422)
        .says("no such post");
    operator
        .post(&page, &[("post", "clerk"), ("org", "x")])
        .await
        .is(422)
        .says("no such organisation");
    let citizen = id_of(&house, "zhang-jing").await;
    let reply = operator
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
