//! Rows of `PostgreSQL` by `COPY`, and that they are those that the ODBC driver tells.

use std::{path::Path, sync::Arc};

use arrow::{array::AsArray, compute::cast, datatypes::DataType};
use exchange::{
    data::chunk,
    node::{
        chunk_file,
        config::{Config, Publication, Source},
        read::{self, Reading},
        source::{self, Plan},
    },
    wire::BatchKind,
};
use kernel::ManualClock;
use store::{Db, db_test};

use crate::{
    drivers::postgres,
    house::{CIVIL, House, POLICE, migrations, rows, sql},
};

fn native() -> String {
    std::env::var("TONGBAN_TEST_POSTGRES").unwrap()
}

/// A type of the server, values of it, and the types that a publication may make of them.
const TYPES: [(&str, &[&str], &[&str]); 33] = [
    ("BOOLEAN", &["TRUE", "FALSE"], &[BOOLEAN, TEXT]),
    ("SMALLINT", &["-32768", "7"], &[INTEGER, TEXT, FLOAT, SUM]),
    ("INTEGER", &["-2147483648", "7"], &[INTEGER, TEXT, FLOAT]),
    (
        "BIGINT",
        &["-9223372036854775808", "9223372036854775807"],
        &[INTEGER, TEXT],
    ),
    ("REAL", &["0.1", "-1500", "'NaN'", "'Infinity'"], &[FLOAT]),
    (
        "DOUBLE PRECISION",
        &["0.1", "-1e-300", "'NaN'", "'-Infinity'"],
        &[FLOAT],
    ),
    (
        "NUMERIC(12,2)",
        &["0", "-0.01", "9999999999.99", "12.30"],
        &[SUM, COARSE, INTEGER, TEXT, FLOAT],
    ),
    (
        "NUMERIC(20,0)",
        &["0", "99999999999999999999"],
        &["{ decimal = { digits = 20, scale = 0 } }", TEXT, SUM],
    ),
    (
        "NUMERIC(38,10)",
        &["0.0000000001", "-9999999999999999999999999999.9999999999"],
        &["{ decimal = { digits = 38, scale = 10 } }"],
    ),
    ("MONEY", &["'1234.50'", "'-0.01'"], &[SUM]),
    (
        "DATE",
        &[
            "'0001-01-01'",
            "'1969-12-31'",
            "'2000-02-29'",
            "'9999-12-31'",
        ],
        &[DATE, TEXT, MOMENT],
    ),
    (
        "TIMESTAMP",
        &[
            "'0001-01-01'",
            "'1969-12-31 23:59:59.999999'",
            "'9999-12-31 23:59:59'",
        ],
        &[MOMENT, DATE],
    ),
    (
        "TIMESTAMPTZ",
        &[
            "'2026-03-02 09:00:00.123456+08'",
            "'1999-12-31 20:00:00+00'",
        ],
        &[MOMENT, DATE],
    ),
    ("VARCHAR(20)", &["''", "'张😀'", "' x '"], &[TEXT]),
    (
        "VARCHAR(20)",
        &["'２０２６．３．２'", "'20260302'", "'x'"],
        &[DATE],
    ),
    ("CHAR(5)", &["'ab'", "'张'"], &[TEXT]),
    (
        "TEXT",
        &[
            "'a' || chr(9) || 'b' || chr(10) || '\\'",
            "repeat('长', 1000)",
            "'12.5'",
        ],
        &[TEXT, SUM],
    ),
    ("NAME", &["'x'"], &[TEXT]),
    ("\"char\"", &["'x'"], &[TEXT]),
    ("UUID", &["'019c8f2e-0000-7000-8000-000000000002'"], &[TEXT]),
    ("JSON", &["'{\"a\" : [1, null]}'"], &[TEXT]),
    ("JSONB", &["'{\"a\" : [1, null]}'"], &[TEXT]),
    ("INET", &["'10.1.2.3/24'", "'::1'"], &[TEXT]),
    ("CIDR", &["'10.1.2.0/24'"], &[TEXT]),
    ("MACADDR", &["'08:00:2b:01:02:03'"], &[TEXT]),
    ("INT[]", &["'{1,NULL,3}'"], &[TEXT]),
    ("TEXT[]", &["'{a,\"b c\"}'"], &[TEXT]),
    ("INT4RANGE", &["'[1,5)'"], &[TEXT]),
    ("POINT", &["'(1,2.5)'"], &[TEXT]),
    ("TSVECTOR", &["'a b'"], &[TEXT]),
    ("BYTEA", &["'abc'::bytea"], &[TEXT]),
    ("TIME", &["'09:00:00'", "'23:59:59'"], &[TEXT]),
    ("INTERVAL", &["'1 day 02:03:04'"], &[TEXT]),
];
const TEXT: &str = "\"text\"";
const INTEGER: &str = "\"integer\"";
const FLOAT: &str = "\"float\"";
const BOOLEAN: &str = "\"boolean\"";
const DATE: &str = "\"date\"";
const MOMENT: &str = "\"timestamp\"";
const SUM: &str = "{ decimal = { digits = 14, scale = 2 } }";
const COARSE: &str = "{ decimal = { digits = 14, scale = 1 } }";

