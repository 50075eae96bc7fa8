use std::sync::Arc;

use identity::{directory, password};
use kernel::ManualClock;
use serde_json::json;
use store::Db;

use crate::house::{FIRM, LI, ORG, PASSWORD, ZHANG, house};

const NEW_PERSON: &str = "32000019900101008X";

fn registration<'a>(code: &'a str, name: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("login", "new-person"),
        ("name", name),
        ("code", code),
        ("phone", "13900139000"),
        ("password", "Long-enough-9"),
        ("repeat", "Long-enough-9"),
    ]
}

#[store::db_test(migrations = identity::migrations)]
async fn a_person_registers_and_signs_in(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let mut browser = house.browser();
    browser
        .post("/register", &registration(NEW_PERSON, "王新合成"))
        .await
        .leads_to("/sign-in?new=1");
    let fields = [("login", "new-person"), ("password", "Long-enough-9")];
    browser.post("/sign-in", &fields).await.leads_to("/mine");
    let me = browser.get("/api/identity/me").await.json();
    assert_eq!(
        (&me["kind"], &me["assurance"]),
        (&json!("citizen"), &json!(1))
    );
    assert_eq!(me["own"]["phone"], "139****9000");
    // The base learns of her; the account follows.
    let refused = browser.post("/account/verify", &[]).await;
    refused.is(422).says("does not have this citizen number");
    house
        .db
        .write(|tx| async move {
            let seed = identity::load::CitizenSeed {
                code: NEW_PERSON.into(),
                name: "王新合成".into(),
                ..Default::default()
            };
            identity::load::citizen(&tx, &seed, "").await.map(drop)
        })
        .await
        .unwrap();
    browser
        .post("/account/verify", &[])
        .await
        .leads_to("/account?done=verified");
    assert_eq!(browser.get("/api/identity/me").await.json()["assurance"], 2);
}

#[store::db_test(migrations = identity::migrations)]
async fn a_bad_registration_comes_back_with_every_fault(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let fields = [
        ("login", "1"),
        ("name", "王"),
        ("code", "320000199001010013"),
        ("phone", "123"),
        ("password", "short"),
        ("repeat", "short"),
    ];
    let reply = house.browser().post("/register", &fields).await;
    reply.is(422).says("value=\"320000199001010013\"");
    for field in ["login", "name", "code", "phone", "password"] {
        reply.says(&format!("href=\"#{field}\""));
    }
    let mut differs = registration(NEW_PERSON, "王新合成");
    differs[5] = ("repeat", "Other-enough-9");
    house
        .browser()
        .post("/register", &differs)
        .await
        .is(422)
        .says("passwords differ");
}

#[store::db_test(migrations = identity::migrations)]
async fn a_number_registers_once_and_under_its_own_name(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let mut browser = house.browser();
    browser
        .post("/register", &registration(ZHANG, "张静合成"))
        .await
        .is(422)
        .says("already has an account");
    browser
        .post("/register", &registration(ZHANG, "别人合成"))
        .await
        .is(422)
        .says("do not belong together");
    let mut taken = registration(NEW_PERSON, "王新合成");
    taken[0] = ("login", "LI-ming");
    browser
        .post("/register", &taken)
        .await
        .is(422)
        .says("user name is taken");
}

#[test]
fn a_password_follows_the_rules() {
    let findings = |password: &str| -> Vec<_> {
        let found = password::findings("p", password, &["zhang-jing", "张静", ZHANG]);
        found.into_iter().map(|f| f.text.key).collect()
    };
    for (password, expected) in [
        ("Abcdef-ghij", vec![]),
        ("abcdefgh12中", vec![]),
        ("Abc-12345", vec!["identity-password-short"]),
        ("abcdefghijk1", vec!["identity-password-plain"]),
        ("1-Zhang-Jing-1", vec!["identity-password-contains-name"]),
        ("张静Abcdef-1", vec!["identity-password-contains-name"]),
        (
            "",
            vec!["identity-password-short", "identity-password-plain"],
        ),
    ] {
        assert_eq!(findings(password), expected, "{password}");
    }
    assert_eq!(findings(&"Ab1-".repeat(40)), ["identity-password-long"]);
}

