//! Lists in and out.

use std::path::PathBuf;

use catalog::{
    resource::{act, store::Filter},
    table::{
        export::{Format, export},
        import::{Options, Report, import},
    },
};
use store::{Db, db_test};

use crate::house::{House, MARKET, URBAN, findings, good, house, migrations};

fn file(house: &House, name: &str, bytes: &[u8]) -> PathBuf {
    let path = house.folder().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

async fn take(house: &House, path: &std::path::Path, options: Options) -> kernel::Result<Report> {
    let writer = house.actor("writer").await;
    import(&house.app, &writer, path, &options).await
}

fn market() -> Options {
    Options {
        provider: MARKET.into(),
        ..Options::default()
    }
}

const HEAD: &str = "类,项分类,目分类,信息资源名称,信息资源代码,信息资源摘要,信息资源格式分类,信息资源格式类型,信息项名称,数据类型,数据长度,共享类型,共享条件/不予共享依据,共享范围,共享方式分类,共享方式类型,是否向社会开放,更新周期,发布日期,备注";
/// The cells of a good resource from its abstract on, with one item.
fn rest(item: &str, length: &str) -> String {
    format!(
        "企业的登记信息，覆盖全市，每日更新。,数据库,PostgreSQL,{item},C,{length},有条件共享,审批核验,审批部门,共享平台,数据库,否,每日,2026/3/1,"
    )
}

#[db_test(migrations = migrations)]
async fn a_list_is_taken_in_resource_by_resource_with_a_report(db: Db) {
    let house = house(db).await;
    let rows = [
        "附表一 目录".to_owned(),
        HEAD.to_owned(),
        format!("法人类不对,02,001,甲,,{}", rest("编号", "18")),
        format!(
            "基础信息资源类,法人单位基础信息资源,企业,乙,,{}",
            rest("编号", "18")
        ),
        ",,,,,,,,名称,C,,,,,,,,,,".to_owned(),
        format!("1,02,001,丙,,{}", rest("编号", "18")),
        ",,,,,,,,名称,C,100,,,,,,,,,".to_owned(),
        format!("1,02,001,丁,102001/000500,{}", rest("编号", "20")),
        format!("1,02,001,丁,,{}", rest("名称", "20")),
        format!(
            "1,02,001,戊,,{}",
            rest("编号", "20").replace("2026/3/1", "三月")
        ),
    ];
    let path = file(&house, "list.csv", rows.join("\n").as_bytes());
    let look = Options {
        dry_run: true,
        ..market()
    };
    let looked = take(&house, &path, look).await.unwrap();
    assert!(!looked.is_written);
    let report = take(&house, &path, market()).await.unwrap();
    assert_eq!(
        (looked.inserted, looked.refused),
        (report.inserted, report.refused)
    );
    assert_eq!((report.rows, report.entries), (8, 5));
    assert_eq!(
        (report.inserted, report.refused),
        (2, 3),
        "{:#?}",
        report.findings
    );
    assert_eq!(report.ignored_columns, ["备注"]);
    let told: Vec<_> = report
        .findings
        .iter()
        .map(|f| (f.row, f.column.as_str(), f.text.key))
        .collect();
    assert_eq!(
        told,
        [
            (10, "发布日期", "catalog-import-day"),
            (3, "目分类", "catalog-rule-class-form"),
            (5, "数据长度", "catalog-rule-item-length"),
        ]
    );
    assert_eq!(report.findings[0].value, "三月");
    assert!(report.findings[2].message.contains("长度"));

    let again = take(&house, &path, market()).await.unwrap();
    assert_eq!((again.inserted, again.updated, again.unchanged), (0, 0, 2));
    let writer = house.actor("writer").await;
    let page = store::page::PageRequest::new(None, None);
    let all = act::list(&house.app, &writer, &Filter::default(), &page)
        .await
        .unwrap();
    let names: Vec<_> = all.items.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["丁", "丙"]);
    let kept = all.items[1].working().unwrap();
    assert_eq!(kept.items.len(), 2);
    assert_eq!((kept.share_type.as_str(), kept.cycle.as_str()), ("2", "2"));
    submitted_together(&house).await;
}

/// What was taken in can be submitted at once; a draft with a mistake cannot.
async fn submitted_together(house: &House) {
    let writer = house.actor("writer").await;
    let bad = catalog::Metadata {
        cycle: "99".into(),
        ..good("有错")
    };
    act::create(&house.app, &writer, bad).await.unwrap();
    let body = serde_json::json!({"provider": MARKET});
    let clerk = house.actor("clerk").await;
    let path = "/api/catalog/submissions";
    assert_eq!(house.post(&clerk, path, body.clone()).await.0, 403);
    let (_, done) = house.post(&writer, path, body).await;
    let expected = serde_json::json!({"submitted": 2, "faulty": 1, "left": 0});
    assert_eq!(done, expected);
}