fn publication(connection: &str, more: &str, table: &str, kind: &str) -> Publication {
    let settings = format!(
        "[[publication]]\ncode = \"all\"\ntitle = \"各种类型（合成）\"\nkey = [\"id\"]\n\
         source = {{ kind = \"database\", connection = \"{connection}\", table = \"{table}\"{more} }}\n\
         columns = [{{ name = \"id\", type = \"integer\", required = true }}, {{ name = \"v\", type = {kind} }}]\n"
    );
    Config::parse(&settings).unwrap().publications.remove(0)
}

/// What is sent of a publication, and what is refused.
fn told(folder: &Path, publication: &Publication) -> Vec<String> {
    let reading = Reading {
        publication: publication.clone(),
        plan: Plan {
            kind: BatchKind::Full,
            since: None,
        },
        files: Vec::new(),
        resent: Vec::new(),
        met: std::collections::HashSet::new(),
        node: "police".into(),
        batch: "b".into(),
        sequence: 1,
        folder: folder.to_owned(),
        chunk_bytes: 1 << 20,
    };
    let ready = read::read(&reading, None).unwrap();
    let mut all = Vec::new();
    for place in 0..ready.manifest.chunks.len() {
        let bytes = std::fs::read(chunk_file(folder, place)).unwrap();
        for batch in chunk::read(bytes.into(), &publication.shape().schema()).unwrap() {
            let columns = batch.columns().iter();
            let columns: Vec<_> = columns.map(|c| cast(c, &DataType::Utf8).unwrap()).collect();
            for row in 0..batch.num_rows() {
                let cells = columns.iter().map(AsArray::as_string::<i32>);
                let cells = cells.map(|c| c.iter().nth(row).flatten().unwrap_or("-").to_owned());
                all.push(cells.collect::<Vec<_>>().join("|"));
            }
        }
    }
    let refused = ready
        .refused
        .iter()
        .map(|r| format!("{} {}", r.row, r.reason));
    all.extend(refused);
    all.push(ready.manifest.checksum.to_string());
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_comes_as_by_odbc() {
    let Some(odbc) = postgres() else {
        eprintln!("skipped: TONGBAN_TEST_POSTGRES is not set");
        return;
    };
    let compare = move || {
        let dir = tempfile::tempdir().unwrap();
        let shanghai = odbc.replace("client_encoding TO 'UTF8'", "TIME ZONE 'Asia/Shanghai'");
        let mut differing = Vec::new();
        for (n, (kind, values, becomes)) in TYPES.iter().enumerate() {
            let mark = kernel::id::new_v7(chrono::Utc::now()).simple();
            let table = format!("copied_{n}_{mark}");
            let mut rows: Vec<String> = values.iter().map(|v| format!("({v})::{kind}")).collect();
            rows.push("NULL".into());
            let rows = rows.iter().enumerate();
            let rows: Vec<String> = rows.map(|(id, v)| format!("({id}, {v})")).collect();
            sql(
                &odbc,
                &[
                    &format!("CREATE TABLE {table} (id INTEGER PRIMARY KEY, v {kind})"),
                    &format!("INSERT INTO {table} VALUES {}", rows.join(", ")),
                ],
            );
            for becomes in *becomes {
                let by_odbc = if *kind == "TIMESTAMPTZ" {
                    &shanghai
                } else {
                    &odbc
                };
                let by_odbc = publication(by_odbc, "", &table, becomes);
                let zone = ", time_zone = \"Asia/Shanghai\"";
                let by_copy = publication(&native(), zone, &table, becomes);
                let [by_odbc, by_copy] =
                    [by_odbc, by_copy].map(|p| told(&dir.path().join("out"), &p));
                assert!(by_copy.len() > values.len());
                if by_odbc != by_copy {
                    differing.push(format!(
                        "{kind} as {becomes}:\n  {by_odbc:?}\n  {by_copy:?}"
                    ));
                }
            }
            sql(&odbc, &[&format!("DROP TABLE {table}")]);
        }
        assert!(differing.is_empty(), "{}", differing.join("\n"));
    };
    tokio::task::spawn_blocking(compare).await.unwrap();
}

/// Where the ODBC driver loses something, `COPY` does not; what no type holds is refused.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_driver_cannot_tell_comes_whole() {
    let Some(odbc) = postgres() else {
        eprintln!("skipped: TONGBAN_TEST_POSTGRES is not set");
        return;
    };
    let compare = move || {
        let dir = tempfile::tempdir().unwrap();
        let mark = kernel::id::new_v7(chrono::Utc::now()).simple();
        let table = format!("whole_{mark}");
        let check = |kind: &str, values: &[&str], becomes: &str, expected: &[&str]| {
            let rows = values.iter().enumerate();
            let rows: Vec<String> = rows.map(|(id, v)| format!("({id}, {v})")).collect();
            sql(
                &odbc,
                &[
                    &format!("CREATE TABLE {table} (id INTEGER PRIMARY KEY, v {kind})"),
                    &format!("INSERT INTO {table} VALUES {}", rows.join(", ")),
                ],
            );
            let mut all = told(dir.path(), &publication(&native(), "", &table, becomes));
            all.pop();
            assert_eq!(all, expected, "{kind}");
            sql(&odbc, &[&format!("DROP TABLE {table}")]);
        };
        let wide = "{ decimal = { digits = 30, scale = 12 } }";
        check(
            "NUMERIC",
            &["1.5", "0.000000000001", "'NaN'", "12345678901234567"],
            wide,
            &[
                "0|1.500000000000",
                "1|0.000000000001",
                "3|12345678901234567.000000000000",
                "3 exchange-row-number",
            ],
        );
        check(
            "DATE",
            &[
                "'2026-03-02'",
                "'infinity'",
                "'0044-03-15 BC'",
                "'0001-01-01'",
            ],
            DATE,
            &[
                "0|2026-03-02",
                "3|0001-01-01",
                "2 exchange-row-date",
                "3 exchange-row-date",
            ],
        );
        check(
            "TIMESTAMP",
            &["'-infinity'", "'2026-03-02 09:00:00.5'"],
            MOMENT,
            &["1|2026-03-02T09:00:00.500", "1 exchange-row-date"],
        );
        let real = ["0|-15000000000.0", "1|0.1"];
        check("REAL", &["-1.5e10", "0.1"], FLOAT, &real);
        check("OID", &["4294967295"], TEXT, &["0|4294967295"]);
        let long = "长".repeat(3000);
        let whole = format!("0|{long}");
        check("TEXT", &[&format!("'{long}'")], TEXT, &[&whole]);

        // A moment with a time zone is on no clock until one is named.
        sql(
            &odbc,
            &[&format!("CREATE TABLE {table} (id INTEGER, v TIMESTAMPTZ)")],
        );
        let unzoned = publication(&native(), "", &table, MOMENT);
        let Source::Odbc(source) = &unzoned.source else {
            panic!()
        };
        let plan = Plan {
            kind: BatchKind::Full,
            since: None,
        };
        let trouble = source::table::read(&unzoned, source, &plan, &mut |_, _| Ok(()));
        let trouble = trouble.unwrap_err().to_string();
        assert!(trouble.contains("time_zone"), "{trouble}");
        sql(&odbc, &[&format!("DROP TABLE {table}")]);
    };
    tokio::task::spawn_blocking(compare).await.unwrap();
}

