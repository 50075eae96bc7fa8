//! Lists as cities have them, good and bad, on both databases.

use std::io::Write;

use kernel::Error;
use service::{
    import::{Options, Report, into_db as matters},
    matter::{
        self,
        store::{Search, list},
    },
};
use store::Db;

const HEADER: &str = "department,main_item,name,area_code,item_code,task_type,dept_code,link\n";

fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

async fn import(db: &Db, content: &[u8]) -> kernel::Result<Report> {
    matters(db, file(content).path(), &Options::default(), |_| {}).await
}

fn lines(rows: &[&str]) -> String {
    format!("{HEADER}{}", rows.join("\n"))
}

fn keys(report: &Report) -> Vec<(u64, &str, &'static str)> {
    let findings = report.findings.iter();
    findings
        .map(|f| (f.row, f.column.as_str(), f.text.key))
        .collect()
}

const GOOD: &str = "区经信局,未分类,企业投资项目备案,511602000000,511Z07001006,10,11511301008778183N,http://example.com/a";
const OTHER: &str = "区教体局,未分类,学生资助政策咨询,511602000000,512C0053300008,20,083372204,";

#[store::db_test(migrations = service::matter::migrations)]
async fn good_rows_are_listed_in_the_guide_and_a_second_import_changes_nothing(db: Db) {
    let content = lines(&[GOOD, OTHER]);
    let report = import(&db, content.as_bytes()).await.unwrap();
    assert_eq!((report.rows, report.inserted, report.refused), (2, 2, 0));
    assert!(
        report
            .lacks
            .iter()
            .any(|l| l.text.key == "service-check-08" && l.matters == 2)
    );
    let again = import(&db, content.as_bytes()).await.unwrap();
    assert_eq!((again.inserted, again.updated, again.unchanged), (0, 0, 2));

    let listed = matter::lookup_shown(db.read(), "511Z07001006")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(listed.state, matter::State::Listed);
    assert_eq!(listed.task_type.0, "10");
    let refused = matter::get_in_force(db.read(), "511Z07001006").await;
    assert!(matches!(refused, Err(Error::Refused(t)) if t.key == "service-matter-only-listed"));
    let search = Search {
        words: "经信局".into(),
        limit: 5,
        ..Search::default()
    };
    assert_eq!(list(db.read(), &search).await.unwrap().0.len(), 1);

    let renamed = content.replace("学生资助政策咨询", "学生资助咨询");
    let report = import(&db, renamed.as_bytes()).await.unwrap();
    assert_eq!((report.updated, report.unchanged), (1, 1));
}

#[store::db_test(migrations = service::matter::migrations)]
async fn gb18030_and_byte_order_marks_are_understood(db: Db) {
    let text = lines(&[GOOD, OTHER]);
    let (content, ..) = encoding_rs::GB18030.encode(&text);
    let report = import(&db, &content).await.unwrap();
    assert_eq!((report.inserted, report.refused), (2, 0));
    let name = matter::lookup_shown(db.read(), "512C0053300008")
        .await
        .unwrap()
        .unwrap()
        .name;
    assert_eq!(name, "学生资助政策咨询");
    let with_mark = format!("\u{feff}{}", lines(&[GOOD, OTHER]));
    let report = import(&db, with_mark.as_bytes()).await.unwrap();
    assert_eq!(report.unchanged, 2);
}

#[store::db_test(migrations = service::matter::migrations)]
async fn bad_rows_are_reported_by_row_and_column_and_good_ones_kept(db: Db) {
    let content = lines(&[
        GOOD,
        "too,few",
        ",未分类,没有部门,511602000000,A1,10,,",
        "局,未分类,类型错,511602000000,A2,99x,,",
        "局,未分类,区划错,991602,A3,10,,",
        "局,未分类,链接错,511602000000,A4,10,,ftp://x",
        &GOOD.replace("企业投资", "另一个"),
        GOOD,
    ]);
    let report = import(&db, content.as_bytes()).await.unwrap();
    assert_eq!((report.rows, report.inserted, report.refused), (8, 1, 6));
    assert_eq!(
        keys(&report),
        [
            (3, "", "service-import-ragged"),
            (4, "department", "service-import-missing"),
            (5, "task_type", "service-import-type"),
            (6, "area_code", "kernel-region-province"),
            (7, "link", "service-import-link"),
            (8, "item_code", "service-import-duplicate"),
        ]
    );
    assert_eq!(report.unchanged, 1);
}

#[store::db_test(migrations = service::matter::migrations)]
async fn one_bad_row_refuses_all_when_asked_to(db: Db) {
    let content = lines(&[GOOD, "too,few"]);
    let options = Options {
        all_or_nothing: true,
        ..Options::default()
    };
    let path = file(content.as_bytes());
    let report = matters(&db, path.path(), &options, |_| {}).await.unwrap();
    assert!(report.is_refused_whole);
    assert_eq!((report.inserted, report.refused), (0, 2));
    assert!(
        matter::lookup_shown(db.read(), "511Z07001006")
            .await
            .unwrap()
            .is_none()
    );
}

