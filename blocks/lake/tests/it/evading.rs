//! Questions that try to read what they may not, or to bring the server down.

use std::fmt::Write;

use identity::Actor;
use store::{Db, db_test};

use crate::house::{
    CIVIL, House, INSURANCE, delivery, four_insured, house, keys, migrations, number, officer,
    officer_in, rows,
};

/// Sees two of four rows, masked.
fn outsider() -> Actor {
    officer_in("examiner", CIVIL, "321002")
}

async fn a_house(db: Db) -> House {
    let house = house(db).await;
    four_insured(&house).await;
    let batch = rows(["gmsfhm", "je"], &[[&number(1), "100"]]);
    house
        .take(&delivery("benefits", "b", lake::Mode::Append), vec![batch])
        .await
        .unwrap();
    house
}

#[db_test(migrations = migrations)]
async fn no_way_of_writing_it_shows_a_masked_value_or_a_hidden_row(db: Db) {
    let house = a_house(db).await;
    let whole = [number(1), number(2), number(3), number(4)];
    let ways = [
        "SELECT * FROM insured",
        "SELECT gmsfhm || '' FROM insured",
        "SELECT (SELECT max(gmsfhm) FROM insured)",
        "SELECT max(gmsfhm), min(xm), max(jfjs) FROM insured",
        "SELECT x FROM (SELECT gmsfhm x FROM insured) t",
        "WITH t AS (SELECT * FROM insured) SELECT array_agg(gmsfhm), string_agg(xm, ',') FROM t",
        "SELECT substr(gmsfhm, 7, 8), reverse(xm), md5(gmsfhm), ascii(xm) FROM insured",
        "SELECT i FROM insured i",
        "SELECT array_agg(i) FROM insured i",
        "SELECT gmsfhm FROM insured UNION ALL SELECT xm FROM insured",
        "SELECT a.gmsfhm FROM insured a JOIN benefits b ON a.gmsfhm = b.gmsfhm",
        "SELECT first_value(gmsfhm) OVER (ORDER BY jfjs) FROM insured",
        "SELECT gmsfhm FROM insured ORDER BY gmsfhm LIMIT 1",
        "SELECT gmsfhm FROM tongban.lake.insured",
        "SELECT \"gmsfhm\" FROM \"insured\"",
        "SELECT encode(gmsfhm::bytea, 'base64') FROM insured",
        "SELECT named_struct('a', gmsfhm), struct(xm) FROM insured",
        "SELECT arrow_cast(gmsfhm, 'LargeUtf8') FROM insured",
        "SELECT CASE WHEN true THEN gmsfhm END FROM insured",
        "SELECT gmsfhm FROM insured WHERE xzqh = '321003' OR 1 = 1",
        "SELECT gmsfhm FROM insured i WHERE EXISTS (SELECT 1 FROM insured j WHERE j.xm = i.xm)",
        "SELECT t.gmsfhm FROM insured i, LATERAL (SELECT i.gmsfhm) t",
        "SELECT unnest(make_array(gmsfhm, xm)) FROM insured",
        "SELECT gmsfhm FROM benefits",
    ];
    for sql in ways {
        // What the engine does not know is as good an answer as a masked one.
        let Ok(told) = house.ask(&outsider(), sql).await else {
            continue;
        };
        let told = format!("{told:?}");
        for number in &whole {
            assert!(!told.contains(number.as_str()), "{sql}: {told}");
            let digits: Vec<char> = number.chars().collect();
            assert!(
                !told.contains(&digits[6..14].iter().collect::<String>()),
                "{sql}: {told}"
            );
        }
        for name in [
            "张一",
            "李二",
            "王三",
            "欧阳四海",
            "李",
            "欧阳",
            "一张",
            "49999",
            "5000",
            "6000",
        ] {
            assert!(!told.contains(name), "{sql}: {told}");
        }
    }
}