/// By a moment with a time zone that rises, from a view with an expression in it.
#[db_test(migrations = migrations)]
async fn changes_come_by_copy(db: Db, clock: Arc<ManualClock>) {
    let Some(odbc) = postgres() else {
        eprintln!("skipped: TONGBAN_TEST_POSTGRES is not set");
        return;
    };
    let house = House::open(db, &clock).await;
    let mark = kernel::id::new_v7(chrono::Utc::now()).simple();
    let (from, to) = (format!("source_{mark}"), format!("target_{mark}"));
    sql(
        &odbc,
        &[
            &format!(
                "CREATE TABLE {from} (id BIGINT PRIMARY KEY, a TEXT, gone BOOLEAN, changed TIMESTAMPTZ)"
            ),
            &format!(
                "INSERT INTO {from} SELECT n, 'x' || n, FALSE, TIMESTAMPTZ '2026-03-02 09:00:00+08' FROM generate_series(1, 5) n"
            ),
        ],
    );
    let url = native();
    let settings = format!(
        "[[publication]]\ncode = \"all\"\ntitle = \"变化（合成）\"\nkey = [\"id\"]\nevery_seconds = 0\n\
         source = {{ kind = \"database\", connection = \"{url}\", table = \"{from}\", watermark = \"changed\", overlap = 0, deleted = \"gone\", time_zone = \"Asia/Shanghai\" }}\n\
         columns = [{{ name = \"id\", type = \"integer\", required = true }}, {{ name = \"a\", from = \"upper(a) || '%'\" }}]\n"
    );
    let target = format!(
        "[[target]]\npublication = \"all\"\nconnection = \"{url}\"\ntable = \"{to}\"\ncreate = true\n"
    );
    let mut provider = house.node("police", POLICE, &settings).await;
    let mut subscriber = house.node("civil", CIVIL, &target).await;
    provider.round(false).await.unwrap();
    house.publish("all").await;
    house.subscribe("all", "civil").await;
    for change in [
        "SELECT 1".to_owned(),
        format!("UPDATE {from} SET a = 'y', changed = '2026-03-02 01:00:01+00' WHERE id = 2"),
        format!("UPDATE {from} SET gone = TRUE, changed = '2026-03-02 01:00:02+00' WHERE id = 3"),
    ] {
        sql(&odbc, &[&change]);
        assert_eq!(provider.round(true).await.unwrap().sent, 1, "{change}");
        subscriber.round(false).await.unwrap();
        let there = rows(&odbc, &format!("SELECT id, a FROM {to} ORDER BY id"));
        let source = format!("SELECT id, upper(a) || '%' FROM {from} WHERE NOT gone ORDER BY id");
        assert_eq!(there, rows(&odbc, &source));
    }
    // What carries the last mark is told once more, and then no more.
    provider.round(true).await.unwrap();
    assert_eq!(provider.round(true).await.unwrap().sent, 0);
    sql(
        &odbc,
        &[&format!("DROP TABLE {from}"), &format!("DROP TABLE {to}")],
    );
}
