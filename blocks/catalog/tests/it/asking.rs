//! Requests and grants.

use std::sync::Arc;

use catalog::{
    Metadata,
    list::{self, Kind, NewLine},
    request::{
        Ask, State,
        act::{self, Move},
    },
    resource::Entry,
};
use kernel::ManualClock;
use serde_json::json;
use store::{Db, db_test};

use crate::house::{House, MARKET, URBAN, findings, good, house, migrations, officer};

fn scope() -> Ask {
    Ask {
        items: vec!["编号".into(), "名称".into()],
        basis: "《某条例》第二条".into(),
        purpose: "户外招牌审批核验".into(),
        users: "招牌审批系统，审查岗".into(),
        mode: "1".into(),
        per_day: 500,
        starts_on: Some("2026-03-02".parse().unwrap()),
        ends_on: Some("2026-12-31".parse().unwrap()),
        responsible: "王明（合成）".into(),
        contact: "13800138000".into(),
        ..Ask::default()
    }
}

async fn state(house: &House, id: &str) -> State {
    let steward = house.actor("steward").await;
    act::get(&house.app, &steward, id)
        .await
        .unwrap()
        .row
        .standing()
}

async fn asked(house: &House, code: &str) -> String {
    let asker = house.actor("asker").await;
    act::ask(&house.app, &asker, code, URBAN, &scope())
        .await
        .unwrap()
}

/// A request that urban management made for a published entry.
struct Asked {
    house: House,
    entry: Entry,
    id: String,
    subject: String,
}

impl Asked {
    async fn of(db: Db, described: Metadata) -> Self {
        let house = house(db).await;
        let entry = house.published(described).await;
        let id = asked(&house, &entry.id).await;
        Self {
            house,
            entry,
            subject: format!("catalog-request:{id}"),
            id,
        }
    }

    async fn decide(&self, login: &str, outcome: &str, opinion: &str) -> kernel::Result<()> {
        let done = self.house.decide(login, &self.subject, outcome, opinion);
        done.await
    }

    /// The department that asks agrees, and the authority.
    async fn agreed(&self) {
        for login in ["asker-chief", "steward"] {
            self.decide(login, "agree", "").await.unwrap();
        }
    }

    /// The same, and the provider wants to know more.
    async fn questioned(&self) {
        self.agreed().await;
        let question = self.decide("chief", "supplement", "请写明系统名称");
        question.await.unwrap();
    }

    async fn state(&self) -> State {
        state(&self.house, &self.id).await
    }
}