#[store::db_test(migrations = identity::migrations)]
async fn a_changed_password_ends_the_other_sessions(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let mut here = house.signed_in("zhang-jing").await;
    let mut there = house.signed_in("zhang-jing").await;
    let change = |present: &'static str, new: &'static str| {
        [("present", present), ("new", new), ("repeat", new)]
    };
    here.post("/account/password", &change("wrong", "Another-8-horses"))
        .await
        .is(422)
        .says("present password is wrong");
    here.post("/account/password", &change(PASSWORD, "short"))
        .await
        .is(422)
        .says("at least 10 characters");
    there.get("/account").await.is(200);
    here.post("/account/password", &change(PASSWORD, "Another-8-horses"))
        .await
        .leads_to("/account/security?done=password");
    here.get("/account").await.is(200);
    there
        .get("/account")
        .await
        .leads_to("/sign-in?next=%2Faccount");
    house
        .browser()
        .post(
            "/sign-in",
            &[("login", "zhang-jing"), ("password", PASSWORD)],
        )
        .await
        .is(422);
    let new = [("login", "zhang-jing"), ("password", "Another-8-horses")];
    house
        .browser()
        .post("/sign-in", &new)
        .await
        .leads_to("/mine");
}

#[store::db_test(migrations = identity::migrations)]
async fn a_session_revoked_elsewhere_is_dead_at_its_next_request(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let mut here = house.signed_in("zhang-jing").await;
    let mut there = house.signed_in("zhang-jing").await;
    there.get("/account").await.is(200);
    let sessions = here.get("/api/identity/sessions").await.json();
    let sessions = sessions.as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    let other = sessions.iter().find(|s| s["is_current"] == false).unwrap();
    assert_eq!(other["device"], "Sample Browser");
    let id = other["id"].as_str().unwrap();
    let mut stranger = house.signed_in("li-ming").await;
    stranger
        .post(&format!("/account/sessions/{id}/end"), &[])
        .await
        .is(404);
    there.get("/account").await.is(200);
    here.post(&format!("/account/sessions/{id}/end"), &[])
        .await
        .leads_to("/account/security?done=session");
    there
        .get("/account")
        .await
        .leads_to("/sign-in?next=%2Faccount");
    there
        .call("GET", "/api/identity/me", json!({}))
        .await
        .is(401);
}

#[store::db_test(migrations = identity::migrations)]
async fn a_token_acts_for_its_user_until_it_is_revoked_or_over(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let mut browser = house.signed_in("zhang-jing").await;
    let page = browser
        .post(
            "/account/tokens",
            &[("label", "export"), ("days", "2"), ("scope", "all")],
        )
        .await;
    let secret = page
        .body
        .split("id=\"token\">")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap()
        .to_owned();
    assert!(secret.starts_with("tb_") && secret.len() > 40);
    assert!(
        !browser
            .get("/account/tokens")
            .await
            .says("export")
            .body
            .contains(&secret)
    );
    let mut program = house.program(&secret);
    assert_eq!(
        program.get("/api/identity/me").await.json()["name"],
        "张静合成"
    );
    // It cannot become more than it is.
    program
        .call(
            "POST",
            "/api/identity/tokens",
            json!({ "label": "x", "days": 1 }),
        )
        .await
        .is(403);
    let change = json!({ "present": PASSWORD, "new": "Another-8-horses" });
    program
        .call("PUT", "/api/identity/password", change)
        .await
        .is(403);
    let id = browser.get("/api/identity/tokens").await.json()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    browser
        .post(&format!("/account/tokens/{id}/revoke"), &[])
        .await
        .leads_to("/account/tokens?done=token");
    program.get("/api/identity/me").await.is(401);

    let body = json!({ "label": "short", "days": 1, "scope": "read" });
    let made = browser
        .call("POST", "/api/identity/tokens", body)
        .await
        .is(201)
        .json();
    let mut reader = house.program(made["token"].as_str().unwrap());
    reader.get("/api/identity/me").await.is(200);
    reader
        .call("PUT", "/api/identity/acting", json!({ "party": null }))
        .await
        .is(403);
    house.clock.advance(chrono::Duration::hours(25));
    reader.get("/api/identity/me").await.is(401);
    house
        .program("tb_nonsense")
        .get("/api/identity/me")
        .await
        .is(401);
}

#[store::db_test(migrations = identity::migrations)]
async fn the_console_makes_a_token_for_a_named_user(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let secret = identity::token::create(&house.db, "clerk", "script", 30)
        .await
        .unwrap();
    let me = house.program(&secret).get("/api/identity/me").await.json();
    assert_eq!(me["posts"][0]["post"], "clerk");
    assert!(
        identity::token::create(&house.db, "nobody", "script", 30)
            .await
            .is_err()
    );
}

