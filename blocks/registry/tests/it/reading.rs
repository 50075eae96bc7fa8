use std::fmt::Write;

use registry::{
    Registries,
    batch::Mode,
    log,
    record::{act, store::search_query},
    search::plans,
};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use store::{Db, Engine, db_test, page::PageRequest};

use crate::{
    house::{CIVIL, House, OTHER, PERSON, POLICE, citizen, findings, house, migrations, officer},
    loading::{load, number},
};

/// The bodies of all events of a kind.
pub async fn events(house: &House, kind: &str) -> Vec<Value> {
    let backend = house.db.read().get_database_backend();
    let sql = format!("SELECT data FROM store_event WHERE kind = '{kind}' ORDER BY seq");
    let rows = house
        .db
        .read()
        .query_all_raw(Statement::from_string(backend, sql))
        .await
        .unwrap();
    let data = rows
        .iter()
        .map(|row| row.try_get::<String>("", "data").unwrap());
    data.map(|text| serde_json::from_str(&text).unwrap())
        .collect()
}

async fn find(house: &House, query: &str) -> Vec<String> {
    let page = PageRequest::default();
    let clerk = officer("clerk", CIVIL);
    let found = act::find(&house.app, &clerk, "people", query, None, &page)
        .await
        .unwrap();
    let field = found.declaration.field("xm").unwrap().clone();
    let rows = found.page.items.iter();
    rows.map(|row| row.values["xm"].text(&field)).collect()
}

#[db_test(migrations = migrations)]
async fn people_are_found_by_number_name_pinyin_and_initials(db: Db) {
    let house = house(db).await;
    let mut file = "gmsfhm,xm\n".to_owned();
    for (n, name) in [
        "张小明",
        "张小",
        "曾国华",
        "单红",
        "欧阳娜娜",
        "Zoe李",
        "章晓明",
        "吕布",
        "示范1号店",
    ]
    .iter()
    .enumerate()
    {
        writeln!(file, "{},{name}", number(u16::try_from(n).unwrap())).unwrap();
    }
    load(&house, "p", Mode::AllOrNothing, &file).await.unwrap();
    assert_eq!(find(&house, "张小").await, ["张小", "张小明"]);
    assert_eq!(find(&house, &number(2)).await, ["曾国华"]);
    assert_eq!(
        find(&house, "zengguo").await,
        ["曾国华"],
        "a family name has its own reading"
    );
    assert_eq!(find(&house, "shan").await, ["单红"]);
    assert_eq!(find(&house, "ZXM").await, ["张小明", "章晓明"]);
    assert_eq!(find(&house, "zhangxiaom").await, ["张小明", "章晓明"]);
    assert_eq!(find(&house, "oynn").await, ["欧阳娜娜"]);
    assert_eq!(find(&house, "zoeli").await, ["Zoe李"]);
    assert_eq!(find(&house, "%").await, [""; 0]);
    assert_eq!(find(&house, "lvb").await, ["吕布"]);
    assert_eq!(find(&house, "LÜ").await, ["吕布"]);
    assert_eq!(find(&house, "sf1hd").await, ["示范1号店"]);
    assert_eq!(find(&house, "").await.len(), 9);
    let page = PageRequest::default();
    let clerk = officer("clerk", CIVIL);
    let error = act::find(&house.app, &clerk, "people", "1", Some("csrq"), &page).await;
    assert_eq!(
        findings(&error.unwrap_err())[0].1,
        "registry-field-not-searched"
    );
}

#[db_test(migrations = migrations)]
async fn pages_follow_one_another_through_equal_names(db: Db) {
    let house = house(db).await;
    let mut file = "gmsfhm,xm\n".to_owned();
    for n in 0..23 {
        let name = if n % 2 == 0 { "张伟" } else { "张伟明" };
        writeln!(file, "{},{name}", number(n)).unwrap();
    }
    load(&house, "p", Mode::AllOrNothing, &file).await.unwrap();
    let clerk = officer("clerk", CIVIL);
    for query in ["张伟", "zhangw", "zw", ""] {
        let (mut after, mut seen) = (None, std::collections::BTreeSet::new());
        loop {
            let page = PageRequest::new(after, Some(5));
            let found = act::find(&house.app, &clerk, "people", query, None, &page)
                .await
                .unwrap();
            for row in found.page.items {
                assert!(seen.insert(row.id), "{query}: twice");
            }
            after = found.page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), 23, "{query}");
    }
}

