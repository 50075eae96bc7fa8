use registry::declaration::{change, read};
use serde_json::{Value, json};
use store::{Db, db_test};

use crate::house::{PERSON, findings, house, merge, migrations, officer, people};

/// What is wrong with a declaration: place and remedy.
fn wrong(schema: &Value) -> Vec<String> {
    let mistakes = read(schema).unwrap_err();
    let mistakes = mistakes.iter();
    mistakes
        .map(|m| format!("{}: {}; {}", m.path.join("/"), m.text, m.remedy))
        .collect()
}

fn people_with(path: &str, value: Value) -> Value {
    let mut schema = people();
    *schema.pointer_mut(path).unwrap() = value;
    schema
}

#[test]
fn a_good_declaration_is_read() {
    let people = read(&people()).unwrap();
    assert_eq!(people.table(), "registry_people");
    assert_eq!(people.key, ["gmsfhm"]);
    assert_eq!(
        people.sources().into_iter().collect::<Vec<_>>(),
        ["civil-affairs", "police"]
    );
    assert!(people.is_sensitive());
}

#[test]
fn every_mistake_names_its_place_and_remedy() {
    let cases = [
        (
            "/$id",
            json!("Leute"),
            "$id: \"Leute\" cannot name a registry",
        ),
        ("/$id", json!("batch"), "$id: the name \"batch\" is taken"),
        ("/$schema", json!("draft-07"), "$schema: the dialect"),
        (
            "/x-tongban/key",
            json!([]),
            "x-tongban: the registry has no key",
        ),
        (
            "/x-tongban/key",
            json!(["csrq"]),
            "x-tongban/key: the key field \"csrq\"",
        ),
        (
            "/x-tongban/subject",
            json!("nn"),
            "x-tongban/subject: the field \"nn\"",
        ),
        (
            "/x-tongban/subject",
            json!("dh"),
            "properties/dh: records cannot be found by",
        ),
        (
            "/required",
            json!(["gmsfhm", "xm", "zz"]),
            "required: the required field \"zz\"",
        ),
        (
            "/properties/xm/type",
            json!("number"),
            "properties/xm/type: the type number",
        ),
        (
            "/properties/xm/maxLength",
            json!(0),
            "properties/xm: a text needs a largest length",
        ),
        (
            "/properties/xm/x-tongban/mask",
            json!("nase"),
            "properties/xm/x-tongban/mask",
        ),
        (
            "/properties/xm/x-tongban/search",
            json!("soon"),
            "properties/xm/x-tongban/search",
        ),
        (
            "/properties/xm/x-tongban/sensitivity",
            json!(9),
            "properties/xm: the field has no level",
        ),
        (
            "/properties/ye/x-tongban/scale",
            json!(7),
            "properties/ye/format: a decimal number",
        ),
        (
            "/properties/xm/title",
            json!(""),
            "properties/xm: there is no title in both languages",
        ),
    ];
    for (path, value, expected) in cases {
        let found = wrong(&people_with(path, value));
        assert!(
            found.iter().any(|f| f.starts_with(expected)),
            "{expected}: {found:#?}"
        );
        assert!(found.iter().all(|f| f.contains("; ")), "{found:#?}");
    }
    let mut schema = people();
    schema["properties"]["xm"]["pattern"] = json!(".*");
    assert!(wrong(&schema)[0].starts_with("properties/xm/pattern: the keyword \"pattern\""));
    let mut schema = people();
    schema["properties"]["record_id"] = json!({"type": "string"});
    assert!(wrong(&schema)[0].starts_with("properties/record_id: \"record_id\" cannot name"));
}

#[test]
fn what_would_lose_data_is_refused() {
    let before = read(&people()).unwrap();
    let refused = |schema: Value| {
        let after = read(&schema).unwrap();
        change(&before, &after).unwrap_err()[0].text.clone()
    };
    let mut gone = people();
    gone["properties"].as_object_mut().unwrap().remove("dh");
    assert_eq!(
        refused(gone),
        "the field \"dh\" is gone, and its values with it"
    );
    assert_eq!(
        refused(people_with("/properties/xm/maxLength", json!(50))),
        "\"xm\" became shorter"
    );
    let integer = json!({"type": "integer", "title": "电话",
        "x-tongban": {"title_en": "Phone", "sensitivity": 2}});
    assert_eq!(
        refused(people_with("/properties/dh", integer)),
        "the type of \"dh\" changed"
    );
    assert_eq!(
        refused(people_with("/required", json!(["gmsfhm", "xm", "dh"]))),
        "\"dh\" became required"
    );
    assert_eq!(
        refused(people_with("/x-tongban/key", json!(["xm"]))),
        "the key was gmsfhm"
    );
}

async fn install(db: &Db, schema: &Value) -> kernel::Result<bool> {
    let document = schema.to_string();
    db.write(move |tx| {
        let document = document.clone();
        async move { registry::install(&tx, &document).await }
    })
    .await
}

#[db_test(migrations = migrations)]
async fn an_upgrade_adds_columns_and_indexes_and_keeps_data(db: Db) {
    let house = house(db).await;
    let fields = json!({"gmsfhm": PERSON, "xm": "张小明", "dh": "13800138000"});
    let stated = house.state("police", "2026-01-01", fields).await.unwrap();
    assert!(
        !install(&house.db, &people()).await.unwrap(),
        "the same again"
    );

    let mut more = people();
    more["properties"]["mz"] = json!({"type": "string", "title": "民族", "maxLength": 2,
        "x-tongban": {"title_en": "Group", "sensitivity": 4, "search": "exact", "authority": ["police"]}});
    merge(
        &mut more["properties"]["dh"]["x-tongban"],
        json!({"search": "prefix"}),
    );
    assert!(install(&house.db, &more).await.unwrap());
    let values = house.values(&stated.record).await;
    assert_eq!(values["dh"], "13800138000");
    let fields = json!({"gmsfhm": PERSON, "mz": "01"});
    house.state("police", "2026-02-01", fields).await.unwrap();
    assert_eq!(house.values(&stated.record).await["mz"], "01");
    let found = registry::record::act::find(
        &house.app,
        &officer("clerk", crate::house::CIVIL),
        "people",
        "13800138000",
        Some("dh"),
        &store::page::PageRequest::default(),
    )
    .await
    .unwrap();
    assert_eq!(found.page.items.len(), 1);

    let error = install(&house.db, &people()).await.unwrap_err();
    let [(place, key)] = findings(&error).try_into().unwrap();
    assert_eq!(
        (place.as_str(), key),
        ("properties", "registry-declaration-incompatible")
    );
    assert_eq!(house.values(&stated.record).await["mz"], "01");
}