#[db_test(migrations = migrations)]
async fn conditions_compare_with_what_is_seen(db: Db) {
    let house = a_house(db).await;
    let count = async |condition: &str| {
        let sql = format!("SELECT count(*) FROM insured WHERE {condition}");
        house.ask(&outsider(), &sql).await.unwrap()[0][0].clone()
    };
    assert_eq!(count("true").await, "2", "rows of others are not counted");
    assert_eq!(count("xm = '张一'").await, "0");
    assert_eq!(count(&format!("gmsfhm = '{}'", number(1))).await, "0");
    assert_eq!(count("gmsfhm LIKE '32100219900101%'").await, "0");
    assert_eq!(count("jfjs > 0").await, "0");
    assert_eq!(count("jfjs IS NULL").await, "2");
    assert_eq!(count("xzqh = '321003'").await, "0");
    assert_eq!(
        count("xm IN (SELECT xm FROM insured WHERE xm LIKE '张%')").await,
        "1"
    );
    // Who sees all rows, masked: the same holds where no filter is in the way.
    let supervisor = officer("supervisor", CIVIL);
    let sql = "SELECT count(*) FROM insured WHERE xm = '张一' OR jfjs = 49999";
    assert_eq!(house.ask(&supervisor, sql).await.unwrap()[0][0], "0");
}

#[db_test(migrations = migrations)]
async fn an_error_or_a_delay_tells_nothing_of_hidden_rows(db: Db) {
    let house = a_house(db).await;
    // Divides by zero at a row of another district, and at a name as it is unmasked.
    let ways = [
        "SELECT count(*) FROM insured WHERE 1 / (CASE WHEN xzqh = '321003' THEN 0 ELSE 1 END) > 0",
        "SELECT 1 / (CASE WHEN xm = '欧阳四海' THEN 0 ELSE 1 END) FROM insured",
        "SELECT count(*) FROM insured WHERE xzqh <> '321003' OR CAST(xbdm || 'x' AS INT) > 0",
        "SELECT sum(1 / (CASE WHEN jfrq = DATE '2026-02-20' THEN 0 ELSE 1 END)) FROM insured",
    ];
    for sql in ways {
        let told = house.ask(&outsider(), sql).await;
        assert!(told.is_ok(), "{sql}: {told:?}");
    }
    // What fails on a value tells the kind of mistake, and no value.
    let error = house
        .ask(&outsider(), "SELECT CAST(xm AS INT) FROM insured")
        .await
        .unwrap_err();
    assert_eq!(keys(&error), ["lake-sql-value"]);
    assert!(!format!("{error:?}").contains('张'), "{error:?}");
    // The plan shows the filter below a barrier that no condition passes.
    let error = house
        .ask(&outsider(), "EXPLAIN SELECT * FROM insured")
        .await
        .unwrap_err();
    assert_eq!(keys(&error), ["lake-sql-not-select"], "plans name files");
}

#[db_test(migrations = migrations)]
async fn a_table_that_is_not_for_him_sounds_like_none(db: Db) {
    let house = a_house(db).await;
    let secret = crate::house::INSURED.replace("id = \"insured\"", "id = \"secret\"");
    lake::declare(&house.app, &Actor::system(), &crate::house::table(&secret))
        .await
        .unwrap();
    let forbid = r#"forbid (principal, action == Action::"lake.query", resource == LakeTable::"secret") when { principal.kind == "officer" };"#;
    let module = lake::module(&house.app).unwrap();
    let policies = module.policies.iter().chain(identity::POLICIES).copied();
    let policies = policies.chain([("more.cedar", forbid)]);
    house
        .app
        .part::<identity::Gate>()
        .unwrap()
        .load(policies.collect::<Vec<_>>())
        .unwrap();
    for name in [
        "secret",
        "nothing",
        "lake_query",
        "information_schema.tables",
        "store_event",
    ] {
        let sql = format!("SELECT count(*) FROM {name}");
        let error = house.ask(&outsider(), &sql).await.unwrap_err();
        assert_eq!(keys(&error), ["lake-sql-table"], "{name}");
        let hidden = format!("SELECT 1 WHERE EXISTS (SELECT 1 FROM {name})");
        assert_eq!(
            keys(&house.ask(&outsider(), &hidden).await.unwrap_err()),
            ["lake-sql-table"]
        );
    }
    let path = house.path("insured");
    let file = format!("SELECT * FROM '{}'", path.display());
    assert!(house.ask(&outsider(), &file).await.is_err());
    let error = house
        .ask(&outsider(), "SELECT colour FROM insured")
        .await
        .unwrap_err();
    assert_eq!(keys(&error), ["lake-sql-unfit"]);
}

