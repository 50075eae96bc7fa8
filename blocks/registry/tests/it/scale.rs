//! Rates and response times by size: `TONGBAN_SCALE_ROWS=1000000` for a large registry; a few
//! thousand rows otherwise, so that the measuring itself is kept working.

use std::{
    io::{BufWriter, Write},
    time::{Duration, Instant},
};

use ::store::{Db, db_test};
use registry::{
    Registries,
    batch::{
        Mode,
        act::{Loading, load},
    },
    record::store,
    search::plans,
};
use sea_orm::ConnectionTrait;

use crate::{
    house::{POLICE, house, migrations, officer},
    reading::explain,
};

fn rows() -> u32 {
    let given = std::env::var("TONGBAN_SCALE_ROWS").ok();
    given.and_then(|n| n.parse().ok()).unwrap_or(5_000)
}

fn number(n: u32) -> String {
    let day =
        chrono::NaiveDate::from_ymd_opt(1930, 1, 1).unwrap() + chrono::Days::new((n / 900).into());
    let sequence = u16::try_from(n % 900 + 1).unwrap();
    kernel::code::citizen::build("320000", day, sequence).unwrap()
}

fn name(n: u32) -> String {
    let family: Vec<char> = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张"
        .chars()
        .collect();
    let given =
        |k: u32| char::from_u32(0x4e00 + (n.wrapping_mul(2_654_435_761) >> k) % 6000).unwrap();
    format!(
        "{}{}{}",
        family[n as usize % family.len()],
        given(3),
        given(11)
    )
}

fn rate(rows: u32, took: Duration) -> f64 {
    f64::from(rows) / took.as_secs_f64()
}

#[db_test(migrations = migrations)]
async fn a_large_registry_loads_fast_and_answers_at_once(db: Db) {
    let house = house(db).await;
    let rows = rows();
    let file = tempfile::NamedTempFile::new().unwrap();
    {
        let mut out = BufWriter::new(&file);
        writeln!(out, "gmsfhm,xm,xbdm,csrq,dh").unwrap();
        for n in 0..rows {
            writeln!(
                out,
                "{},{},{},1990-01-01,138{n:08}",
                number(n),
                name(n),
                n % 2 + 1
            )
            .unwrap();
        }
    }
    let loading = Loading {
        registry: "people".into(),
        source: "police".into(),
        batch: "scale".into(),
        mode: Mode::KeepGood,
        valid_from: None,
    };
    let began = Instant::now();
    let steward = officer("steward", POLICE);
    let batch = load(&house.app, &steward, &loading, file.path())
        .await
        .unwrap();
    let took = began.elapsed();
    assert_eq!((batch.inserted, batch.refused), (i64::from(rows), 0));
    eprintln!(
        "{:?}: loaded {rows} rows, {:.0} a second",
        house.db.engine(),
        rate(rows, took)
    );
    house
        .db
        .write(|tx| async move {
            tx.execute_unprepared("ANALYZE").await.unwrap();
            Ok(())
        })
        .await
        .unwrap();

    let registries = house.app.part::<Registries>().unwrap();
    let db = house.db.read();
    let declaration = registries.declaration(db, "people").await.unwrap();
    let samples: Vec<u32> = (0..500).map(|k: u32| k.wrapping_mul(7919) % rows).collect();
    let mut times = Vec::new();
    for n in &samples {
        let began = Instant::now();
        let row = store::find_by_key(db, &declaration, &number(*n))
            .await
            .unwrap();
        times.push(began.elapsed());
        assert!(row.is_some());
    }
    report("key", &mut times);
    for (kind, of) in [("name", 3), ("pinyin", 0)] {
        let mut times = Vec::new();
        for n in &samples {
            let query = match of {
                0 => registry::pinyin::spell(&name(*n)).0,
                _ => name(*n),
            };
            let plan = &plans(&declaration, &query, None).unwrap()[0];
            let began = Instant::now();
            let found = store::search(db, &declaration, plan, 51).await.unwrap();
            times.push(began.elapsed());
            assert!(!found.is_empty(), "{query}");
        }
        report(kind, &mut times);
    }
    for query in ["王", "wang", "320000", ""] {
        let plan = explain(&house, query, None).await;
        eprintln!("{query}: {plan}");
        assert!(
            !plan.contains("Seq Scan") && !plan.contains("TEMP B-TREE"),
            "{plan}"
        );
    }
}

fn report(kind: &str, times: &mut [Duration]) {
    times.sort();
    let at = |share: usize| times[times.len() * share / 1000];
    eprintln!("{kind}: p50 {:?}, p99 {:?}", at(500), at(990));
}