#[db_test(migrations = migrations)]
async fn a_conditional_request_is_supplemented_granted_suspended_and_revoked(db: Db) {
    let request = Asked::of(db, good("企业登记")).await;
    assert_eq!(request.state().await, State::DepartmentReview);
    request.decide("asker-chief", "agree", "").await.unwrap();
    assert_eq!(request.state().await, State::AuthorityCheck);
    request.decide("steward", "agree", "").await.unwrap();
    assert_eq!(request.state().await, State::ProviderReview);
    let silent = request.decide("chief", "supplement", " ").await;
    assert_eq!(
        findings(&silent.unwrap_err()),
        [("opinion".into(), "catalog-must-say")]
    );
    let question = request.decide("chief", "supplement", "请写明系统名称");
    question.await.unwrap();

    let (house, entry, id) = (&request.house, &request.entry, &request.id);
    let asker = house.actor("asker").await;
    let seen = act::get(&house.app, &asker, id).await.unwrap();
    assert_eq!(seen.row.standing(), State::Supplement);
    let more = Ask {
        users: "招牌审批系统，审查岗；系统为云港市招牌审批系统（合成）".into(),
        ..scope()
    };
    act::supplement(&house.app, &asker, id, seen.row.version, &more)
        .await
        .unwrap();
    request.decide("asker", "sent", "").await.unwrap();
    request.decide("chief", "agree", "").await.unwrap();
    assert_eq!(request.state().await, State::Active);

    let day = "2026-06-01".parse().unwrap();
    let grant = async || {
        act::grant(house.db.read(), &entry.id, URBAN, day)
            .await
            .unwrap()
    };
    assert_eq!(grant().await.unwrap().ask().unwrap().users, more.users);
    assert!(
        act::grant(house.db.read(), &entry.id, MARKET, day)
            .await
            .unwrap()
            .is_none()
    );
    let chief = house.actor("chief").await;
    let step = async |actor: &identity::Actor, step: Move, why: &str| {
        let version = act::get(&house.app, actor, id).await.unwrap().row.version;
        act::advance(&house.app, actor, id, version, step, why).await
    };
    assert!(step(&asker, Move::Suspend, "不行").await.is_err());
    step(&chief, Move::Suspend, "发现超范围使用").await.unwrap();
    assert!(grant().await.is_none(), "at once");
    // Not by who gets it, whatever his post; by the provider, or the centre.
    let theirs = officer(chief.user, "steward", URBAN);
    let refused = step(&theirs, Move::Resume, "自行恢复").await;
    assert!(matches!(refused, Err(kernel::Error::Forbidden { .. })));
    step(&chief, Move::Resume, "已整改").await.unwrap();
    assert!(grant().await.is_some());
    let centre = house.actor("steward").await;
    step(&centre, Move::Suspend, "核查").await.unwrap();
    step(&centre, Move::Resume, "核查完毕").await.unwrap();
    step(&chief, Move::Revoke, "职责变更").await.unwrap();
    assert!(grant().await.is_none());
    let over = step(&chief, Move::Resume, "再来").await.unwrap_err();
    assert_eq!(findings(&over)[0].1, "catalog-request-unfit");
}

#[db_test(migrations = migrations)]
async fn a_supplement_stays_within_what_was_agreed_to(db: Db) {
    let request = Asked::of(db, good("企业登记")).await;
    request.questioned().await;
    let (house, id) = (&request.house, &request.id);
    let asker = house.actor("asker").await;
    let version = act::get(&house.app, &asker, id).await.unwrap().row.version;
    let send = async |ask: &Ask| act::supplement(&house.app, &asker, id, version, ask).await;
    let wider = Ask {
        items: vec!["编号".into(), "注册资本".into()],
        basis: "另一依据".into(),
        purpose: "全市企业画像".into(),
        users: "各部门".into(),
        mode: "2".into(),
        per_day: 0,
        starts_on: Some("2026-03-01".parse().unwrap()),
        ends_on: Some("2027-12-31".parse().unwrap()),
        ..scope()
    };
    let (more, kept) = ("catalog-supplement-more", "catalog-supplement-kept");
    let told = findings(&send(&wider).await.unwrap_err());
    let told: Vec<_> = told
        .iter()
        .map(|(field, key)| (field.as_str(), *key))
        .collect();
    assert_eq!(
        told,
        [
            ("items", more),
            ("mode", "catalog-supplement-same"),
            ("per_day", more),
            ("starts_on", more),
            ("ends_on", more),
            ("basis", kept),
            ("purpose", kept),
            ("users", kept),
        ]
    );
    assert_eq!(request.state().await, State::Supplement);
    let narrower = Ask {
        items: vec!["编号".into()],
        rows: "本市企业".into(),
        purpose: "户外招牌审批核验，逐件核验".into(),
        per_day: 100,
        ends_on: Some("2026-06-30".parse().unwrap()),
        responsible: "李华（合成）".into(),
        ..scope()
    };
    let row = send(&narrower).await.unwrap();
    assert_eq!(row.ask().unwrap(), narrower);
    assert_eq!(row.ends_on, narrower.ends_on.unwrap());
}

#[db_test(migrations = migrations)]
async fn what_is_shared_without_condition_needs_no_answer_of_the_provider(db: Db) {
    let free = Metadata {
        share_type: "1".into(),
        ..good("企业登记")
    };
    let request = Asked::of(db, free).await;
    request.agreed().await;
    assert_eq!(request.state().await, State::Active);
}