#[db_test(migrations = migrations)]
async fn nothing_but_one_select_is_taken(db: Db) {
    let house = a_house(db).await;
    let ways = [
        "DELETE FROM insured",
        "UPDATE insured SET xm = ''",
        "INSERT INTO insured SELECT * FROM insured",
        "DROP TABLE insured",
        "CREATE VIEW v AS SELECT * FROM insured",
        "CREATE TABLE t AS SELECT * FROM insured",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "COPY insured TO '/tmp/out.csv'",
        "SET datafusion.catalog.information_schema = true",
        "SHOW TABLES",
        "EXPLAIN ANALYZE SELECT 1",
        "SELECT 1; SELECT 2",
        "PREPARE p AS SELECT 1",
        "SELECT * INTO t FROM insured",
        "SELECT * FROM read_csv('/etc/passwd')",
        "",
        "SELEC 1",
    ];
    let steward = officer("steward", INSURANCE);
    for sql in ways {
        let error = house.ask(&steward, sql).await.expect_err(sql);
        assert!(keys(&error)[0].starts_with("lake-sql-"), "{sql}: {error:?}");
    }
    assert_eq!(house.dump("insured", None).await.len(), 4);
}

/// `WITH` within `WITH`, so many times.
fn within(levels: usize) -> String {
    (0..levels).fold("SELECT 1".into(), |inner, n| {
        format!("WITH a{n} AS ({inner}) SELECT 1")
    })
}

