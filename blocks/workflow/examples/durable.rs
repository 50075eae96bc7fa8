//! How many durable instances a second one server completes, and how long one task takes.
//!
//! `cargo run --release -p workflow --example durable -- rate URL [instances] [at once]`
//! begins and completes three-branch parallel approvals on an empty database, with the sealer at
//! work beside them. `… -- fill URL [instances] [due soon]` puts waiting instances with three timers
//! each into a migrated database; the timers of some are due half a minute later.
//! `… -- many URL [tasks]` begins one instance with that many tasks at once on an empty database and
//! completes one after the other.
//! The result is one JSON line on standard output.

use std::{
    error::Error,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use kernel::{
    SystemClock,
    crypto::{GuoMi, Suite},
};
use serde_json::{Map, Value, json};
use store::{Db, Settings, page::PageRequest};
use tokio_util::sync::CancellationToken;
use workflow::{Engine, Filter, InstanceId, Officer, Task};

type Failed = Box<dyn Error + Send + Sync>;

const HEAD: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:tongban="https://tongban.dev/bpmn" id="d" targetNamespace="t"><process id="p" isExecutable="true">"#;
const TAIL: &str = "</process></definitions>";
const ORG: &str = "11330000000000000A";

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |at: usize, usual: usize| {
        words
            .get(at)
            .map_or(Ok(usual), |text| text.parse::<usize>())
    };
    let said = match words.as_slice() {
        ["rate", url, ..] => rate(url, number(2, 5_000)?, number(3, 64)?).await?,
        ["fill", url, ..] => fill(url, number(2, 100_000)?, number(3, 300)?).await?,
        ["many", url, ..] => many(url, number(2, 10_000)?).await?,
        _ => return Err("say `rate URL`, `fill URL` or `many URL`".into()),
    };
    writeln!(std::io::stdout(), "{said}")?;
    Ok(())
}

async fn open(url: &str) -> Result<Db, Failed> {
    let settings = Settings {
        url: url.to_owned(),
        ..Settings::default()
    };
    Ok(Db::open(&settings, Arc::new(SystemClock)).await?)
}

async fn empty(url: &str) -> Result<Db, Failed> {
    let db = open(url).await?;
    let mut all = store::migrations();
    all.extend(workflow::migrations());
    store::migrate(&db, all).await?;
    Ok(db)
}

async fn deploy(db: &Db, key: &'static str, body: String) -> Result<(), Failed> {
    let xml = format!("{HEAD}{body}{TAIL}");
    db.write(move |tx| {
        let xml = xml.clone();
        async move { workflow::deploy(&tx, key, &xml).await }
    })
    .await?;
    Ok(())
}