#[db_test(migrations = migrations)]
async fn refusals_are_reasoned_and_what_is_not_shared_is_refused_at_once(db: Db) {
    let request = Asked::of(db, good("企业登记")).await;
    request.agreed().await;
    let refusal = request.decide("chief", "refuse", "超出履职需要");
    refusal.await.unwrap();
    let (house, entry) = (&request.house, &request.entry);
    let steward = house.actor("steward").await;
    let view = act::get(&house.app, &steward, &request.id).await.unwrap();
    assert_eq!(
        (view.row.standing(), view.row.reason.as_str()),
        (State::Refused, "超出履职需要")
    );

    let closed = Metadata {
        share_type: "3".into(),
        share_condition: "《某法》第九条".into(),
        ..good("举报线索")
    };
    let closed = house.published(closed).await;
    let asker = house.actor("asker").await;
    let error = act::ask(&house.app, &asker, &closed.id, URBAN, &scope())
        .await
        .unwrap_err();
    assert_eq!(findings(&error)[0].1, "catalog-request-not-shared");
    let nothing = act::ask(&house.app, &asker, &entry.id, URBAN, &Ask::default()).await;
    let fields: Vec<_> = findings(&nothing.unwrap_err())
        .into_iter()
        .map(|(f, _)| f)
        .collect();
    let all = [
        "basis",
        "purpose",
        "users",
        "responsible",
        "contact",
        "items",
        "starts_on",
    ];
    assert_eq!(fields, all, "everything missing is told at once");
    let foreign = act::ask(&house.app, &asker, &entry.id, MARKET, &scope()).await;
    assert!(matches!(foreign, Err(kernel::Error::Forbidden { .. })));
}

#[db_test(migrations = migrations)]
async fn a_grant_ends_on_its_day_and_with_its_resource(db: Db, clock: Arc<ManualClock>) {
    let house = house(db).await;
    let free = |name: &str| Metadata {
        share_type: "1".into(),
        ..good(name)
    };
    let (one, two) = (
        house.published(free("企业登记")).await,
        house.published(free("企业年报")).await,
    );
    let mut ids = Vec::new();
    for entry in [&one, &two] {
        let id = asked(&house, &entry.id).await;
        let subject = format!("catalog-request:{id}");
        house
            .decide("asker-chief", &subject, "agree", "")
            .await
            .unwrap();
        house
            .decide("steward", &subject, "agree", "")
            .await
            .unwrap();
        ids.push(id);
    }
    let writer = house.actor("writer").await;
    let version = house.row(&two.id).await.version;
    catalog::resource::act::withdraw(&house.app, &writer, &two.id, version, "停用")
        .await
        .unwrap();
    let subject = format!("catalog:{}", two.id);
    house.decide("chief", &subject, "agree", "").await.unwrap();
    house
        .decide("steward", &subject, "agree", "")
        .await
        .unwrap();
    assert_eq!(state(&house, &ids[1]).await, State::Revoked);
    clock.set("2026-12-31T15:00:00Z".parse().unwrap());
    house.settle().await;
    assert_eq!(
        state(&house, &ids[0]).await,
        State::Active,
        "the last evening"
    );
    clock.set("2026-12-31T16:00:01Z".parse().unwrap());
    house.settle().await;
    assert_eq!(state(&house, &ids[0]).await, State::Expired);
}

