//! Who reads in the lake what the catalog shares on request only, and who is told of it.

use std::sync::Arc;

use catalog::request::act::Move;
use exchange::node::run::Node;
use flow::trace::{self, Uses};
use futures::TryStreamExt;
use kernel::ManualClock;
use serde_json::Value;
use store::{Db, db_test, page::PageRequest};

use crate::{
    binding::revise,
    granting::step,
    house::{
        BY_POLICE, House, PEOPLE, POLICE, URBAN, findings, migrations, people, people_settings,
        sqlite_people, target,
    },
};

/// The cells of an officer's question.
async fn ask(house: &House, login: &str, sql: &str) -> kernel::Result<Vec<Vec<Value>>> {
    let officer = house.officer(login).await;
    let question = lake::Question {
        sql: sql.into(),
        purpose: format!("核验{login}"),
        as_of: None,
        door: lake::Door::Api,
        most: 1000,
    };
    let answer = lake::ask(&house.app, &officer, &question).await?;
    let batches: Vec<_> = answer.rows.try_collect().await?;
    let rows = batches.iter().map(|b| lake::cell::rows(b).unwrap());
    Ok(rows.flatten().collect())
}

async fn refused(house: &House, login: &str, sql: &str) -> &'static str {
    let error = ask(house, login, sql).await.unwrap_err();
    findings(&error)[0].1
}

/// People of the police in the lake, by an entry with important data.
async fn hukou(house: &House) -> (Node, String, String) {
    let (_, source) = sqlite_people(house);
    let mut described = people();
    described.items[4].level = "5".into();
    let (id, code) = house.published(&BY_POLICE, described).await;
    let mut police = house
        .node("police-1", POLICE, &people_settings(&code, &source))
        .await;
    police.round(false).await.unwrap();
    assert_eq!(police.waiting(), ["hukou"], "nobody opened it");
    house.open_publication("hukou").await.unwrap();
    house.settle().await;
    police.round(true).await.unwrap();
    assert!(police.waiting().is_empty());
    house.settle().await;
    (police, id, code)
}

#[db_test(migrations = migrations)]
async fn what_is_shared_on_request_is_read_with_a_grant_only(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let (_police, id, code) = hukou(&house).await;
    let (all, count) = (
        "SELECT gmsfhm, xm, xbdm, hjdz FROM ods_hukou ORDER BY 1",
        "SELECT count(*) FROM ods_hukou",
    );
    for login in ["urban", "tobacco", "food-chief", "city-urban-steward"] {
        assert_eq!(refused(&house, login, count).await, "lake-sql-grant");
        let joined = format!("SELECT 1 WHERE EXISTS ({all})");
        assert_eq!(refused(&house, login, &joined).await, "lake-sql-grant");
    }
    // Its own department, and the centre, need none; important data are hidden like the highest.
    for login in ["city-police-examiner", "supervisor", "steward"] {
        let rows = ask(&house, login, all).await.unwrap();
        assert_eq!((rows.len(), &rows[0][2]), (4, &Value::from("1")), "{login}");
        assert_eq!(rows[0][3], "*******", "{login}");
    }
    let own = ask(&house, "city-police-steward", all).await.unwrap();
    assert_eq!(own[0][3], "云港市甲区2号");

    // A grant gives its columns to its department, as long as it holds.
    let items = ["公民身份号码", "性别"];
    let grant = house.granted(&BY_POLICE, &code, &items, "").await;
    let rows = ask(&house, "urban", all).await.unwrap();
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[0][0], "********");
    assert_eq!(rows[0][1..], [Value::Null, "1".into(), Value::Null]);
    let named = "SELECT count(*) FROM ods_hukou WHERE xm LIKE '%' OR hjdz > ''";
    assert_eq!(ask(&house, "urban", named).await.unwrap()[0][0], 0);
    assert_eq!(refused(&house, "tobacco", count).await, "lake-sql-grant");
    step(&house, &grant, Move::Suspend).await;
    assert_eq!(refused(&house, "urban", count).await, "lake-sql-grant");
    step(&house, &grant, Move::Resume).await;
    assert_eq!(ask(&house, "urban", count).await.unwrap()[0][0], 4);
    clock.set(chrono::Utc::now() + chrono::Duration::days(32));
    assert_eq!(refused(&house, "urban", count).await, "lake-sql-grant");
    clock.set(chrono::Utc::now());

    // What is not shared any more is not, even where the columns differ as well.
    let mut withheld = people();
    withheld.share_type = "3".into();
    withheld.items[4].length = "20".into();
    revise(&house, &id, withheld).await;
    house.settle().await;
    assert_eq!(refused(&house, "urban", count).await, "lake-sql-withheld");
    assert_eq!(
        ask(&house, "city-police-examiner", count).await.unwrap()[0][0],
        4
    );
}

