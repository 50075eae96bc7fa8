//! `tongban link`: which rows of a table are about the same person or body.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context as _, bail};
use chrono::NaiveDate;
use clap::Args;
use linkage::{Input, Model, Options, Records, Scored, probability};

use crate::out;

#[derive(Args)]
pub struct Arguments {
    /// CSV (UTF-8 or GB18030) or XLSX, the first row being the names of the columns
    file: PathBuf,
    /// Compare with the rows of this file instead of each other
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Which columns tell what: id, number, name, sex, birth, phone, address
    #[arg(
        long,
        default_value = "id=bh,number=gmsfhm,name=xm,sex=xbdm,birth=csrq,phone=lxdh,address=jzdz",
        value_name = "ROLE=COLUMN,…"
    )]
    columns: String,
    /// Folder for pairs.csv, clusters.csv and model.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Rows from this probability on are one
    #[arg(long, default_value_t = 0.99, value_name = "P")]
    link_from: f64,
    /// Pairs below this probability are not written
    #[arg(long, default_value_t = 0.01, value_name = "P")]
    keep_from: f64,
    #[arg(long, default_value_t = 2, value_name = "N")]
    threads: usize,
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Today; people born later have a wrong number
    #[arg(long, value_name = "YYYY-MM-DD")]
    today: Option<NaiveDate>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// What is printed.
#[derive(serde::Serialize)]
struct Report {
    records: usize,
    candidates: u64,
    skipped: u64,
    pairs: usize,
    linked: u64,
    clusters: usize,
    read_s: f64,
    train_s: f64,
    score_s: f64,
    seconds: f64,
    peak_mb: u64,
}

const ROLES: [&str; 7] = ["id", "number", "name", "sex", "birth", "phone", "address"];

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let (link_from, keep_from) = (weight(arguments.link_from)?, weight(arguments.keep_from)?);
    let mut records = Records::new(spell, arguments.today.unwrap_or_else(today));
    read(&arguments.file, &arguments.columns, 0, &mut records)?;
    if let Some(other) = &arguments.against {
        read(other, &arguments.columns, 1, &mut records)?;
    }
    records.finish();
    let read_s = begun.elapsed().as_secs_f64();
    let options = Options {
        threads: arguments.threads.max(1),
        seed: arguments.seed,
        least_weight: keep_from,
        is_between_sides: arguments.against.is_some(),
        ..Options::default()
    };
    let bar = out::progress(0, "records");
    let progress = |done: u64, all: u64| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let at = Instant::now();
    let model = linkage::train(&records, &options, &progress);
    let train_s = at.elapsed().as_secs_f64();
    let at = Instant::now();
    let scored = linkage::score(&records, &model, &options, &progress);
    let score_s = at.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let clusters = write(&arguments.out, &records, &model, &scored, link_from)?;
    let report = Report {
        records: records.len(),
        candidates: scored.candidates,
        skipped: scored.skipped,
        pairs: scored.pairs.len(),
        linked: scored.linked(link_from),
        clusters,
        read_s,
        train_s,
        score_s,
        seconds: begun.elapsed().as_secs_f64(),
        peak_mb: peak_mb(),
    };
    if arguments.json {
        out::json(&report)?;
    } else {
        out::line(format!(
            "{} rows, {} pairs weighed, {} linked: {} persons or bodies, in {:.1} s",
            report.records, report.candidates, report.linked, report.clusters, report.seconds
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn today() -> NaiveDate {
    kernel::clock::Clock::today(&kernel::SystemClock)
}

fn spell(name: &str) -> String {
    registry::pinyin::spell(name).0
}

fn weight(probability: f64) -> anyhow::Result<f64> {
    if probability <= 0.0 || probability >= 1.0 {
        bail!("{probability} is no probability above 0 and below 1");
    }
    Ok((probability / (1.0 - probability)).log2())
}

/// Where the column of each role stands.
fn places(head: &[String], columns: &str) -> anyhow::Result<HashMap<&'static str, usize>> {
    let mut places = HashMap::new();
    for pair in columns.split(',').filter(|pair| !pair.is_empty()) {
        let (role, column) = pair
            .split_once('=')
            .with_context(|| format!("--columns: \"{pair}\" is not role=column"))?;
        let role = ROLES
            .into_iter()
            .find(|known| *known == role)
            .with_context(|| {
                format!("--columns: use one of {} for \"{role}\"", ROLES.join(", "))
            })?;
        let place = head.iter().position(|name| name.trim() == column);
        if let Some(place) = place {
            places.insert(role, place);
        }
    }
    for needed in ["id", "name"] {
        if !places.contains_key(needed) {
            bail!("no column tells the {needed}; say which by --columns {needed}=…");
        }
    }
    Ok(places)
}

fn read(file: &Path, columns: &str, side: u8, records: &mut Records) -> anyhow::Result<()> {
    let mut places_of: Option<HashMap<&'static str, usize>> = None;
    let mut wrong = None;
    sheet::rows(file, &mut |row, _| {
        let Some(known) = &places_of else {
            match self::places(&row.cells, columns) {
                Ok(found) => places_of = Some(found),
                Err(error) => wrong = Some(error),
            }
            return Ok(wrong.is_none());
        };
        let of = |role: &str| {
            let cell = known.get(role).and_then(|place| row.cells.get(*place));
            cell.map_or("", String::as_str)
        };
        let input = Input {
            number: of("number"),
            name: of("name"),
            sex: of("sex"),
            birth: of("birth"),
            phone: of("phone"),
            address: of("address"),
        };
        records.add(of("id"), side, &input);
        Ok(true)
    })
    .with_context(|| format!("cannot read {}", file.display()))?;
    match wrong {
        Some(error) => Err(error.context(format!("cannot read {}", file.display()))),
        None => Ok(()),
    }
}

/// Writes what was found; answers how many clusters there are.
fn write(
    dir: &Path,
    records: &Records,
    model: &Model,
    scored: &Scored,
    link_from: f64,
) -> anyhow::Result<usize> {
    std::fs::create_dir_all(dir)?;
    std::fs::write(dir.join("model.json"), serde_json::to_vec_pretty(model)?)?;
    let mut pairs = csv::Writer::from_path(dir.join("pairs.csv"))?;
    pairs.write_record(["left", "right", "weight", "probability", "key"])?;
    for pair in &scored.pairs {
        let (weight, sure) = (
            format!("{:.4}", pair.weight),
            format!("{:.6}", probability(pair.weight)),
        );
        pairs.write_record([
            records.id(pair.left),
            records.id(pair.right),
            &weight,
            &sure,
            if pair.is_key { "1" } else { "0" },
        ])?;
    }
    pairs.flush()?;
    let linked = scored.pairs.iter().filter(|p| p.is_linked(link_from));
    let heads = linkage::clusters(records.len(), linked.map(|p| (p.left, p.right)));
    let mut clusters = csv::Writer::from_path(dir.join("clusters.csv"))?;
    clusters.write_record(["id", "cluster"])?;
    let mut count = 0;
    for (record, head) in (0_u32..).zip(&heads) {
        count += usize::from(record == *head);
        clusters.write_record([records.id(record), records.id(*head)])?;
    }
    clusters.flush()?;
    Ok(count)
}

/// The most memory that this process ever held, where the system tells it.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}