#[db_test(migrations = migrations)]
async fn a_request_is_seen_by_its_two_sides_only(db: Db) {
    let house = house(db).await;
    let entry = house.published(good("企业登记")).await;
    let asker = house.actor("asker").await;
    let scope = serde_json::to_value(scope()).unwrap();
    let body = json!({"resource": entry.code, "applicant": URBAN, "scope": scope});
    let (status, made) = house.post(&asker, "/api/catalog/requests", body).await;
    assert_eq!(status, 200, "{made}");
    let path = format!("/api/catalog/requests/{}", made["id"].as_str().unwrap());
    for (login, expected) in [("writer", 200), ("clerk", 200), ("steward", 200)] {
        let actor = house.actor(login).await;
        assert_eq!(house.get(&actor, &path).await.0, expected, "{login}");
    }
    let mut stranger = house.actor("writer").await;
    stranger.posts[0].org = "1132100099000005XC".into();
    assert_eq!(house.get(&stranger, &path).await.0, 404);
    let (_, list) = house.get(&stranger, "/api/catalog/requests").await;
    assert_eq!(list["items"], json!([]));
    let step = json!({"step": "cancel", "version": 3, "reason": "不再需要"});
    let (status, done) = house.post(&asker, &format!("{path}/steps"), step).await;
    assert_eq!(
        (status, &done["state"]),
        (200, &json!("cancelled")),
        "{done}"
    );
}

#[db_test(migrations = migrations)]
async fn more_is_asked_for_once_and_sent_when_it_is_there(db: Db) {
    let request = Asked::of(db, good("企业登记")).await;
    request.questioned().await;
    let (house, id) = (&request.house, &request.id);
    let sent = async || request.decide("asker", "sent", "").await;
    let missing = "catalog-supplement-missing";
    assert_eq!(findings(&sent().await.unwrap_err())[0].1, missing);
    let asker = house.actor("asker").await;
    let supplement = async |ask: &Ask| {
        let seen = act::get(&house.app, &asker, id).await.unwrap();
        act::supplement(&house.app, &asker, id, seen.row.version, ask).await
    };
    let same = supplement(&scope()).await.unwrap_err();
    assert_eq!(findings(&same)[0].1, missing);
    let more = Ask {
        users: "招牌审批系统，审查岗；系统为云港市招牌审批系统（合成）".into(),
        ..scope()
    };
    supplement(&more).await.unwrap();
    sent().await.unwrap();
    assert_eq!(request.state().await, State::ProviderReview);
    let again = request.decide("chief", "supplement", "再补").await;
    let again = findings(&again.unwrap_err());
    assert_eq!(again[0].1, "catalog-supplement-once");
    assert_eq!(request.state().await, State::ProviderReview);
    let refusal = request.decide("chief", "refuse", "超出履职需要");
    refusal.await.unwrap();
    assert_eq!(request.state().await, State::Refused);
}

#[db_test(migrations = migrations)]
async fn what_is_excluded_is_not_granted_and_stops(db: Db) {
    let house = house(db).await;
    let free = |name: &str| Metadata {
        share_type: "1".into(),
        ..good(name)
    };
    let entry = house.published(free("企业登记")).await;
    let (granted, open) = (
        asked(&house, &entry.id).await,
        asked(&house, &entry.id).await,
    );
    for (id, login) in [
        (&granted, "asker-chief"),
        (&granted, "steward"),
        (&open, "asker-chief"),
    ] {
        let subject = format!("catalog-request:{id}");
        house.decide(login, &subject, "agree", "").await.unwrap();
    }
    assert_eq!(state(&house, &granted).await, State::Active);
    let steward = house.actor("steward").await;
    let line = NewLine {
        kind: Kind::Negative,
        org: MARKET.into(),
        name: "登记".into(),
        basis: "《某法》第九条".into(),
        resource_code: entry.code.clone().unwrap(),
        ..NewLine::default()
    };
    let line = list::add(&house.app, &steward, &line).await.unwrap();

    let excluded = "catalog-request-excluded";
    let asker = house.actor("asker").await;
    let error = act::ask(&house.app, &asker, &entry.id, URBAN, &scope()).await;
    assert_eq!(findings(&error.unwrap_err())[0].1, excluded);
    let subject = format!("catalog-request:{open}");
    let agree = async || house.decide("steward", &subject, "agree", "").await;
    assert_eq!(findings(&agree().await.unwrap_err())[0].1, excluded);
    assert_eq!(state(&house, &open).await, State::AuthorityCheck);
    let resume = async || {
        let view = act::get(&house.app, &steward, &granted).await.unwrap();
        assert_eq!(view.row.standing(), State::Suspended);
        let version = view.row.version;
        act::advance(
            &house.app,
            &steward,
            &granted,
            version,
            Move::Resume,
            "恢复",
        )
        .await
    };
    assert_eq!(findings(&resume().await.unwrap_err())[0].1, excluded);

    list::answer(&house.app, &steward, &line, 1, "", "依据已废止")
        .await
        .unwrap();
    resume().await.unwrap();
    agree().await.unwrap();
    assert_eq!(state(&house, &open).await, State::Active);
}

