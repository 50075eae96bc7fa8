use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use store::{Db, db_test};

use crate::{
    house::{CIVIL, House, PERSON, POLICE, citizen, house, migrations, officer},
    loading::number,
};

async fn a_person(house: &House) -> String {
    let body = json!({"source": "police", "valid_from": "2026-01-01", "reason": "登记",
        "fields": {"gmsfhm": PERSON, "xm": "张小明", "dh": 13_800_138_000_i64, "csrq": "19900101"}});
    let steward = officer("steward", POLICE);
    let (status, answer) = house
        .post(&steward, "/api/registry/people/records", body)
        .await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["is_new"], true);
    answer["record"].as_str().unwrap().to_owned()
}

#[db_test(migrations = migrations)]
async fn programs_see_masked_values_unless_they_tell_the_purpose(db: Db) {
    let house = house(db).await;
    let id = a_person(&house).await;
    let examiner = officer("examiner", CIVIL);
    let path = format!("/api/registry/people/lookup?key={PERSON}");
    let (status, masked) = house.get(&examiner, &path).await;
    assert_eq!(status, 200, "{masked}");
    assert_eq!(masked["id"], id);
    let value = |answer: &Value, field: &str| {
        let fields = answer["fields"].as_array().unwrap().iter();
        let found = fields
            .clone()
            .find(|f| f["field"] == field)
            .unwrap()
            .clone();
        (found["value"].clone(), found["source"].clone())
    };
    assert_eq!(value(&masked, "xm"), (json!("张*明"), json!("police")));
    assert_eq!(value(&masked, "gmsfhm").0, "320000********0039");
    assert_eq!(value(&masked, "csrq").0, "1990-**-**");
    assert!(!masked.to_string().contains("张小明"));

    let (status, refused) = house.get(&examiner, &format!("{path}&unmask=true")).await;
    assert_eq!(status, 422, "{refused}");
    let purpose = "&purpose=%E6%A0%B8%E9%AA%8C&unmask=true";
    let (status, whole) = house.get(&examiner, &format!("{path}{purpose}")).await;
    assert_eq!(status, 200);
    assert_eq!(value(&whole, "xm").0, "张小明");
    let (status, _) = house
        .get(&officer("clerk", CIVIL), &format!("{path}{purpose}"))
        .await;
    assert_eq!(status, 403);
    let (status, _) = house.get(&citizen(PERSON), &path).await;
    assert_eq!(status, 403, "the public has its own page");
    let (status, reads) = house
        .get(&citizen(PERSON), "/api/registry-reads/mine")
        .await;
    assert_eq!((status, reads["items"].as_array().unwrap().len()), (200, 2));

    let clerk = officer("clerk", CIVIL);
    let (_, found) = house
        .get(&clerk, "/api/registry/people/records?q=zxm")
        .await;
    assert_eq!(found["items"][0]["values"]["xm"], "张*明");
    let path = format!("/api/registry/people/records/{id}/history");
    let (_, history) = house.get(&clerk, &path).await;
    assert_eq!(history[0]["fields"]["xm"], "张*明");
}

#[db_test(migrations = migrations)]
async fn a_file_comes_through_the_door_and_is_answered_row_by_row(db: Db) {
    let house = house(db).await;
    let csv = format!(
        "gmsfhm,xm\n{},张一\n{},张二\nX,张三\n",
        number(1),
        number(2)
    );
    let put = async |org: &str, mode: &str| {
        let path = format!("/api/registry/people/batches/p-1?source=police&mode={mode}");
        let request = Request::put(path)
            .header("content-type", "text/csv")
            .header("accept-language", "zh-CN")
            .body(Body::from(csv.clone()))
            .unwrap();
        house.ask(&officer("steward", org), request).await
    };
    let (status, _) = put(CIVIL, "keep_good").await;
    assert_eq!(status, 403, "another source's file");
    let (status, report) = put(POLICE, "keep_good").await;
    assert_eq!(status, 200, "{report}");
    assert_eq!(report["batch"]["inserted"], 2);
    assert_eq!(report["refusals"][0]["row"], 4);
    assert_eq!(report["refusals"][0]["column"], "gmsfhm");
    let text = report["refusals"][0]["text"].as_str().unwrap();
    assert!(text.contains("18"), "{text}");
    let (status, _) = put(POLICE, "all_or_nothing").await;
    assert_eq!(status, 409, "the number was used in another way");
}

#[db_test(migrations = migrations)]
async fn an_objection_goes_its_way_through_the_doors(db: Db) {
    let house = house(db).await;
    let id = a_person(&house).await;
    let me = citizen(PERSON);
    let path = format!("/api/registry/people/records/{id}/objections");
    let body = json!({"field": "xm", "expected": "张晓明", "reason": "身份证上为晓"});
    let (status, raised) = house.post(&me, &path, body.clone()).await;
    assert_eq!(status, 200, "{raised}");
    assert_eq!(
        house
            .post(&citizen(crate::house::OTHER), &path, body)
            .await
            .0,
        404
    );
    let path = format!(
        "/api/registry-objections/{}",
        raised["id"].as_str().unwrap()
    );
    let steps = format!("{path}/steps");
    let examiner = officer("examiner", POLICE);
    let (_, seen) = house.get(&examiner, &path).await;
    assert_eq!(seen["expected_value"], "张晓明", "the source compares");
    assert_eq!(house.get(&me, &path).await.1["current_value"], "张*明");
    let step = |step: &str, version: i64, value: &str| json!({"step": step, "version": version, "text": "经核对应为晓", "value": value});
    let (status, _) = house.post(&examiner, &steps, step("accept", 1, "")).await;
    assert_eq!(status, 200);
    let (status, _) = house
        .post(&examiner, &steps, step("find_wrong", 1, "张晓明"))
        .await;
    assert_eq!(status, 409, "an old version");
    let (status, _) = house
        .post(&examiner, &steps, step("find_wrong", 2, "张晓明"))
        .await;
    assert_eq!(status, 200);
    let chief = officer("approver", POLICE);
    let (status, done) = house.post(&chief, &steps, step("approve", 3, "")).await;
    assert_eq!((status, done["state"].as_str()), (200, Some("corrected")));
    assert_eq!(house.values(&id).await["xm"], "张晓明");
}
