//! The JSON and Arrow doors.

use axum::{body::Body, http::Request};
use std::sync::Arc;

use datafusion::arrow::{
    array::{ArrayRef, DictionaryArray, RecordBatch, StringArray},
    datatypes::Int32Type,
    ipc::{
        CompressionType,
        reader::StreamReader,
        writer::{IpcWriteOptions, StreamWriter},
    },
};
use identity::Actor;
use serde_json::{Value, json};
use store::{Db, db_test};

use crate::house::{
    CIVIL, HEADS, House, INSURANCE, citizen, four_insured, house, migrations, number, officer,
    officer_in, rows,
};

fn post(path: &str, accept: &str, body: &Value) -> Request<Body> {
    Request::post(path)
        .header("content-type", "application/json")
        .header("accept", accept)
        .body(Body::from(body.to_string()))
        .unwrap()
}

async fn get(house: &House, actor: &Actor, path: &str) -> (u16, Value) {
    let (status, body) = house
        .send(actor, Request::get(path).body(Body::empty()).unwrap())
        .await;
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[db_test(migrations = migrations)]
async fn a_question_is_answered_in_json_and_as_arrow(db: Db) {
    let house = house(db).await;
    four_insured(&house).await;
    let actor = officer_in("examiner", CIVIL, "321002");
    let sql = "SELECT xm, jfjs, jfrq, count(*) OVER () n FROM insured ORDER BY xm";
    let body = json!({"sql": sql, "purpose": "核验"});
    let (status, told) = house
        .send(&actor, post("/api/lake/query", "*/*", &body))
        .await;
    let told: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!(status, 200, "{told}");
    assert_eq!(
        told["rows"],
        json!([
            ["张*", null, "2026-01-10", 2],
            ["王*", null, "2025-12-10", 2]
        ])
    );
    assert_eq!(told["hidden"], json!(["insured.jfjs", "insured.xm"]));
    assert_eq!(told["columns"][3], json!({"name": "n", "type": "Int64"}));
    assert_eq!(told["is_cut"], false);
    let cut = json!({"sql": sql, "purpose": "核验", "limit": 1});
    let (_, told) = house
        .send(&actor, post("/api/lake/query", "*/*", &cut))
        .await;
    let told: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!(
        (told["rows"].as_array().unwrap().len(), &told["is_cut"]),
        (1, &json!(true))
    );

    let arrow = "application/vnd.apache.arrow.stream";
    let (status, bytes) = house
        .send(&actor, post("/api/lake/query", arrow, &body))
        .await;
    assert_eq!(status, 200);
    let batches = StreamReader::try_new(bytes.as_slice(), None).unwrap();
    let batches: Vec<RecordBatch> = batches.map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);

    let wrong = json!({"sql": "SELECT nothing FROM insured", "purpose": "核验"});
    for accept in ["application/json", arrow] {
        let (status, told) = house
            .send(&actor, post("/api/lake/query", accept, &wrong))
            .await;
        let told = String::from_utf8(told).unwrap();
        assert_eq!(status, 422, "{told}");
        assert!(
            told.contains("nothing") && told.contains("请检查"),
            "{told}"
        );
    }
    let (status, _) = house
        .send(&citizen(), post("/api/lake/query", "*/*", &body))
        .await;
    assert_eq!(status, 403);
}