#[db_test(migrations = migrations)]
async fn what_is_excluded_is_published_as_not_shared_only(db: Db) {
    use catalog::resource::act as entries;
    let house = house(db).await;
    let (writer, steward) = (house.actor("writer").await, house.actor("steward").await);
    let id = entries::create(&house.app, &writer, good("举报线索"))
        .await
        .unwrap();
    let submit = async || {
        let version = house.row(&id).await.version;
        entries::submit(&house.app, &writer, &id, version).await
    };
    submit().await.unwrap();
    let line = NewLine {
        kind: Kind::Negative,
        org: MARKET.into(),
        name: "举报线索".into(),
        basis: "《某法》第九条".into(),
        ..NewLine::default()
    };
    list::add(&house.app, &steward, &line).await.unwrap();
    let subject = format!("catalog:{id}");
    let error = house.decide("chief", &subject, "agree", "").await;
    assert_eq!(findings(&error.unwrap_err())[0].1, "catalog-rule-excluded");
    house
        .decide("chief", &subject, "return", "列入负面清单")
        .await
        .unwrap();
    let broken = findings(&submit().await.unwrap_err());
    assert_eq!(broken, [("share_type".into(), "catalog-rule-excluded")]);
    let closed = Metadata {
        share_type: "3".into(),
        share_condition: "《某法》第九条".into(),
        ..good("举报线索")
    };
    let version = house.row(&id).await.version;
    entries::save(&house.app, &writer, &id, version, closed)
        .await
        .unwrap();
    let row = house.publish(&id).await;
    assert_eq!(row.number, 1);
}

#[db_test(migrations = migrations)]
async fn a_review_needs_one_of_its_outcomes(db: Db) {
    use catalog::resource::{State as Standing, act as entries};
    let house = house(db).await;
    let (writer, chief) = (house.actor("writer").await, house.actor("chief").await);
    let id = entries::create(&house.app, &writer, good("企业登记"))
        .await
        .unwrap();
    let version = house.row(&id).await.version;
    entries::submit(&house.app, &writer, &id, version)
        .await
        .unwrap();
    let path = format!("/api/workflow/tasks?subject=catalog:{id}");
    let (_, tasks) = house.get(&chief, &path).await;
    let task = tasks["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/workflow/tasks/{task}/complete");
    for body in [
        json!({"values": {"outcome": "agree"}}),
        json!({"vars": {}}),
        json!({"vars": {"outcome": "perhaps"}}),
    ] {
        let (status, answer) = house.post(&chief, &path, body.clone()).await;
        assert!((400..500).contains(&status), "{body} {status} {answer}");
        assert_eq!(house.row(&id).await.standing(), Standing::DepartmentReview);
    }
    let many = json!({"tasks": [{"id": task}], "values": {"outcome": "agree"}});
    let path_of_many = "/api/workflow/tasks/complete";
    let (status, answer) = house.post(&chief, path_of_many, many).await;
    assert!((400..500).contains(&status), "{status} {answer}");
    let body = json!({"vars": {"outcome": "agree"}});
    let (status, answer) = house.post(&chief, &path, body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(house.row(&id).await.standing(), Standing::CentreReview);
}