#[store::db_test(migrations = service::matter::migrations)]
async fn chinese_titles_below_a_title_line_are_understood(db: Db) {
    let content = "示范区政务服务事项清单,,,,\n序号,实施主体*,事项名称,实施编码,事项类型\n1,区经信局,备案,B1,行政许可\n";
    let report = import(&db, content.as_bytes()).await.unwrap();
    assert_eq!((report.rows, report.inserted), (1, 1));
    assert_eq!(report.ignored_columns, ["序号"]);
    let listed = matter::lookup_shown(db.read(), "B1")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (listed.dept_name.as_str(), listed.task_type.0.as_str()),
        ("区经信局", "01")
    );
}

#[store::db_test(migrations = service::matter::migrations)]
async fn what_is_no_list_is_refused_with_a_reason(db: Db) {
    for (content, key) in [
        (&b""[..], "sheet-empty"),
        (b"a,b,c\n1,2,3\n", "service-import-no-header"),
        (b"\xd0\xcf\x11\xe0 old", "sheet-old-excel"),
        (b"PK\x03\x04 no zip", "sheet-not-a-workbook"),
        (
            "部门,部门名称,事项名称,事项编码\n".as_bytes(),
            "service-import-column-twice",
        ),
    ] {
        let refused = import(&db, content).await;
        let Err(Error::Invalid(findings)) = refused else {
            panic!("{key}: {refused:?}");
        };
        assert_eq!(findings[0].text.key, key);
    }
}

#[store::db_test(migrations = service::matter::migrations)]
async fn the_real_list_of_a_district_is_taken_whole(db: Db) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/matters/guangan_511602_service_items.csv");
    if !path.exists() {
        return;
    }
    let report = matters(&db, &path, &Options::default(), |_| {})
        .await
        .unwrap();
    assert_eq!(
        (report.rows, report.inserted, report.refused),
        (1135, 1135, 0),
        "{:?}",
        report.findings
    );
}