#[store::db_test(migrations = identity::migrations)]
async fn a_representative_acts_for_the_firm_and_appoints_an_agent(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let firm = directory::party_by_code(house.db.read(), FIRM)
        .await
        .unwrap()
        .unwrap()
        .id
        .to_string();
    let mut zhang = house.signed_in("zhang-jing").await;
    let mut li = house.signed_in("li-ming").await;
    li.post("/account/acting", &[("party", &firm)])
        .await
        .is(422)
        .says("not appointed");
    zhang.get("/account").await.says("合成餐饮有限公司");
    zhang
        .post("/account/acting", &[("party", &firm)])
        .await
        .leads_to("/account?done=acting");
    zhang.get("/account").await.says("tb-acting");
    assert_eq!(
        zhang.get("/api/identity/me").await.json()["acting_for"]["code"],
        FIRM
    );

    let mut fields = vec![
        ("login", "li-ming"),
        ("name", "别人"),
        ("scope", ""),
        ("from", "2026-03-02"),
        ("until", "2026-03-03"),
    ];
    zhang
        .post("/account/agents", &fields)
        .await
        .is(422)
        .says("no personal account");
    fields[1] = ("name", "李明合成");
    zhang
        .post("/account/agents", &fields)
        .await
        .leads_to("/account/agents?done=appointed");
    li.post("/account/acting", &[("party", &firm)])
        .await
        .leads_to("/account?done=acting");
    assert_eq!(
        li.get("/api/identity/me").await.json()["acting_for"]["name"],
        "合成餐饮有限公司"
    );
    // An agent is not its representative.
    li.get("/account/agents")
        .await
        .is(200)
        .says("You cannot appoint anybody");
    li.call("POST", "/api/identity/agents", json!({ "login": "zhang-jing", "name": "张静合成", "from": "2026-03-02", "until": "2026-03-03" })).await.is(403);

    let agents = zhang.get("/api/identity/agents").await.json();
    let agent = agents
        .as_array()
        .unwrap()
        .iter()
        .find(|a| a["role"] == "agent")
        .unwrap()
        .clone();
    let id = agent["id"].as_str().unwrap();
    zhang
        .post(&format!("/account/agents/{id}/dismiss"), &[])
        .await
        .leads_to("/account/agents?done=dismissed");
    assert_eq!(
        li.get("/api/identity/me").await.json()["acting_for"],
        json!(null)
    );
}

#[store::db_test(migrations = identity::migrations)]
async fn an_appointment_ends_with_its_last_day(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let zhang_party = directory::party_by_code(house.db.read(), ZHANG)
        .await
        .unwrap()
        .unwrap()
        .id
        .to_string();
    let mut zhang = house.signed_in("zhang-jing").await;
    let proxy = json!({ "login": LI, "name": "李明合成", "scope": "A B", "from": "2026-03-02", "until": "2026-03-02" });
    zhang
        .call("POST", "/api/identity/agents", proxy)
        .await
        .is(201);
    let token = identity::token::create(&house.db, "li-ming", "script", 30)
        .await
        .unwrap();
    let mut program = house.program(&token);
    program
        .call(
            "PUT",
            "/api/identity/acting",
            json!({ "party": zhang_party }),
        )
        .await
        .is(204);
    assert_eq!(
        program.get("/api/identity/me").await.json()["acting_for"]["name"],
        "张静合成"
    );
    house.clock.advance(chrono::Duration::hours(24));
    assert_eq!(
        program.get("/api/identity/me").await.json()["acting_for"],
        json!(null)
    );
}

#[store::db_test(migrations = identity::migrations)]
async fn only_the_registered_representative_binds_a_firm(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    let mut zhang = house.signed_in("zhang-jing").await;
    let mut li = house.signed_in("li-ming").await;
    let firm = [("code", FIRM), ("name", "合成餐饮有限公司")];
    li.post("/account/firms", &firm)
        .await
        .is(422)
        .says("not the registered legal representative");
    zhang
        .post("/account/firms", &firm)
        .await
        .leads_to("/account?done=firm");
    zhang
        .post("/account/firms", &firm)
        .await
        .leads_to("/account?done=firm");
    zhang
        .post("/account/firms", &[("code", FIRM), ("name", "别的公司")])
        .await
        .is(422)
        .says("do not belong together");
    zhang
        .post("/account/firms", &[("code", ORG), ("name", "x")])
        .await
        .is(422)
        .says("does not have this code");
    zhang
        .post(
            "/account/firms",
            &[("code", "91321000MA0000023X"), ("name", "x")],
        )
        .await
        .is(422);
}

#[store::db_test(migrations = identity::migrations)]
async fn loading_the_same_people_twice_changes_nothing(db: Db, clock: Arc<ManualClock>) {
    let house = house(db, clock).await;
    identity::role::install(&house.db).await.unwrap();
    let tokens = identity::role::install(&house.db).await.unwrap();
    for (role, token) in tokens {
        let Some(token) = token else { continue };
        let me = house
            .program(&token)
            .get("/api/identity/me")
            .await
            .is(200)
            .json();
        let is_agent = role == identity::role::Role::Agent;
        assert_eq!(me["acting_for"].is_object(), is_agent, "{me}");
    }
}
