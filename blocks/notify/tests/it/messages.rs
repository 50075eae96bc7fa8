use std::sync::Arc;

use identity::event::PasswordChanged;
use kernel::ManualClock;
use notify::{Recipient, Settings};
use store::Db;

use crate::house::{FIRM, ZHANG, house, migrations};

#[store::db_test(migrations = migrations)]
async fn a_message_counts_in_the_head_until_it_is_read(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock, Settings::default()).await;
    let zhang = house.program("zhang-jing").await;
    zhang.get("/messages").await.is(200).says("No messages yet");
    house
        .send(Recipient::Party(house.party(ZHANG).await), "one")
        .await;
    // Messages of one millisecond have no order.
    house.clock.advance(chrono::Duration::seconds(1));
    house
        .send(Recipient::User(house.user("zhang-jing").await), "two")
        .await;
    let page = zhang.get("/messages").await;
    page.says("<span class=\"tb-count\">2</span>")
        .says("2 unread messages")
        .says("two");
    let inbox = zhang.get("/api/notify/messages?limit=1").await.json();
    assert_eq!(inbox["unread"], 2);
    assert_eq!(inbox["items"][0]["title"], "Access token made");
    assert!(inbox["items"][0]["body"].as_str().unwrap().contains("two"));
    let id = inbox["items"][0]["id"].as_str().unwrap();
    let opened = zhang.post(&format!("/messages/{id}/read"), "").await;
    assert_eq!((opened.status, &*opened.location), (303, "/mine"));
    zhang
        .get("/messages")
        .await
        .says("<span class=\"tb-count\">1</span>");
    let after = inbox["next"].as_str().unwrap();
    let rest = zhang
        .get(&format!("/api/notify/messages?limit=1&after={after}"))
        .await
        .json();
    assert_eq!(
        (&rest["next"], rest["items"].as_array().unwrap().len()),
        (&serde_json::Value::Null, 1)
    );
    zhang.post("/messages/read", "").await.is(303);
    assert!(
        !zhang
            .get("/messages")
            .await
            .is(200)
            .body
            .contains("tb-count")
    );
    let unread = zhang.get("/api/notify/messages?unread=true").await.json();
    assert_eq!(unread["items"].as_array().unwrap().len(), 0);
}

#[store::db_test(migrations = migrations)]
async fn a_firms_message_reaches_everybody_who_acts_for_it(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock, Settings::default()).await;
    house
        .send(Recipient::Party(house.party(FIRM).await), "one")
        .await;
    for login in ["zhang-jing", "li-ming"] {
        let inbox = house
            .program(login)
            .await
            .get("/api/notify/messages")
            .await
            .json();
        assert_eq!(inbox["items"].as_array().unwrap().len(), 1, "{login}");
    }
}

#[store::db_test(migrations = migrations)]
async fn nobody_reads_or_marks_anothers_message(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock, Settings::default()).await;
    house
        .send(Recipient::User(house.user("zhang-jing").await), "one")
        .await;
    let zhang = house.program("zhang-jing").await;
    let li = house.program("li-ming").await;
    let inbox = zhang.get("/api/notify/messages").await.json();
    let id = inbox["items"][0]["id"].as_str().unwrap();
    assert_eq!(li.get("/api/notify/messages").await.json()["unread"], 0);
    li.post(&format!("/api/notify/messages/{id}/read"), "")
        .await
        .is(404);
    li.post("/messages/nonsense/read", "").await.is(404);
    assert_eq!(zhang.get("/api/notify/messages").await.json()["unread"], 1);
    zhang
        .post(&format!("/api/notify/messages/{id}/read"), "")
        .await
        .is(204);
    zhang
        .post(&format!("/api/notify/messages/{id}/read"), "")
        .await
        .is(204);
    assert_eq!(zhang.get("/api/notify/messages").await.json()["unread"], 0);
}

#[store::db_test(migrations = migrations)]
async fn a_user_is_told_once_what_happened_to_her_account(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock, Settings::default()).await;
    let user = house.user("zhang-jing").await.to_string();
    house
        .db
        .write(move |tx| {
            let user = user.clone();
            async move {
                let actor = format!("user:{user}");
                tx.emit(&actor, &actor, &PasswordChanged { user })
            }
        })
        .await
        .unwrap();
    house.settle().await;
    house.settle().await;
    let inbox = house
        .program("zhang-jing")
        .await
        .get("/api/notify/messages")
        .await
        .json();
    assert_eq!(inbox["items"].as_array().unwrap().len(), 1);
    assert_eq!(inbox["items"][0]["key"], "notify-password-changed");
    assert_eq!(inbox["items"][0]["link"], "/account/security");
}

#[store::db_test(migrations = migrations)]
async fn where_mail_goes_is_not_for_programs_to_say(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock, Settings::default()).await;
    let zhang = house.program("zhang-jing").await;
    zhang.get("/messages/preferences").await.is(200);
    zhang
        .post(
            "/messages/preferences",
            "wants_mail=true&address=a%40b.cn&language=en",
        )
        .await
        .is(403);
    let body = r#"{"wants_mail":true,"address":"a@b.cn","language":"en"}"#;
    zhang
        .call("PUT", "/api/notify/preferences", "application/json", body)
        .await
        .is(403);
}