fn flows(pairs: &[(&str, &str)]) -> String {
    let flows = pairs.iter().map(|(from, to)| {
        format!(r#"<sequenceFlow id="{from}-{to}" sourceRef="{from}" targetRef="{to}"/>"#)
    });
    flows.collect()
}

fn approval() -> String {
    let task = |id| format!(r#"<userTask id="{id}" tongban:candidates="examiner"/>"#);
    let gateways = r#"<startEvent id="s"/><parallelGateway id="g"/><parallelGateway id="j"/><endEvent id="e"/>"#;
    let pairs = [
        ("s", "g"),
        ("g", "a"),
        ("g", "b"),
        ("g", "c"),
        ("a", "j"),
        ("b", "j"),
        ("c", "j"),
        ("j", "e"),
    ];
    let tasks: String = ["a", "b", "c"].map(task).concat();
    format!("{gateways}{tasks}{}", flows(&pairs))
}

/// Completes instances with this many clients at once; every client waits for the answer of one
/// act before its next, as people do.
async fn rate(url: &str, instances: usize, at_once: usize) -> Result<Value, Failed> {
    let db = empty(url).await?;
    deploy(&db, "approval", approval()).await?;
    let engine = Arc::new(Engine::default());
    let stop = CancellationToken::new();
    let signer = Arc::new(store::KeySigner::new(GuoMi.generate_key()?)?);
    let working = store::work::start(
        &db,
        signer,
        &[],
        &workflow::jobs(&db, &engine),
        stop.clone(),
    );
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let clients: Vec<_> = (0..at_once)
        .map(|_| tokio::spawn(client(db.clone(), engine.clone(), next.clone(), instances)))
        .collect();
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.await??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    stop.cancel();
    working.await?;
    times.sort_unstable();
    let at = |part: usize| {
        times
            .get(times.len() * part / 100)
            .copied()
            .unwrap_or_default()
    };
    let count = f64::from(u32::try_from(instances)?);
    Ok(json!({
        "instances_per_s": count / seconds,
        "task_p50_ms": at(50).as_secs_f64() * 1000.0,
        "task_p99_ms": at(99).as_secs_f64() * 1000.0,
        "instances": instances,
        "at_once": at_once,
    }))
}

async fn client(
    db: Db,
    engine: Arc<Engine>,
    next: Arc<AtomicUsize>,
    instances: usize,
) -> Result<Vec<Duration>, Failed> {
    let mut times = Vec::new();
    while next.fetch_add(1, Ordering::Relaxed) < instances {
        let id = begin(&db, &engine, "approval").await?;
        let filter = Filter {
            instance: Some(id),
            ..Filter::default()
        };
        let tasks = workflow::tasks(&db, &filter, &PageRequest::default()).await?;
        for task in tasks.items {
            times.push(complete(&db, &engine, task).await?);
        }
    }
    Ok(times)
}

async fn begin(db: &Db, engine: &Arc<Engine>, key: &'static str) -> Result<InstanceId, Failed> {
    let engine = engine.clone();
    let id = db.write(move |tx| {
        let engine = engine.clone();
        async move {
            let vars = Map::from_iter([("org".to_owned(), json!(ORG))]);
            workflow::start(&tx, &engine, key, "case:1", vars).await
        }
    });
    Ok(id.await?)
}

async fn complete(db: &Db, engine: &Arc<Engine>, task: Task) -> Result<Duration, Failed> {
    let engine = engine.clone();
    let officer = Officer {
        id: "a".into(),
        groups: vec![format!("examiner@{ORG}")],
        trace: "user:a".into(),
    };
    let begun = Instant::now();
    db.write(move |tx| {
        let (engine, officer) = (engine.clone(), officer.clone());
        let (id, version) = (task.facts.task, task.version);
        async move {
            workflow::complete(&tx, &engine, id, &officer, Some(version), Map::new()).await
        }
    })
    .await?;
    Ok(begun.elapsed())
}

/// Tasks whose completions are told apart: the first, when all are open, and the last.
const SAMPLE: usize = 100;

async fn many(url: &str, tasks: usize) -> Result<Value, Failed> {
    let db = empty(url).await?;
    let body = format!(
        r#"<startEvent id="s"/><userTask id="t" tongban:candidates="examiner"><multiInstanceLoopCharacteristics><loopCardinality>{tasks}</loopCardinality></multiInstanceLoopCharacteristics></userTask><endEvent id="e"/>{}"#,
        flows(&[("s", "t"), ("t", "e")])
    );
    deploy(&db, "many", body).await?;
    let engine = Arc::new(Engine::default());
    let id = begin(&db, &engine, "many").await?;
    let filter = Filter {
        instance: Some(id),
        ..Filter::default()
    };
    let page = PageRequest {
        limit: 500,
        ..PageRequest::default()
    };
    let (mut times, begun) = (Vec::new(), Instant::now());
    loop {
        let open = workflow::tasks(&db, &filter, &page).await?.items;
        if open.is_empty() {
            break;
        }
        for task in open {
            times.push(complete(&db, &engine, task).await?);
        }
    }
    let mean = |some: &[Duration]| {
        let count = u32::try_from(some.len()).unwrap_or(u32::MAX).max(1);
        (some.iter().sum::<Duration>() / count).as_secs_f64() * 1000.0
    };
    let (first, last) = (times.iter().take(SAMPLE), times.iter().rev().take(SAMPLE));
    Ok(json!({
        "tasks": times.len(),
        "all_s": begun.elapsed().as_secs_f64(),
        "first_ms": mean(&first.copied().collect::<Vec<_>>()),
        "last_ms": mean(&last.copied().collect::<Vec<_>>()),
    }))
}

/// A task with a reminder, an end and a last word on its border.
fn waiting() -> String {
    let border = |n: u32| {
        format!(
            r#"<boundaryEvent id="b{n}" attachedToRef="t" cancelActivity="false"><timerEventDefinition><timeDuration>${{span}}</timeDuration></timerEventDefinition></boundaryEvent><endEvent id="e{n}"/>"#
        )
    };
    let mut body = format!(
        r#"<startEvent id="s"/><userTask id="t" tongban:candidates="examiner"/><endEvent id="e"/>{}{}{}"#,
        border(1),
        border(2),
        border(3)
    );
    let pairs = [
        ("s", "t"),
        ("t", "e"),
        ("b1", "e1"),
        ("b2", "e2"),
        ("b3", "e3"),
    ];
    body.push_str(&flows(&pairs));
    body
}

/// Instances begun in one write while filling.
const TOGETHER: usize = 100;

async fn fill(url: &str, instances: usize, soon: usize) -> Result<Value, Failed> {
    let db = open(url).await?;
    deploy(&db, "waiting", waiting()).await?;
    let engine = Arc::new(Engine::default());
    for (span, count) in [("P30D", instances.saturating_sub(soon)), ("PT30S", soon)] {
        let mut left = count;
        while left > 0 {
            let some = left.min(TOGETHER);
            let engine = engine.clone();
            db.write(move |tx| {
                let engine = engine.clone();
                async move {
                    for _ in 0..some {
                        let vars = json!({"org": ORG, "span": span});
                        let vars = vars.as_object().cloned().unwrap_or_default();
                        workflow::start(&tx, &engine, "waiting", "case:1", vars).await?;
                    }
                    Ok(())
                }
            })
            .await?;
            left -= some;
        }
    }
    Ok(json!({"instances": instances, "timers": instances * 3, "soon": soon * 3}))
}