#[db_test(migrations = migrations)]
async fn all_or_nothing_writes_nothing_for_one_wrong_resource(db: Db) {
    let house = house(db).await;
    let rows = [
        HEAD.to_owned(),
        format!("1,02,001,甲,,{}", rest("编号", "18")),
        format!("1,02,001,乙,,{}", rest("编号", "零")),
    ];
    let path = file(&house, "list.csv", rows.join("\n").as_bytes());
    let strict = Options {
        all_or_nothing: true,
        ..market()
    };
    let report = take(&house, &path, strict).await.unwrap();
    assert_eq!((report.refused, report.is_written), (1, false));
    let writer = house.actor("writer").await;
    assert_eq!(act::quality(&house.app, &writer).await.unwrap().entries, 0);
    // Another department's list is refused resource by resource.
    let foreign = Options {
        provider: URBAN.into(),
        ..Options::default()
    };
    let report = take(&house, &path, foreign).await.unwrap();
    assert_eq!((report.inserted, report.refused), (0, 2));
    assert_eq!(report.findings[0].text.key, "catalog-import-provider");
    for (bytes, key) in [
        (&b""[..], "sheet-empty"),
        (b"a,b\n1,2\n", "catalog-import-no-header"),
        (b"PK\x03\x04 no zip", "sheet-not-a-workbook"),
    ] {
        let path = file(&house, "bad", bytes);
        let error = take(&house, &path, market()).await.unwrap_err();
        assert_eq!(findings(&error), [("file".to_owned(), key)]);
    }
}

#[db_test(migrations = migrations)]
async fn a_file_of_who_describes_nothing_is_not_read(db: Db) {
    let house = house(db).await;
    let path = file(&house, "list.csv", b"a,b\n1,2\n");
    let clerk = house.actor("clerk").await;
    let error = import(&house.app, &clerk, &path, &market()).await;
    assert!(matches!(error, Err(kernel::Error::Forbidden { .. })));
    let upload = |login: &'static str| {
        let body = "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\na,b\r\n--x--\r\n";
        let request = axum::http::Request::post("/api/catalog/import")
            .header("content-type", "multipart/form-data; boundary=x")
            .body(axum::body::Body::from(body))
            .unwrap();
        let house = &house;
        async move { house.ask(&house.actor(login).await, request).await.0 }
    };
    assert_eq!(upload("clerk").await, 403);
    assert_eq!(upload("writer").await, 422);
}

#[db_test(migrations = migrations)]
async fn what_is_exported_is_imported_again_without_a_change(db: Db) {
    let house = house(db).await;
    let mut entry = good("=企业,\"登记\"\n第二行");
    entry.items[0].code_table = String::new();
    entry.items[0].level = "2".into();
    entry.items[1].field = "entname".into();
    entry.alt_identifier = "-7".into();
    house.published(entry).await;
    let writer = house.actor("writer").await;
    for format in [Format::Xlsx, Format::Csv] {
        let bytes = export(&house.app, &writer, &Filter::default(), format)
            .await
            .unwrap();
        let path = file(&house, "out", &bytes);
        let report = take(&house, &path, Options::default()).await.unwrap();
        assert_eq!(
            (report.entries, report.unchanged),
            (1, 1),
            "{format:?} {:#?}",
            report.findings
        );
    }
    let hidden = Filter {
        q: "没有".into(),
        ..Filter::default()
    };
    let bytes = export(&house.app, &writer, &hidden, Format::Csv)
        .await
        .unwrap();
    assert_eq!(
        String::from_utf8(bytes).unwrap().lines().count(),
        1,
        "the header"
    );
}

/// The size of a city's catalog: 3,000 resources of ten items. Slow without optimisation, so only on
/// demand: `cargo test -p catalog --release three_thousand -- --ignored --nocapture`.
#[ignore = "reads and checks 60,000 rows"]
#[db_test(migrations = migrations)]
async fn three_thousand_entries_take_seconds(db: Db) {
    let house = house(db).await;
    let mut rows: Vec<Vec<String>> = vec![HEAD.split(',').map(str::to_owned).collect()];
    for n in 0..3000 {
        for item in 0..10 {
            let rest = rest(&format!("信息项{item}"), "18");
            let row = format!("1,02,001,资源{n},,{rest}");
            rows.push(row.split(',').map(str::to_owned).collect());
        }
    }
    let path = file(&house, "city.xlsx", &sheet::xlsx("目录", rows).unwrap());
    let began = std::time::Instant::now();
    let report = take(&house, &path, market()).await.unwrap();
    let first = began.elapsed();
    assert_eq!((report.rows, report.inserted), (30_000, 3000));
    let began = std::time::Instant::now();
    let again = take(&house, &path, market()).await.unwrap();
    assert_eq!(again.unchanged, 3000);
    eprintln!("3,000 entries: {first:?}, again {:?}", began.elapsed());
    assert!(first.as_secs() < 60, "{first:?}");
}