#[db_test(migrations = migrations)]
async fn rows_in_words_give_nothing_and_free_tables_need_no_grant(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let (_police, id, code) = hukou(&house).await;
    let count = "SELECT count(*) FROM ods_hukou";
    let items = ["公民身份号码", "姓名"];
    house
        .granted(&BY_POLICE, &code, &items, "号码以 37 开头")
        .await;
    assert_eq!(refused(&house, "urban", count).await, "lake-sql-grant");
    let mut free = people();
    free.share_type = "1".into();
    free.share_condition = String::new();
    revise(&house, &id, free).await;
    house.settle().await;
    assert_eq!(ask(&house, "tobacco", count).await.unwrap()[0][0], 4);
    // A table of a pack has no entry, and its own rules.
    let paid = "SELECT count(*) FROM social_insurance";
    assert_eq!(ask(&house, "tobacco", paid).await.unwrap()[0][0], 0);

    // Tables of an earlier release know nothing of it; they are told when the server starts.
    house
        .tamper(
            "UPDATE lake_table SET document = REPLACE(document, '\"sensitivity\":3', '\"sensitivity\":2') \
             WHERE id = 'ods_hukou'",
        )
        .await;
    let names = "SELECT xm FROM ods_hukou ORDER BY 1";
    let seen = ask(&house, "tobacco", names).await.unwrap();
    assert!(seen.iter().any(|row| row[0] == PEOPLE[0].1), "{seen:?}");
    flow::begin(&house.app).await.unwrap();
    let seen = ask(&house, "tobacco", names).await.unwrap();
    assert!(seen.iter().all(|row| row[0] != PEOPLE[0].1), "{seen:?}");
}

#[db_test(migrations = migrations)]
async fn what_is_excluded_is_not_read_in_the_lake(db: Db, clock: Arc<ManualClock>) {
    use catalog::list::{self, Kind, NewLine};
    let house = House::open(db, &clock).await;
    let (_police, id, code) = hukou(&house).await;
    let mut free = people();
    free.share_type = "1".into();
    free.share_condition = String::new();
    let name = free.name.clone();
    revise(&house, &id, free).await;
    house.settle().await;
    let count = "SELECT count(*) FROM ods_hukou";
    assert_eq!(ask(&house, "tobacco", count).await.unwrap()[0][0], 4);
    let steward = house.officer("steward").await;
    // By its code, and by department and name.
    for (name, code) in [("户籍", code.as_str()), (name.as_str(), "")] {
        let line = NewLine {
            kind: Kind::Negative,
            org: POLICE.into(),
            name: name.into(),
            basis: "《某法》第九条".into(),
            resource_code: code.into(),
            ..NewLine::default()
        };
        let line = list::add(&house.app, &steward, &line).await.unwrap();
        assert_eq!(refused(&house, "tobacco", count).await, "lake-sql-withheld");
        let own = ask(&house, "city-police-examiner", count).await.unwrap();
        assert_eq!(own[0][0], 4);
        list::answer(&house.app, &steward, &line, 1, "", "依据已废止")
            .await
            .unwrap();
        assert_eq!(ask(&house, "tobacco", count).await.unwrap()[0][0], 4);
    }
}