#[db_test(migrations = migrations)]
async fn the_key_of_a_page_tells_no_value(db: Db) {
    let house = house(db).await;
    for (n, name) in [(1, "张伟"), (2, "张伟明"), (3, "汪久元")] {
        let fields = json!({"gmsfhm": number(n), "xm": name, "dh": "13800138000"});
        house.state("police", "2026-01-01", fields).await.unwrap();
    }
    let clerk = officer("clerk", CIVIL);
    let ask = async |query: &str, after: Option<String>| {
        let page = PageRequest::new(after, Some(1));
        act::find(&house.app, &clerk, "people", query, None, &page).await
    };
    let mut keys = Vec::new();
    for query in ["张", "zhang", "zw", ""] {
        let found = ask(query, None).await.unwrap().page;
        let (next, last) = (found.next.unwrap(), &found.items[0]);
        assert!(next.ends_with(&last.id), "{next}");
        for value in [&number(1), &number(2), "张", "zhang", "~zw"] {
            assert!(!next.contains(value), "{query}: {next}");
        }
        let rest = ask(query, Some(next.clone())).await.unwrap().page.items;
        assert_ne!(rest[0].id, last.id);
        keys.push(next);
    }
    // How a record compares with others is not told of one that the query does not find.
    let other = ask("汪", None).await.unwrap().page.items[0].id.clone();
    for after in [
        format!("record_pinyin~{other}"),
        format!("record_pinyin~{}", keys[0]),
        "record_pinyin~zhang~0".into(),
        "x".into(),
    ] {
        let error = ask("zhang", Some(after)).await.unwrap_err();
        assert_eq!(findings(&error)[0].1, "registry-after-foreign");
    }
}