#[db_test(migrations = migrations)]
async fn queries_within_one_another_are_counted_once_and_bounded(db: Db) {
    let house = a_house(db).await;
    assert!(house.ask(&outsider(), &within(5)).await.is_ok());
    let start = std::time::Instant::now();
    let nested = (0..40).fold("SELECT 1 x".to_owned(), |inner, n| {
        format!("SELECT * FROM ({inner}) t{n}")
    });
    for sql in [within(24), within(40), nested] {
        let error = house.ask(&outsider(), &sql).await.unwrap_err();
        let key = keys(&error)[0];
        assert!(["lake-sql-large", "lake-sql-unfit"].contains(&key), "{key}");
    }
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

/// Every level puts the text of the one before together ten times.
fn swelling(with: &str, levels: usize, seed: usize) -> String {
    let mut sql = format!("WITH t0 AS (SELECT '{}' t)", "x".repeat(seed));
    for n in 1..=levels {
        write!(sql, ", t{n} AS (SELECT {with} t FROM t{})", n - 1).unwrap();
    }
    sql + &format!(" SELECT max(length(t)) FROM t{levels}")
}

#[db_test(migrations = migrations)]
async fn text_does_not_swell_however_it_is_put_together(db: Db) {
    let house = a_house(db).await;
    let ten = ["t"; 10].join(",");
    let listed = format!("array_to_string([{ten}], '')");
    let joined = format!("concat({ten})");
    let chained = ["t"; 10].join(" || ");
    let nested = format!("concat({})", vec![format!("concat({ten})"); 10].join(","));
    let between = "array_to_string(string_to_array(t, ''), t)".to_owned();
    let hexed = "encode(encode(encode(encode(encode(t::bytea, 'hex')::bytea, 'hex')::bytea, 'hex')::bytea, 'hex')::bytea, 'hex')".to_owned();
    let inside = format!(
        "(SELECT concat({ten}) FROM (SELECT concat({ten}) t FROM (SELECT {listed} t) a) b)"
    );
    for (with, levels, seed) in [
        (&listed, 4, 10_000),
        (&listed, 3, 10),
        (&joined, 3, 10),
        (&joined, 1, 10_000),
        (&chained, 3, 10),
        (&nested, 2, 10),
        (&between, 1, 10_000),
        (&hexed, 1, 10),
        (&inside, 1, 10),
        (&"struct(t, t, t, t, t, t, t, t)".to_owned(), 3, 10),
    ] {
        let sql = swelling(with, levels, seed);
        let error = house.ask(&outsider(), &sql).await.unwrap_err();
        assert_eq!(keys(&error), ["lake-sql-large"], "{with}");
    }
    // What people ask for is answered.
    for (with, levels, length) in [
        (&listed, 2, "1000"),
        (&joined, 2, "1000"),
        (&chained, 2, "1000"),
    ] {
        let told = house.ask(&outsider(), &swelling(with, levels, 10)).await;
        assert_eq!(told.unwrap()[0][0], length, "{with}");
    }
    let label = "WITH a AS (SELECT xm || '（' || xzqh || '）' || coalesce(xbdm, '') AS l FROM insured) \
        SELECT string_agg(l || ';' || l, '、'), array_to_string(array_agg(l), ',') FROM a";
    house.ask(&outsider(), label).await.unwrap();
}

#[db_test(migrations = migrations)]
async fn long_rows_are_stopped_where_they_are_made(db: Db) {
    let settings = lake::Settings {
        query_memory_mb: 64,
        ..lake::Settings::default()
    };
    let house = crate::house::house_with(db, settings).await;
    let digits = "(VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9))";
    // Ten thousand rows of 500 characters, gathered into one.
    let from = format!("{digits} a(x), {digits} b(x), {digits} c(x), {digits} d(x)");
    let gathered = |seed: usize| {
        let text = "x".repeat(seed);
        format!("SELECT length(string_agg(t, '')) FROM (SELECT '{text}' || a.x t FROM {from}) s")
    };
    let error = house.ask(&outsider(), &gathered(499)).await.unwrap_err();
    assert_eq!(keys(&error), ["lake-query-memory"]);
    let told = house.ask(&outsider(), &gathered(99)).await.unwrap();
    assert_eq!(told[0][0], "1000000");
    // Many long rows go by in pieces.
    let fifty = ["t"; 50].join(",");
    let many = format!(
        "SELECT max(length(u)) FROM (SELECT concat({fifty}) u, x FROM (SELECT '{}' || a.x t, a.x FROM {from}) s) v WHERE u NOT LIKE '%yy%'",
        "x".repeat(499)
    );
    assert_eq!(house.ask(&outsider(), &many).await.unwrap()[0][0], "25000");
}

#[db_test(migrations = migrations)]
async fn bombs_do_not_go_off(db: Db) {
    let house = a_house(db).await;
    let mut doubling = String::from("WITH t0 AS (SELECT 1 x)");
    let mut growing = String::from("WITH t0 AS (SELECT 'xxxxxxxxxx' x)");
    for n in 1..40 {
        let m = n - 1;
        write!(doubling, ", t{n} AS (SELECT a.x FROM t{m} a, t{m} b)").unwrap();
        write!(growing, ", t{n} AS (SELECT x || x AS x FROM t{m})").unwrap();
    }
    let nested = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    let chain = |n| format!("SELECT 1{}", "+1".repeat(n));
    let bombs = [
        (format!("{doubling} SELECT * FROM t39"), true),
        (format!("{growing} SELECT length(x) FROM t39"), true),
        (
            format!("SELECT * FROM ({doubling} SELECT * FROM t39) z"),
            true,
        ),
        ("SELECT repeat('x', 2000000000)".into(), true),
        ("SELECT lpad('x', 2000000000)".into(), true),
        (
            "SELECT * FROM generate_series(1, 1000000000000)".into(),
            true,
        ),
        ("SELECT range(1, 1000000000000)".into(), true),
        (
            "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT * FROM t"
                .into(),
            true,
        ),
        (nested, true),
        (chain(9_900), true),
        (chain(250), false),
        ("SELECT '".to_owned() + &"x".repeat(30_000) + "'", true),
    ];
    for (sql, is_refused) in bombs {
        let start = std::time::Instant::now();
        let told = house.ask(&outsider(), &sql).await;
        assert!(start.elapsed().as_secs() < 20, "{}", &sql[..60]);
        if is_refused {
            assert!(told.is_err(), "{}", &sql[..60.min(sql.len())]);
        }
    }
    assert_eq!(house.ask(&outsider(), "SELECT 1").await.unwrap()[0][0], "1");
}