async fn uses(house: &House, login: &str, page: &PageRequest) -> Uses {
    let citizen = house.citizen(login).await;
    trace::of_own(&house.app, &citizen, page).await.unwrap()
}

async fn pay(house: &House, places: &[usize]) {
    let heads = ["gmsfhm", "xm", "xzqh", "jfny", "jfjs", "jfje"];
    let row = |place: &usize| {
        let (number, name) = PEOPLE[*place];
        [number, name, "321002", "2025-01-01", "5000.00", "400.00"]
            .map(str::to_owned)
            .to_vec()
    };
    let rows: Vec<_> = places.iter().map(row).collect();
    let rows = lake::text_rows(&heads, &rows).unwrap();
    let delivery = lake::Delivery {
        table: "social_insurance".into(),
        id: "paid-1".into(),
        mode: lake::Mode::Merge,
        on_bad: lake::OnBad::SetAside,
        source: "synthetic".into(),
    };
    let (schema, system) = (rows.schema(), identity::Actor::system());
    let rows = futures::stream::iter([Ok(rows)]);
    lake::take(&house.app, &system, &delivery, schema, rows)
        .await
        .unwrap();
}

#[db_test(migrations = migrations)]
async fn a_person_is_told_of_questions_and_deliveries_that_feed_no_registry(
    db: Db,
    clock: Arc<ManualClock>,
) {
    let house = House::open(db, &clock).await;
    let (mut police, _, code) = hukou(&house).await;
    // Nobody but the lake has these rows: no registry knows the people.
    let items = ["公民身份号码", "姓名"];
    house.granted(&BY_POLICE, &code, &items, "").await;
    let to = house.sqlite("urban.db");
    let mut urban = house
        .node("urban-1", URBAN, &target("hukou", &to, "person"))
        .await;
    house.settle().await;
    police.round(true).await.unwrap();
    assert_eq!(urban.round(false).await.unwrap().delivered, 1);
    let page = PageRequest::new(None, Some(2));
    let told = uses(&house, "zhang", &page).await;
    assert_eq!(told.carried.len(), 1);
    assert_eq!(told.carried[0].purpose, "户外招牌审批核验");
    assert!(told.asked.is_empty() && told.left.is_empty());

    // Three of the four pay; the social security looks at its table, and for one by his number.
    pay(&house, &[0, 1, 2]).await;
    let (zhang, zhao) = (PEOPLE[0].0, PEOPLE[3].0);
    for sql in [
        "SELECT sum(jfje) FROM social_insurance".to_owned(),
        format!("SELECT jfje FROM social_insurance WHERE gmsfhm = '{zhang}'"),
        format!("SELECT jfje FROM social_insurance WHERE gmsfhm = '{zhao}'"),
    ] {
        ask(&house, "city-social-examiner", &sql).await.unwrap();
    }
    // Page by page.
    let first = uses(&house, "zhang", &page).await;
    let next = PageRequest::new(first.next.clone(), Some(2));
    let second = uses(&house, "zhang", &next).await;
    assert_eq!((first.asked.len(), second.asked.len()), (2, 1));
    assert_eq!(second.next, None);
    assert_eq!(second.asked[0].purpose, "核验city-social-examiner");
    assert_eq!(second.asked[0].tables, ["社会保险缴费（合成）"]);
    // Who is not in the table is told of the question that named him.
    assert_eq!(uses(&house, "zhao", &page).await.asked.len(), 1);
    let citizen = house.citizen("zhang").await;
    let path = "/mine/data-use";
    let (status, shown) = house.get(&citizen, path).await;
    assert_eq!(status, 200, "{shown}");
    for word in ["云港市人力资源和社会保障局", "云港市城市管理局"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    let key = first.next.unwrap();
    let (_, later) = house.get(&citizen, &format!("{path}?asked={key}")).await;
    assert_eq!(later.matches("核验city-social-examiner").count(), 1);
}