/// The plan of a search as the database tells it.
pub async fn explain(house: &House, query: &str, field: Option<&str>) -> String {
    let registries = house.app.part::<Registries>().unwrap();
    let db = house.db.read();
    let declaration = registries.declaration(db, "people").await.unwrap();
    let plan = &plans(&declaration, query, field).unwrap()[0];
    let backend = db.get_database_backend();
    let mut statement = backend.build(&search_query(&declaration, plan, 51));
    let (word, column) = match house.db.engine() {
        Engine::Sqlite => ("EXPLAIN QUERY PLAN", "detail"),
        Engine::Postgres => ("EXPLAIN", "QUERY PLAN"),
    };
    statement.sql = format!("{word} {}", statement.sql);
    let rows = db.query_all_raw(statement).await.unwrap();
    let lines = rows
        .iter()
        .map(|row| row.try_get::<String>("", column).unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

#[db_test(migrations = migrations)]
async fn every_search_is_served_by_an_index(db: Db) {
    let house = house(db).await;
    let mut file = "gmsfhm,xm,dh\n".to_owned();
    let family: Vec<char> = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨".chars().collect();
    for n in 0..20_000_u16 {
        let name = family[usize::from(n) % family.len()];
        writeln!(
            file,
            "{},{name}{},138{n:08}",
            number(n),
            char::from_u32(0x4e00 + u32::from(n) % 5000).unwrap()
        )
        .unwrap();
    }
    load(&house, "p", Mode::KeepGood, &file).await.unwrap();
    house
        .db
        .write(|tx| async move {
            tx.execute_unprepared("ANALYZE").await.unwrap();
            Ok(())
        })
        .await
        .unwrap();
    let cases = [
        ("王五", None, "registry_people_xm"),
        ("zhaoyi", None, "registry_people_record_pinyin"),
        (PERSON, None, "registry_people_record_key"),
        ("", None, "registry_people"),
    ];
    for (query, field, index) in cases {
        let plan = explain(&house, query, field).await;
        assert!(plan.contains(index), "{query}: {plan}");
        // PostgreSQL may sort the few rows that its index found.
        assert!(
            !plan.contains("Seq Scan") && !plan.contains("TEMP B-TREE"),
            "{query}: {plan}"
        );
    }
}

#[db_test(migrations = migrations)]
async fn whole_values_need_a_purpose_and_leave_a_trace(db: Db) {
    let house = house(db).await;
    let fields =
        json!({"gmsfhm": PERSON, "xm": "张小明", "csrq": "1990-01-01", "dh": "13800138000"});
    let record = house
        .state("police", "2026-01-01", fields)
        .await
        .unwrap()
        .record;
    let view = async |post: &str, purpose: &str, unmask: bool| {
        let actor = officer(post, CIVIL);
        let as_of = act::AsOf::default();
        act::view(
            &house.app, &actor, "people", &record, as_of, purpose, unmask,
        )
        .await
    };
    assert!(view("clerk", "", false).await.is_ok());
    assert!(matches!(
        view("clerk", "办证", true).await,
        Err(kernel::Error::Forbidden { .. })
    ));
    let error = view("examiner", " ", true).await.unwrap_err();
    assert_eq!(
        findings(&error),
        [("purpose".into(), "registry-purpose-needed")]
    );
    assert!(
        view("examiner", "婚姻登记核验", true)
            .await
            .unwrap()
            .is_unmasked
    );

    let read = events(&house, "registry.read.v1").await;
    let read: Vec<_> = read
        .iter()
        .map(|e| (e["is_unmasked"].clone(), e["purpose"].clone()))
        .collect();
    assert_eq!(
        read,
        [
            (json!(false), json!("")),
            (json!(true), json!("婚姻登记核验"))
        ]
    );
    // The person sees both looks, nobody else's.
    let page = PageRequest::default();
    let own = log::of_own(&house.app, &citizen(PERSON), &page)
        .await
        .unwrap()
        .items;
    assert_eq!(own.len(), 2);
    assert_eq!(
        (own[0].purpose.as_str(), own[0].reader_org.as_str()),
        ("婚姻登记核验", CIVIL)
    );
    let other = log::of_own(&house.app, &citizen(OTHER), &page)
        .await
        .unwrap();
    assert_eq!(other.items.len(), 0);
    let clerk = officer("clerk", POLICE);
    assert!(matches!(
        log::of_record(&house.app, &clerk, "people", &record, &page).await,
        Err(kernel::Error::Forbidden { .. })
    ));
    let watch = officer("supervisor", POLICE);
    let all = log::of_record(&house.app, &watch, "people", &record, &page)
        .await
        .unwrap();
    assert_eq!(all.items.len(), 2);
}

#[db_test(migrations = migrations)]
async fn looks_at_merged_records_are_looks_at_the_person(db: Db) {
    let house = house(db).await;
    let mut records = Vec::new();
    for (number, source) in [(PERSON, "police"), (OTHER, "civil-affairs")] {
        let fields = json!({"gmsfhm": number, "xm": "张小明"});
        let stated = house.state(source, "2026-01-01", fields).await.unwrap();
        records.push(stated.record);
    }
    let examiner = officer("examiner", CIVIL);
    let look = async |record: &str, purpose: &str| {
        let as_of = act::AsOf::default();
        act::view(
            &house.app, &examiner, "people", record, as_of, purpose, true,
        )
        .await
        .unwrap()
    };
    look(&records[1], "并前查看").await;
    let steward = officer("steward", POLICE);
    act::merge(
        &house.app,
        &steward,
        "people",
        &records[1],
        &records[0],
        "同一人",
    )
    .await
    .unwrap();
    look(&records[1], "并后查看").await;
    look(&records[0], "查看本档").await;
    // Whichever of the numbers is hers.
    for number in [PERSON, OTHER] {
        let page = PageRequest::default();
        let looks = log::of_own(&house.app, &citizen(number), &page).await;
        let looks = looks.unwrap().items;
        let purposes: Vec<_> = looks.iter().map(|look| look.purpose.as_str()).collect();
        assert_eq!(purposes, ["查看本档", "并后查看", "并前查看"], "{number}");
    }
}

/// Help to people, by a key whose first part is a number.
fn aid() -> Value {
    let part = |title: &str, sensitivity: u8| {
        json!({"type": "string", "title": title, "maxLength": 18, "x-tongban":
            {"title_en": title, "sensitivity": sensitivity, "search": "prefix", "authority": ["police"]}})
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "aid", "title": "救助", "type": "object", "required": ["ry", "lb"],
        "x-tongban": {"title_en": "Aid", "key": ["ry", "lb"], "subject": "ry"},
        "properties": {"ry": part("人员", 4), "lb": part("类别", 1), "zh": part("账号", 3)},
    })
}

#[db_test(migrations = migrations)]
async fn a_sensitive_number_is_found_whole_only_and_that_is_a_look(db: Db) {
    let house = house(db).await;
    let fields = json!({"gmsfhm": PERSON, "xm": "张小明", "csrq": "1990-01-01"});
    let record = house.state("police", "2026-01-01", fields).await.unwrap();
    let found = async |query: &str| find(&house, query).await;
    for part in ["3", "32000019900101", &PERSON[..17]] {
        assert_eq!(found(part).await, [""; 0], "{part}");
    }
    assert_eq!(found("张").await, ["张小明"]);
    assert_eq!(events(&house, "registry.read.v1").await.len(), 0);
    assert_eq!(found(PERSON).await, ["张小明"]);
    let (me, page) = (citizen(PERSON), PageRequest::default());
    let looks = log::of_own(&house.app, &me, &page).await.unwrap().items;
    assert_eq!(looks.len(), 1);
    assert_eq!(
        (looks[0].record.as_str(), looks[0].reader_org.as_str()),
        (record.record.as_str(), CIVIL)
    );
    let clerk = officer("clerk", CIVIL);
    let path = "/api/registry/people/records?q=zxm";
    let (_, list) = house.get(&clerk, path).await;
    let values = &list["items"][0]["values"];
    assert_eq!(values["gmsfhm"], "320000********0039");
    assert_eq!(values["csrq"], "1990-**-**", "beside the last four");
}

#[db_test(migrations = migrations)]
async fn a_number_that_is_asked_for_leaves_a_look(db: Db) {
    let house = house(db).await;
    let fields = json!({"gmsfhm": PERSON, "xm": "张小明"});
    let record = house.state("police", "2026-01-01", fields).await.unwrap();
    let clerk = officer("clerk", CIVIL);
    let asked = async |key: &str| act::id_of_key(&house.app, &clerk, "people", key).await;
    assert_eq!(asked(PERSON).await.unwrap(), record.record);
    let unknown = asked(&number(1)).await.unwrap_err();
    assert_eq!(
        findings(&unknown),
        [("into".to_owned(), "registry-key-unknown")]
    );
    let (me, page) = (citizen(PERSON), PageRequest::default());
    let looks = log::of_own(&house.app, &me, &page).await.unwrap().items;
    assert_eq!(looks.len(), 1);
    assert_eq!(looks[0].reader_org, CIVIL);
    // That a number is not there was asked as well.
    let searched = events(&house, "registry.searched.v1").await;
    let rows: Vec<_> = searched.iter().map(|one| one["rows"].as_u64()).collect();
    assert_eq!(rows, [Some(1), Some(0)]);
}

#[db_test(migrations = migrations)]
async fn a_key_with_a_sensitive_part_is_found_by_whole_parts(db: Db) {
    let house = house(db).await;
    let aid = aid().to_string();
    let install = house.db.write(move |tx| {
        let aid = aid.clone();
        async move { registry::install(&tx, &aid).await }
    });
    assert!(install.await.unwrap());
    let steward = officer("steward", POLICE);
    for kind in ["A", "B"] {
        let fields = json!({"ry": PERSON, "lb": kind, "zh": "62220001"});
        let stating = act::Stating {
            registry: "aid".into(),
            source: "police".into(),
            valid_from: None,
            reason: String::new(),
            fields: fields.as_object().unwrap().clone(),
        };
        act::state(&house.app, &steward, &stating).await.unwrap();
    }
    let count = async |query: &str, field: Option<&str>| {
        let page = PageRequest::default();
        let found = act::find(&house.app, &steward, "aid", query, field, &page).await;
        found.unwrap().page.items.len()
    };
    assert_eq!(count(PERSON, None).await, 2);
    assert_eq!(count(&format!("{PERSON}|B"), None).await, 1);
    assert_eq!(count(&PERSON[..17], None).await, 0);
    assert_eq!(count("622200", Some("zh")).await, 0);
    assert_eq!(count("62220001", Some("zh")).await, 2);
    assert_eq!(count("A", Some("lb")).await, 1);
    assert_eq!(events(&house, "registry.read.v1").await.len(), 5);
    let page = PageRequest::new(None, Some(1));
    let first = act::find(&house.app, &steward, "aid", PERSON, None, &page).await;
    let page = PageRequest::new(first.unwrap().page.next, Some(1));
    let second = act::find(&house.app, &steward, "aid", PERSON, None, &page).await;
    assert_eq!(second.unwrap().page.items[0].key, format!("{PERSON}|B"));
}

#[db_test(migrations = migrations)]
async fn events_carry_no_personal_value(db: Db) {
    let house = house(db).await;
    let fields = json!({"gmsfhm": PERSON, "xm": "张小明"});
    house.state("police", "2026-01-01", fields).await.unwrap();
    find(&house, "张小明").await;
    for kind in ["registry.stated.v1", "registry.searched.v1"] {
        let all = events(&house, kind).await;
        assert_eq!(all.len(), 1, "{kind}");
        let text = all[0].to_string();
        assert!(!text.contains(PERSON) && !text.contains("张小明"), "{text}");
    }
    assert_eq!(
        events(&house, "registry.stated.v1").await[0]["fields"],
        json!(["gmsfhm", "xm"])
    );
}