fn stream(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

#[db_test(migrations = migrations)]
async fn a_batch_comes_through_the_door_and_leaves_its_report(db: Db) {
    let house = house(db).await;
    let (one, two) = (number(1), number(2));
    let batch = rows(
        HEADS,
        &[
            [&one, "张一", "1", "321002", "1", ""],
            [&two, "李二", "9", "321002", "1", ""],
        ],
    );
    let path = "/api/lake/tables/insured/batches/2026-03-02-001";
    let put = |bytes: Vec<u8>| {
        Request::put(format!("{path}?mode=merge&source=test"))
            .body(Body::from(bytes))
            .unwrap()
    };
    let steward = officer("steward", INSURANCE);
    let (status, _) = house
        .send(&officer("steward", CIVIL), put(stream(&batch)))
        .await;
    assert_eq!(status, 403, "another department's table");
    let whole = stream(&batch);
    let (status, told) = house
        .send(&steward, put(whole[..whole.len() / 2].to_vec()))
        .await;
    assert_eq!(status, 422, "{}", String::from_utf8_lossy(&told));
    let (status, told) = house.send(&steward, put(whole.clone())).await;
    let told: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!(
        (status, &told["good"], &told["bad"]),
        (200, &json!(1), &json!(1)),
        "{told}"
    );
    let (_, again) = house.send(&steward, put(whole)).await;
    let again: Value = serde_json::from_slice(&again).unwrap();
    assert_eq!(again["is_repeat"], true);

    let (status, report) = get(&house, &steward, path).await;
    assert_eq!(
        (status, &report["set_aside"][0]["reason"]),
        (200, &json!("code")),
        "{report}"
    );
    let (_, list) = get(&house, &steward, "/api/lake/tables/insured/batches").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let (status, _) = get(&house, &officer("clerk", CIVIL), path).await;
    assert_eq!(status, 403);
}

fn packed(batch: &RecordBatch, packing: CompressionType) -> Vec<u8> {
    let options = IpcWriteOptions::default();
    let options = options.try_with_compression(Some(packing)).unwrap();
    let mut writer =
        StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

/// Says of every packed buffer that it is so long.
fn claiming(mut stream: Vec<u8>, magic: [u8; 4], length: i64) -> Vec<u8> {
    let places: Vec<usize> = (8..stream.len() - 4)
        .filter(|at| stream[*at..at + 4] == magic)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        stream[at - 8..at].copy_from_slice(&length.to_le_bytes());
    }
    stream
}

#[db_test(migrations = migrations)]
async fn a_body_that_would_fill_the_memory_is_refused_undecoded(db: Db) {
    const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    const LZ4: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
    let house = house(db).await;
    let steward = officer("steward", INSURANCE);
    let put = async |number: usize, body: Vec<u8>| {
        let path = format!("/api/lake/tables/insured/batches/b-{number}?mode=append");
        let request = Request::put(path).body(Body::from(body)).unwrap();
        let (status, told) = house.send(&steward, request).await;
        (status, String::from_utf8(told).unwrap())
    };
    let codes = vec!["321002".repeat(50); 4000];
    let column = |name: &str, array: ArrayRef| RecordBatch::try_from_iter([(name, array)]).unwrap();
    let batch = column("xzqh", Arc::new(StringArray::from(codes)));
    let zeros = column("xm", Arc::new(StringArray::from(vec!["0".repeat(3 << 20)])));
    let long = "x".repeat(1 << 20);
    let many: DictionaryArray<Int32Type> = std::iter::repeat_n(long.as_str(), 4000).collect();
    let many = column("xm", Arc::new(many));
    let (zstd, lz4) = (CompressionType::ZSTD, CompressionType::LZ4_FRAME);
    let bodies = [
        claiming(packed(&batch, zstd), ZSTD, 1 << 46),
        claiming(packed(&batch, zstd), ZSTD, 1 << 27),
        claiming(packed(&batch, lz4), LZ4, 1 << 40),
        claiming(packed(&batch, zstd), ZSTD, -7),
        stream(&many),
    ];
    for (number, body) in bodies.into_iter().enumerate() {
        let (status, told) = put(number, body).await;
        assert_eq!(status, 422, "{number}: {told}");
        let word = if number == 3 { "读取" } else { "256" };
        assert!(told.contains(word), "{number}: {told}");
    }
    // What is honest passes, however it is packed; the rows lack the key, and are set aside.
    for (number, body) in [packed(&zeros, lz4), packed(&zeros, zstd), stream(&zeros)]
        .into_iter()
        .enumerate()
    {
        let (_, told) = put(10 + number, body).await;
        assert!(
            told.contains("lake-batch-key-missing") || told.contains("主键"),
            "{told}"
        );
    }
}

#[db_test(migrations = migrations)]
async fn lineage_runs_from_the_source_to_the_question(db: Db) {
    let house = house(db).await;
    four_insured(&house).await;
    let actor = officer("supervisor", CIVIL);
    for sql in [
        "SELECT gmsfhm FROM insured",
        "SELECT gmsfhm, xbdm FROM insured",
    ] {
        house.ask(&actor, sql).await.unwrap();
    }
    let steward = officer("steward", INSURANCE);
    house
        .ask(&steward, "SELECT gmsfhm FROM insured")
        .await
        .unwrap();
    let (status, told) = get(&house, &steward, "/api/lake/tables/insured/lineage").await;
    assert_eq!(status, 200, "{told}");
    let number = &told[0];
    assert_eq!(number["resource"], "jiangcheng/insured");
    assert_eq!(number["source_column"], "SFZHM");
    let uses: Vec<_> = number["used_by"]
        .as_array()
        .unwrap()
        .iter()
        .map(|u| {
            (
                u["org"].as_str().unwrap(),
                u["questions"].as_i64(),
                u["whole"].as_i64(),
            )
        })
        .collect();
    assert_eq!(
        uses,
        [(INSURANCE, Some(1), Some(1)), (CIVIL, Some(2), Some(0))]
    );
    let (_, uses) = get(&house, &steward, "/api/lake/tables/insured/uses").await;
    assert_eq!(uses["items"].as_array().unwrap().len(), 3);
    let (status, _) = get(
        &house,
        &officer("examiner", CIVIL),
        "/api/lake/tables/insured/uses",
    )
    .await;
    assert_eq!(status, 403);
    let (_, tables) = get(&house, &officer("clerk", CIVIL), "/api/lake/tables").await;
    assert_eq!(tables.as_array().unwrap().len(), 2);
}

#[db_test(migrations = migrations)]
async fn small_files_are_put_together_and_the_history_stays(db: Db) {
    let house = house(db).await;
    for n in 1..=5 {
        let one = number(n);
        let batch = rows(HEADS, &[[&one, "张一", "1", "321002", "1", ""]]);
        let announced = crate::house::delivery("insured", &format!("b-{n}"), lake::Mode::Append);
        house.take(&announced, vec![batch]).await.unwrap();
    }
    let files = || {
        let folder = std::fs::read_dir(house.path("insured")).unwrap();
        let is_data = |name: &std::ffi::OsStr| name.to_string_lossy().ends_with(".parquet");
        folder
            .filter(|f| is_data(&f.as_ref().unwrap().file_name()))
            .count()
    };
    assert_eq!(files(), 5);
    let all = house.dump("insured", None).await;
    let (compacted, removed) = lake::maintain(&house.app, &Actor::system(), "insured")
        .await
        .unwrap();
    assert_eq!((compacted, removed), (5, 0));
    assert_eq!(files(), 6, "earlier versions can be asked for thirty days");
    assert_eq!(house.dump("insured", None).await, all);
    assert_eq!(house.dump("insured", Some(2)).await.len(), 2);
}
