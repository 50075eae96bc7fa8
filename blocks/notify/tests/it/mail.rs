//! Against aiosmtpd, a mail server that others wrote. Skipped, saying so, where no Python has it.

use std::{net::TcpListener, process::Stdio, sync::Arc};

use chrono::Duration;
use kernel::ManualClock;
use notify::{Recipient, Settings, Tls};
use store::Db;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::house::{House, ZHANG, house, migrations};

struct Sink {
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Sink {
    /// The next mail that the server took.
    async fn mail(&mut self) -> serde_json::Value {
        serde_json::from_str(&self.lines.next_line().await.unwrap().unwrap()).unwrap()
    }
}

fn python() -> Option<String> {
    let named = std::env::var("TONGBAN_TEST_PYTHON").ok();
    let usual = ["/usr/bin/python3".to_owned(), "python3".to_owned()];
    named.into_iter().chain(usual).find(|python| {
        let mut check = std::process::Command::new(python);
        check.args(["-c", "import aiosmtpd"]).stderr(Stdio::null());
        check.status().is_ok_and(|status| status.success())
    })
}

async fn sink(port: u16) -> Option<Sink> {
    let Some(python) = python() else {
        eprintln!("skipped: no python3 has aiosmtpd (Debian: python3-aiosmtpd)");
        return None;
    };
    let mut process = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/smtp/sink.py"))
        .arg(port.to_string())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "ready");
    Some(Sink {
        _process: process,
        lines,
    })
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn settings(port: u16) -> Settings {
    Settings {
        host: "127.0.0.1".into(),
        port,
        tls: Tls::None,
        from: "云港通办 <no-reply@yungang.example>".into(),
        ..Settings::default()
    }
}

async fn jobs(house: &House) -> (i64, i64) {
    let counts = store::job::count(&house.db).await.unwrap();
    (counts.waiting, counts.failed)
}

#[store::db_test(migrations = migrations)]
async fn mail_comes_in_the_readers_language(db: Db, clock: Arc<ManualClock>) {
    let port = free_port();
    let Some(mut sink) = sink(port).await else {
        return;
    };
    let house = house(db, clock, settings(port)).await;
    house
        .wants_mail("zhang-jing", "zhang@sample.example", "zh-CN")
        .await;
    house.wants_mail("li-ming", "li@sample.example", "en").await;
    house
        .send(
            Recipient::Party(house.party(ZHANG).await),
            "导出\r\nBcc: x@evil.example",
        )
        .await;
    house.settle().await;
    let mail = sink.mail().await;
    assert_eq!(mail["subject"], "新建了访问令牌");
    assert_eq!(
        mail["recipients"],
        serde_json::json!(["zhang@sample.example"])
    );
    assert_eq!(mail["from"], "云港通办 <no-reply@yungang.example>");
    let body = mail["body"].as_str().unwrap();
    assert!(
        body.contains("导出") && body.contains("http://127.0.0.1:8080/mine"),
        "{body}"
    );
    assert!(mail["id"].as_str().unwrap().ends_with("@yungang.example>"));
    house
        .send(Recipient::User(house.user("li-ming").await), "export")
        .await;
    house.settle().await;
    assert_eq!(sink.mail().await["subject"], "Access token made");
    assert_eq!(jobs(&house).await, (0, 0));
}

#[store::db_test(migrations = migrations)]
async fn mail_waits_until_the_server_is_back(db: Db, clock: Arc<ManualClock>) {
    let port = free_port();
    let house = house(db, clock, settings(port)).await;
    house
        .wants_mail("zhang-jing", "zhang@sample.example", "en")
        .await;
    house
        .send(Recipient::Party(house.party(ZHANG).await), "one")
        .await;
    house.settle().await;
    assert_eq!(jobs(&house).await, (1, 0));
    let Some(mut sink) = sink(port).await else {
        return;
    };
    house.clock.advance(Duration::minutes(5));
    house.settle().await;
    assert_eq!(sink.mail().await["subject"], "Access token made");
    assert_eq!(jobs(&house).await, (0, 0));
}

#[store::db_test(migrations = migrations)]
async fn a_mailbox_that_is_gone_is_not_tried_again(db: Db, clock: Arc<ManualClock>) {
    let port = free_port();
    let Some(_sink) = sink(port).await else {
        return;
    };
    let house = house(db, clock, settings(port)).await;
    house
        .wants_mail("zhang-jing", "gone@sample.example", "en")
        .await;
    house
        .wants_mail("li-ming", "later@sample.example", "en")
        .await;
    for login in ["zhang-jing", "li-ming"] {
        house
            .send(Recipient::User(house.user(login).await), "one")
            .await;
    }
    house.settle().await;
    assert_eq!(jobs(&house).await, (1, 1));
}

#[store::db_test(migrations = migrations)]
async fn nobody_gets_mail_who_did_not_ask_for_it(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock, settings(free_port())).await;
    house
        .send(Recipient::Party(house.party(ZHANG).await), "one")
        .await;
    assert_eq!(jobs(&house).await, (0, 0));
}

