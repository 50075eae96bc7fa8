//! How fast the lake takes and joins: `join FOLDER ROWS HOUSEHOLDS` fills two tables and asks a join
//! and group of them; prints a line of JSON. `bench/lake.py` runs it beside `DuckDB` on the same files.

use std::{path::PathBuf, sync::Arc, time::Instant};

use datafusion::arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use futures::StreamExt;
use identity::{Actor, Gate};
use lake::{Delivery, Door, Lake, Mode, OnBad, Question, Settings, Table};
use store::Db;
use web::{App, Texts};

const BATCH: i64 = 65_536;
const REPEATS: usize = 5;

const HOUSEHOLDS: &str = r#"
id = "households"
title = { zh = "家庭（合成）", en = "Households (synthetic)" }
columns = [
    { id = "id", title = { zh = "编号", en = "Number" }, type = "integer" },
    { id = "region", title = { zh = "区划", en = "Region" }, type = "text" },
]
"#;
const PAYMENTS: &str = r#"
id = "payments"
title = { zh = "发放（合成）", en = "Payments (synthetic)" }
columns = [
    { id = "household", title = { zh = "家庭", en = "Household" }, type = "integer" },
    { id = "month", title = { zh = "月", en = "Month" }, type = "integer" },
    { id = "fen", title = { zh = "金额", en = "Amount" }, type = "integer" },
]
rules = [
    { id = "month", column = "month", check = "range", least = 1, most = 12 },
    { id = "paid", column = "fen", check = "required" },
]
"#;
const JOIN: &str = "SELECT h.region, p.month, count(*) n, sum(p.fen) fen FROM payments p \
    JOIN households h ON p.household = h.id GROUP BY h.region, p.month ORDER BY 1, 2";

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("join FOLDER ROWS HOUSEHOLDS");
    let folder = PathBuf::from(next()?);
    let (rows, households) = (next()?.parse::<i64>()?, next()?.parse::<i64>()?);
    let app = house(&folder).await?;
    let count = households;
    take(&app, HOUSEHOLDS, households, move |n| home(n, count)).await?;
    let begin = Instant::now();
    take(&app, PAYMENTS, rows, move |n| payment(n, households)).await?;
    let take_s = begin.elapsed().as_secs_f64();
    let take_peak_mb = peak_mb();
    forget_peak();
    let mut times = Vec::new();
    let mut groups = 0;
    for _ in 0..REPEATS {
        let begin = Instant::now();
        groups = ask(&app).await?;
        times.push(begin.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let join_s = times.get(REPEATS / 2).copied().unwrap_or_default();
    let rate = f64::from(i32::try_from(rows)?) / take_s;
    let join_peak_mb = peak_mb();
    eprintln!(
        "{{\"join_s\": {join_s}, \"join_peak_mb\": {join_peak_mb}, \"groups\": {groups}, \"take_rows_per_s\": {rate}, \"take_peak_mb\": {take_peak_mb}, \"sql\": \"{JOIN}\"}}"
    );
    Ok(())
}

/// Lets the peak begin anew at what is held now, where the system can.
fn forget_peak() {
    drop(std::fs::write("/proc/self/clear_refs", "5"));
}

/// The most memory that this process held since then; 0 where the system does not tell.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() / 1024
}

async fn house(folder: &std::path::Path) -> Result<App, Error> {
    let url = format!("sqlite://{}", folder.join("bench.db").display());
    let settings = store::Settings {
        url,
        ..store::Settings::default()
    };
    let db = Db::open(&settings, Arc::new(kernel::SystemClock)).await?;
    let mut migrations = store::migrations();
    migrations.extend(lake::migrations());
    store::migrate(&db, migrations).await?;
    let app = App::new(db.clone(), web::Settings::default(), Texts::new([]));
    let settings = Settings {
        query_seconds: 600,
        ..Settings::default()
    };
    app.put(Lake::open(db, settings, folder)?);
    app.put(Gate::of(identity::POLICIES.iter().copied())?);
    Ok(app)
}

async fn take(
    app: &App,
    declared: &str,
    rows: i64,
    batch: impl Fn(std::ops::Range<i64>) -> Result<RecordBatch, Error> + Send + Sync,
) -> Result<(), Error> {
    let table: Table = toml::from_str(declared)?;
    let actor = Actor::system();
    lake::declare(app, &actor, &table).await?;
    let delivery = Delivery {
        table: table.id.clone(),
        id: "all".into(),
        mode: Mode::Append,
        on_bad: OnBad::SetAside,
        source: "synthetic".into(),
    };
    let schema = batch(0..0)?.schema();
    let starts = (0..rows).step_by(usize::try_from(BATCH)?);
    let batches = starts.map(|start| {
        batch(start..(start + BATCH).min(rows))
            .map_err(|e| kernel::Fault::caused_by("make rows", e).into())
    });
    lake::take(
        app,
        &actor,
        &delivery,
        schema,
        futures::stream::iter(batches),
    )
    .await?;
    Ok(())
}

/// The same number for the same place, spread as if by chance.
fn scatter(place: i64) -> i64 {
    place
        .wrapping_mul(6_364_136_223_846_793_005)
        .rotate_left(29)
        & i64::MAX
}

fn home(rows: std::ops::Range<i64>, count: i64) -> Result<RecordBatch, Error> {
    let region = |n: i64| Some(format!("3210{:02}", scatter(n) % 20));
    let regions: StringArray = rows.clone().map(region).collect();
    let ids: Int64Array = rows.map(|n| Some(n % count)).collect();
    let text = Field::new("region", DataType::Utf8, true);
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, true), text]);
    let columns: Vec<ArrayRef> = vec![Arc::new(ids), Arc::new(regions)];
    Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
}

fn payment(rows: std::ops::Range<i64>, households: i64) -> Result<RecordBatch, Error> {
    let number = |of: fn(i64, i64) -> i64| -> ArrayRef {
        let values = rows.clone().map(|n| Some(of(n, households)));
        Arc::new(values.collect::<Int64Array>())
    };
    let columns = vec![
        number(|n, households| scatter(n) % households),
        number(|n, _| 1 + n % 12),
        number(|n, _| scatter(n + 7) % 1_000_000),
    ];
    let fields = ["household", "month", "fen"].map(|name| Field::new(name, DataType::Int64, true));
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields.to_vec())),
        columns,
    )?)
}

async fn ask(app: &App) -> Result<usize, Error> {
    let question = Question {
        sql: JOIN.into(),
        purpose: "bench".into(),
        as_of: None,
        door: Door::Stream,
        most: u64::MAX,
    };
    let mut answer = lake::ask(app, &Actor::system(), &question).await?;
    let mut groups = 0;
    while let Some(batch) = answer.rows.next().await {
        groups += batch?.num_rows();
    }
    Ok(groups)
}