/// A workbook of one sheet, its cells as inline strings: `rows` of `(column, words)`.
fn workbook(rows: &[(u32, &[(&str, &str)])], merged: &[&str]) -> Vec<u8> {
    use std::fmt::Write;
    let mut sheet = String::from(
        r#"<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>"#,
    );
    for (number, cells) in rows {
        write!(sheet, r#"<row r="{number}">"#).unwrap();
        for (column, words) in *cells {
            write!(
                sheet,
                r#"<c r="{column}{number}" t="inlineStr"><is><t>{words}</t></is></c>"#
            )
            .unwrap();
        }
        sheet.push_str("</row>");
    }
    sheet.push_str("</sheetData><mergeCells>");
    for region in merged {
        write!(sheet, r#"<mergeCell ref="{region}"/>"#).unwrap();
    }
    sheet.push_str("</mergeCells></worksheet>");
    let relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let book = format!(
        r#"<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="{relation}"><sheets><sheet name="清单" sheetId="1" r:id="rId1"/></sheets></workbook>"#
    );
    let relations = format!(
        r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="{relation}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#
    );
    let package = relations
        .replace("/worksheet\"", "/officeDocument\"")
        .replace("worksheets/sheet1.xml", "xl/workbook.xml");
    zip(&[
        ("_rels/.rels", &package),
        ("xl/workbook.xml", &book),
        ("xl/_rels/workbook.xml.rels", &relations),
        ("xl/worksheets/sheet1.xml", &sheet),
    ])
}

/// A zip archive of stored files.
fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let offset = u32::try_from(out.len()).unwrap();
        let size = u32::try_from(content.len()).unwrap();
        let mut head = Vec::new();
        head.extend([20, 0, 0, 8, 0, 0, 0, 0, 0, 0]);
        head.extend(crc32(content.as_bytes()).to_le_bytes());
        head.extend(size.to_le_bytes());
        head.extend(size.to_le_bytes());
        head.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        head.extend([0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&head);
        out.extend(name.as_bytes());
        out.extend(content.as_bytes());
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&head);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, count) = (out.len(), u16::try_from(files.len()).unwrap());
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    out.extend(u32::try_from(start).unwrap().to_le_bytes());
    out.extend([0, 0]);
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

#[store::db_test(migrations = service::matter::migrations)]
async fn a_workbook_with_merged_heads_and_departments_is_understood(db: Db) {
    let book = workbook(
        &[
            (1, &[("A", "示范区事项清单")]),
            (2, &[("A", "部门"), ("B", "事项")]),
            (
                3,
                &[("B", "事项名称"), ("C", "实施编码"), ("D", "事项类型")],
            ),
            (
                4,
                &[("A", "区经信局"), ("B", "备案一"), ("C", "C1"), ("D", "10")],
            ),
            (5, &[("B", "备案二"), ("C", "C2")]),
        ],
        &["A1:D1", "A2:A3", "B2:D2", "A4:A5"],
    );
    let report = import(&db, &book).await.unwrap();
    assert_eq!(
        (report.rows, report.inserted, report.refused),
        (2, 2, 0),
        "{:?}",
        report.findings
    );
    let second = matter::lookup_shown(db.read(), "C2")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(second.dept_name, "区经信局");
}

#[store::db_test(migrations = service::matter::migrations)]
async fn a_workbook_whose_titles_are_merged_away_is_refused(db: Db) {
    let book = workbook(
        &[
            (1, &[("A", "部门 / 事项名称 / 事项编码")]),
            (2, &[("A", "区经信局"), ("B", "备案"), ("C", "C1")]),
        ],
        &["A1:C1"],
    );
    let refused = import(&db, &book).await;
    assert!(
        matches!(refused, Err(Error::Invalid(f)) if f[0].text.key == "service-import-no-header")
    );
}

/// Slow without optimisation, so only on demand: `cargo test -p service --release million -- --ignored`.
#[tokio::test]
#[ignore = "writes a million rows"]
async fn a_million_rows_are_taken_in() {
    let mut content = tempfile::NamedTempFile::new().unwrap();
    content.write_all(HEADER.as_bytes()).unwrap();
    let mut writer = std::io::BufWriter::new(content.as_file_mut());
    for number in 0..1_000_000 {
        writeln!(writer, "区经信局,未分类,企业投资项目备案{number},511602000000,511Z{number:08},10,11511301008778183N,http://example.com/{number}").unwrap();
    }
    writer.flush().unwrap();
    drop(writer);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("million.db").display());
    let settings = store::Settings {
        url,
        ..store::Settings::default()
    };
    let db = Db::open(&settings, std::sync::Arc::new(kernel::SystemClock))
        .await
        .unwrap();
    let mut migrations = store::migrations();
    migrations.extend(matter::migrations());
    store::migrate(&db, migrations).await.unwrap();
    let start = std::time::Instant::now();
    let report = matters(&db, content.path(), &Options::default(), |_| {})
        .await
        .unwrap();
    assert_eq!(report.inserted, 1_000_000);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap_or_default();
    eprintln!("{:?} {peak}", start.elapsed());
    let kilobytes: Option<u64> = peak.split_whitespace().nth(1).and_then(|n| n.parse().ok());
    assert!(kilobytes.is_none_or(|peak| peak < 300_000), "{peak}");
}

#[store::db_test(migrations = crate::world::migrations)]
async fn an_import_leaves_who_which_file_and_what_came_of_it(db: Db) {
    let content = lines(&[GOOD, OTHER, "only,three,cells"]);
    let options = Options {
        by: "user:steward".into(),
        name: "事项清单.csv".into(),
        ..Options::default()
    };
    let file = file(content.as_bytes());
    let report = matters(&db, file.path(), &options, |_| {}).await.unwrap();
    let digest = kernel::crypto::sm3(content.as_bytes())
        .map(|b| format!("{b:02x}"))
        .concat();
    let events = events(&db).await;
    let told: Vec<_> = events
        .iter()
        .map(|(kind, actor, _)| (&**kind, &**actor))
        .collect();
    assert_eq!(
        told,
        [
            ("service.matters_import_begun.v1", "user:steward"),
            ("service.matters_imported.v1", "user:steward")
        ]
    );
    for (_, _, data) in &events {
        assert_eq!(data["digest"], digest.as_str());
        assert_eq!(data["file"], "事项清单.csv");
        assert_eq!(data["import"], events[0].2["import"]);
    }
    let end = &events[1].2;
    assert_eq!(
        (end["rows"].as_u64(), end["inserted"].as_u64()),
        (Some(3), Some(2))
    );
    assert_eq!(end["refused"].as_u64(), Some(report.refused));
    assert!(report.refused > 0);
}

/// Kind, actor and body of every event, in the order of writing.
async fn events(db: &Db) -> Vec<(String, String, serde_json::Value)> {
    use sea_orm::{ConnectionTrait, Statement};
    let sql = "SELECT kind, actor, data FROM store_event ORDER BY seq";
    let statement = Statement::from_string(db.read().get_database_backend(), sql);
    let rows = db.read().query_all_raw(statement).await.unwrap();
    let text = |row: &sea_orm::QueryResult, name: &str| row.try_get::<String>("", name).unwrap();
    rows.iter()
        .map(|row| {
            let data = serde_json::from_str(&text(row, "data")).unwrap();
            (text(row, "kind"), text(row, "actor"), data)
        })
        .collect()
}