#[store::db_test(migrations = migrations)]
async fn an_address_gets_mail_once_its_owner_gave_back_the_code(db: Db, clock: Arc<ManualClock>) {
    let port = free_port();
    let Some(mut sink) = sink(port).await else {
        return;
    };
    let house = house(db, clock, settings(port)).await;
    let zhang = house.browser("zhang-jing").await;
    let form = "wants_mail=true&address=zhang%40sample.example&language=en";
    zhang
        .post(
            "/messages/preferences",
            "wants_mail=true&address=zhang&language=en",
        )
        .await
        .is(422)
        .says("value=\"zhang\"");
    zhang.post("/messages/preferences", form).await.is(303);
    house
        .send(Recipient::Party(house.party(ZHANG).await), "early")
        .await;
    house.settle().await;
    let mail = sink.mail().await;
    assert_eq!(mail["subject"], "Please confirm your address");
    let body = mail["body"].as_str().unwrap();
    let code = body.split("code is ").nth(1).unwrap().get(..6).unwrap();
    zhang
        .get("/messages/preferences")
        .await
        .is(200)
        .says("A code was sent");
    zhang
        .post("/messages/preferences/confirm", "code=x")
        .await
        .is(422)
        .says("code is wrong");
    zhang
        .post("/messages/preferences/confirm", &format!("code={code}"))
        .await
        .is(303);
    zhang
        .get("/messages/preferences")
        .await
        .says("Address confirmed");
    house
        .send(Recipient::Party(house.party(ZHANG).await), "late")
        .await;
    house.settle().await;
    let mail = sink.mail().await;
    assert!(mail["body"].as_str().unwrap().contains("late"), "{mail}");
    assert_eq!(jobs(&house).await, (0, 0));
}

#[store::db_test(migrations = migrations)]
async fn five_wrong_codes_are_enough(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock, settings(free_port())).await;
    let zhang = house.browser("zhang-jing").await;
    let form = "wants_mail=true&address=zhang%40sample.example&language=en";
    zhang.post("/messages/preferences", form).await.is(303);
    for _ in 0..5 {
        zhang
            .post("/messages/preferences/confirm", "code=x")
            .await
            .is(422)
            .says("code is wrong");
    }
    zhang
        .post("/messages/preferences/confirm", "code=x")
        .await
        .is(422)
        .says("too many wrong");
}

#[store::db_test(migrations = migrations)]
async fn without_a_mail_server_nobody_can_ask_for_mail(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock, Settings::default()).await;
    let zhang = house.browser("zhang-jing").await;
    let form = "wants_mail=true&address=zhang%40sample.example&language=en";
    zhang
        .post("/messages/preferences", form)
        .await
        .is(422)
        .says("has no mail server");
    zhang
        .post("/messages/preferences", "address=&language=en")
        .await
        .is(303);
}
