//! The same questions here and on a cluster of one scheduler and two executors.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use identity::Actor;
use kernel::{Error, ManualClock};
use lake::{Door, Mode, Question, Settings, cluster::Executor};
use store::{Db, db_test};

use crate::house::{
    CIVIL, HEADS, House, INSURANCE, cells, delivery, house_with, keys, migrations, number, officer,
    officer_in, question, rows,
};

/// Two executors with two cores each; gone when it is dropped.
pub struct Cluster {
    /// Those of a server that asks it.
    settings: Settings,
    works: [PathBuf; 2],
    runtime: Option<tokio::runtime::Runtime>,
    _folder: tempfile::TempDir,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

fn free() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// With `TONGBAN_TEST_ENGINE=ballista` every house of these tests asks a cluster of its own.
pub fn chosen(settings: Settings, folder: &Path) -> (Settings, Option<Cluster>) {
    let is_chosen = std::env::var("TONGBAN_TEST_ENGINE").is_ok_and(|engine| engine == "ballista");
    if !is_chosen || settings.is_cluster() || !settings.place.is_empty() {
        return (settings, None);
    }
    let cluster = cluster_at(tempfile::tempdir().unwrap(), &folder.join("lake"), settings);
    (cluster.settings.clone(), Some(cluster))
}

/// `limits` are those of the server and of the executors.
fn cluster(limits: Settings) -> Cluster {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("place");
    cluster_at(folder, &place, limits)
}

fn cluster_at(folder: tempfile::TempDir, place: &Path, limits: Settings) -> Cluster {
    let works = [folder.path().join("one"), folder.path().join("two")];
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let settings = Settings {
        engine: "ballista".into(),
        scheduler: format!("df://{}", listener.local_addr().unwrap()),
        place: place.display().to_string(),
        partitions: 4,
        ..limits
    };
    assert_eq!(settings.problems(), [""; 0]);
    let asking = settings.clone();
    let nowhere = Path::new("/nonexistent");
    for work in &works {
        let executor = Executor {
            host: "127.0.0.1".into(),
            rows: free(),
            tasks: free().port(),
            cores: 2,
            work: work.clone(),
        };
        let settings = settings.clone();
        runtime.spawn(async move {
            lake::cluster::executor(&settings, nowhere, &executor)
                .await
                .unwrap();
        });
    }
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        lake::cluster::scheduler(&settings, nowhere, listener)
            .await
            .unwrap();
    });
    Cluster {
        settings: asking,
        works,
        runtime: Some(runtime),
        _folder: folder,
    }
}

impl Cluster {
    /// A house that asks here, and one that asks the cluster, over the same lake.
    async fn houses(&self, db: &Db) -> (House, House) {
        let here = Settings {
            engine: "local".into(),
            ..self.settings.clone()
        };
        let near = house_with(db.clone(), here).await;
        (near, house_with(db.clone(), self.settings.clone()).await)
    }

    /// Folders of questions that each executor holds.
    fn held(&self) -> [usize; 2] {
        let count = |work: &PathBuf| {
            let entries = std::fs::read_dir(work.join("rows"));
            entries.map_or(0, Iterator::count)
        };
        [count(&self.works[0]), count(&self.works[1])]
    }
}

/// Eight batches, so eight files: 80 persons in two districts, every second with benefits.
async fn people(house: &House) {
    for batch in 0..8_u16 {
        let numbers: Vec<String> = (0..10).map(|n| number(batch * 10 + n)).collect();
        let people: Vec<[&str; 6]> = numbers
            .iter()
            .enumerate()
            .map(|(n, number)| {
                let family = ["张一", "李二", "王三", "欧阳四海"][n % 4];
                let district = ["321002", "321003"][n % 2];
                let base = ["5000.50", "6000", "", "49999", "7000"][n % 5];
                let paid = if base.is_empty() { "" } else { "2026-02-20" };
                [number.as_str(), family, "1", district, base, paid]
            })
            .collect();
        let announced = delivery("insured", &format!("b-{batch}"), Mode::Append);
        house
            .take(&announced, vec![rows(HEADS, &people)])
            .await
            .unwrap();
        let paid: Vec<[&str; 2]> = numbers.iter().step_by(2).map(|n| [&**n, "7"]).collect();
        let announced = delivery("benefits", &format!("p-{batch}"), Mode::Append);
        let paid = rows(["gmsfhm", "je"], &paid);
        house.take(&announced, vec![paid]).await.unwrap();
    }
}

/// Lines of an answer, in the order of the question or sorted.
async fn lines(house: &House, actor: &Actor, sql: &str) -> kernel::Result<Vec<Vec<String>>> {
    let mut lines = house.ask(actor, sql).await?;
    let end = sql.rsplit(')').next().unwrap();
    if !end.contains("ORDER BY") {
        lines.sort();
    }
    Ok(lines)
}

#[db_test(migrations = migrations)]
async fn a_cluster_answers_what_this_server_answers(db: Db) {
    let cluster = cluster(Settings::default());
    let (near, far) = cluster.houses(&db).await;
    people(&near).await;
    let askers = [
        ("all of it, whole", officer("steward", INSURANCE)),
        (
            "one district, masked",
            officer_in("examiner", CIVIL, "321002"),
        ),
        ("all rows, masked", officer("supervisor", CIVIL)),
    ];
    let questions = [
        "SELECT 1 + 1",
        "SELECT gmsfhm, xm, xzqh, jfjs, jfrq FROM insured ORDER BY gmsfhm, xm, jfrq",
        "SELECT * FROM insured",
        "SELECT count(*) FROM insured",
        "SELECT xm, xzqh, count(*), sum(jfjs), min(jfrq) FROM insured GROUP BY xm, xzqh",
        "SELECT count(DISTINCT xm), count(jfjs), avg(jfjs) FROM insured WHERE xzqh = '321002'",
        "SELECT xm FROM insured WHERE xm = '张一' OR xm LIKE '%*'",
        "SELECT i.xm, sum(b.je) FROM insured i JOIN benefits b ON i.gmsfhm = b.gmsfhm GROUP BY i.xm",
        "SELECT count(*), count(b.je) FROM insured i LEFT JOIN benefits b USING (gmsfhm)",
        "SELECT count(*) FROM insured i FULL JOIN benefits b ON i.gmsfhm = b.gmsfhm",
        "SELECT count(*) FROM insured i LEFT JOIN benefits b ON i.jfjs > b.je * 1000",
        "SELECT count(*) FROM insured i FULL JOIN benefits b ON i.jfjs < b.je",
        "SELECT count(*) FROM benefits b LEFT JOIN insured i ON i.jfjs < b.je",
        "SELECT i.xm, b.je FROM insured i LEFT JOIN benefits b ON i.jfjs < b.je ORDER BY i.xm",
        "SELECT count(*) FROM insured i WHERE NOT EXISTS (SELECT 1 FROM benefits b WHERE b.je > i.jfjs)",
        "SELECT count(*) FROM insured WHERE gmsfhm IN (SELECT gmsfhm FROM benefits)",
        "SELECT count(*) FROM insured WHERE gmsfhm NOT IN (SELECT gmsfhm FROM benefits)",
        "SELECT count(*) FROM insured WHERE jfjs > (SELECT avg(jfjs) FROM insured)",
        "SELECT count(*) FROM insured a, benefits b",
        "SELECT xm, n FROM (SELECT xm, count(*) n FROM insured GROUP BY xm UNION ALL \
            SELECT gmsfhm, count(*) FROM benefits GROUP BY gmsfhm) ORDER BY n, xm LIMIT 7",
        "SELECT xzqh, r FROM (SELECT xzqh, rank() OVER (PARTITION BY xzqh ORDER BY jfjs) r FROM insured)",
        "SELECT row_number() OVER (ORDER BY gmsfhm) n, sum(je) OVER (ORDER BY gmsfhm) s \
            FROM benefits ORDER BY n LIMIT 12 OFFSET 3",
        "WITH t AS (SELECT xm, jfjs FROM insured LIMIT 50) SELECT count(*) FROM t",
        "SELECT DISTINCT upper(xm) || '-' || substr(xzqh, 5) FROM insured",
        "SELECT unnest(make_array(xm, xzqh)) FROM insured",
        "SELECT named_struct('a', xm), array_to_string(make_array(xm, xzqh), '/') FROM insured",
        "SELECT string_agg(xm, ',' ORDER BY gmsfhm) FROM insured",
        "SELECT date_trunc('month', jfrq), regexp_like(xzqh, '2$'), count(*) FROM insured GROUP BY 1, 2",
        "SELECT CASE WHEN jfjs > 6000 THEN 'a' ELSE coalesce(xm, '') END FROM insured",
        "SELECT sum(b.je) FILTER (WHERE b.je > 1), max(length(gmsfhm)) FROM benefits b",
        "SELECT xm, xzqh, grouping(xm) g, count(*) FROM insured GROUP BY ROLLUP (xzqh, xm)",
        "SELECT a.xm, b.xm FROM insured a, LATERAL (SELECT xm FROM insured c WHERE c.gmsfhm = a.gmsfhm) b",
        "SELECT xm FROM insured EXCEPT SELECT xm FROM insured WHERE xbdm = '2'",
        "SELECT max(jfjs) FROM insured WHERE xzqh = 'none'",
    ];
    for (who, asker) in &askers {
        for sql in questions {
            let here = lines(&near, asker, sql).await.unwrap();
            let there = lines(&far, asker, sql).await;
            let there = there.unwrap_or_else(|e| panic!("{who}: {sql}: {e:?}"));
            assert_eq!(here, there, "{who}: {sql}");
        }
    }
    let outsider = &askers[1].1;
    assert_eq!(
        far.ask(outsider, "SELECT count(*) FROM insured")
            .await
            .unwrap()[0][0],
        "40"
    );
    let seen = format!(
        "{:?}",
        far.ask(outsider, "SELECT * FROM insured").await.unwrap()
    );
    assert!(!seen.contains("321003") && !seen.contains("张一") && seen.contains("张*"));
}

#[db_test(migrations = migrations)]
async fn errors_on_a_cluster_tell_nothing(db: Db) {
    let cluster = cluster(Settings::default());
    let (near, far) = cluster.houses(&db).await;
    people(&near).await;
    let outsider = officer_in("examiner", CIVIL, "321002");
    // None of these may fail at a row of another district, nor at what is masked.
    let ways = [
        "SELECT count(*) FROM insured WHERE 1 / (CASE WHEN xzqh = '321003' THEN 0 ELSE 1 END) > 0",
        "SELECT 1 / (CASE WHEN xm = '张一' THEN 0 ELSE 1 END) FROM insured",
        "SELECT count(*) FROM insured WHERE xzqh <> '321003' OR CAST(xbdm || 'x' AS INT) > 0",
    ];
    for sql in ways {
        let there = lines(&far, &outsider, sql).await;
        let there = there.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        assert_eq!(there, lines(&near, &outsider, sql).await.unwrap(), "{sql}");
    }
    let steward = officer("steward", INSURANCE);
    let failing = [
        "SELECT CAST(xm AS INT) FROM insured",
        "SELECT 1 / (CASE WHEN xm = '张一' THEN 0 ELSE 1 END) FROM insured",
        "SELECT CAST(xm AS DATE), count(*) FROM insured GROUP BY 1",
    ];
    for sql in failing {
        let error = far.ask(&steward, sql).await.expect_err(sql);
        assert_eq!(keys(&error), ["lake-sql-value"], "{sql}");
        assert!(!format!("{error:?}").contains('张'), "{error:?}");
    }
    let asked = Question {
        door: Door::Flight,
        most: 3,
        ..question("SELECT * FROM insured")
    };
    let answer = lake::ask(&far.app, &steward, &asked).await.unwrap();
    assert_eq!(keys(&cells(answer).await.unwrap_err()), ["lake-query-rows"]);
}

#[db_test(migrations = migrations)]
async fn both_executors_work_and_keep_nothing(db: Db) {
    let cluster = cluster(Settings::default());
    let (near, far) = cluster.houses(&db).await;
    people(&near).await;
    let sql = "SELECT gmsfhm, count(*) FROM insured GROUP BY gmsfhm";
    let steward = officer("steward", INSURANCE);
    // An executor takes a moment to come.
    until("both executors took tasks", async || {
        let asked = lake::ask(&far.app, &steward, &question(sql)).await.unwrap();
        let mut rows = asked.rows;
        rows.next().await.unwrap().unwrap();
        let held = cluster.held();
        while rows.next().await.is_some() {}
        held.iter().all(|folders| *folders > 0)
    })
    .await;
    until("the rows in between are gone", async || {
        cluster.held() == [0, 0]
    })
    .await;
}

#[db_test(migrations = migrations)]
async fn a_question_that_is_given_up_ends_on_the_cluster(db: Db) {
    let limits = Settings {
        query_seconds: 5,
        query_memory_mb: 8,
        query_disk_mb: 1,
        ..Settings::default()
    };
    let cluster = cluster(limits);
    let (near, far) = cluster.houses(&db).await;
    numbers(&near).await;
    let all = Actor::system();
    let count = "SELECT count(*) FROM numbers WHERE je >= 0";
    let cross = "SELECT sum(a.je + b.je * c.je) FROM numbers a, numbers b, numbers c";
    assert_eq!(far.ask(&all, count).await.unwrap()[0][0], "20000");
    // It has every core of the cluster until its time is over.
    let error = far.ask(&all, cross).await.unwrap_err();
    assert_eq!(keys(&error), ["lake-query-time"]);
    assert_eq!(far.ask(&all, count).await.unwrap()[0][0], "20000");
    // And until its reader goes away.
    let answer = lake::ask(&far.app, &all, &question(cross)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(answer);
    assert_eq!(far.ask(&all, count).await.unwrap()[0][0], "20000");
    let wide = "SELECT cardinality(array_agg(a.gmsfhm || b.gmsfhm)) \
        FROM numbers a JOIN numbers b ON a.je % 100 = b.je % 100";
    let error = far.ask(&all, wide).await.unwrap_err();
    assert_eq!(keys(&error), ["lake-query-memory"]);
}

#[db_test(migrations = migrations)]
async fn a_cluster_reads_versions_and_columns_that_came_later(db: Db, clock: Arc<ManualClock>) {
    let cluster = cluster(Settings::default());
    let (near, far) = cluster.houses(&db).await;
    people(&near).await;
    clock.advance(chrono::TimeDelta::hours(2));
    let then = store::testing::a_working_morning() + chrono::TimeDelta::hours(1);
    let column =
        "[[columns]]\nid = \"bz\"\ntitle = { zh = \"备注\", en = \"Note\" }\ntype = \"text\"";
    let more = crate::house::table(&format!("{}\n{column}\n", crate::house::INSURED));
    let all = Actor::system();
    lake::declare(&near.app, &all, &more).await.unwrap();
    let everything = "SELECT * FROM insured ORDER BY gmsfhm";
    let declared = far.ask(&all, everything).await.unwrap();
    assert_eq!(declared.len(), 80);
    let one = number(7);
    let batch = rows(
        ["gmsfhm", "xm", "xbdm", "xzqh", "bz"],
        &[[&one, "钱五", "1", "321002", "新"]],
    );
    let merged = delivery("insured", "m-1", Mode::Merge);
    near.take(&merged, vec![batch]).await.unwrap();
    let there = far.ask(&all, everything).await.unwrap();
    assert_eq!(there, near.ask(&all, everything).await.unwrap());
    assert_eq!(there.len(), 80);
    assert_eq!(there[7][6], "新");
    let before = Question {
        as_of: Some(then),
        ..question(everything)
    };
    let answer = lake::ask(&far.app, &all, &before).await.unwrap();
    assert_eq!(cells(answer).await.unwrap(), declared);
}

#[db_test(migrations = migrations)]
async fn a_table_that_needs_more_than_its_files_is_refused(db: Db) {
    let cluster = cluster(Settings::default());
    let (near, far) = cluster.houses(&db).await;
    let folder = Path::new(&cluster.settings.place).join("tables/benefits");
    std::fs::create_dir_all(&folder).unwrap();
    let url = url::Url::from_directory_path(folder.canonicalize().unwrap()).unwrap();
    let batch = rows(["gmsfhm", "je"], &[["1", "2"], ["3", "4"]]);
    let table = deltalake::DeltaTableBuilder::from_url(url).unwrap();
    table
        .build()
        .unwrap()
        .write(vec![batch])
        .with_partition_columns(["je"])
        .await
        .unwrap();
    let all = Actor::system();
    let sql = "SELECT count(*) FROM benefits";
    assert_eq!(near.ask(&all, sql).await.unwrap()[0][0], "2");
    let error = far.ask(&all, sql).await.unwrap_err();
    assert_eq!(keys(&error), ["lake-query-not-plain"]);
}

#[db_test(migrations = migrations)]
async fn without_a_scheduler_nothing_is_answered(db: Db) {
    let settings = Settings {
        engine: "ballista".into(),
        scheduler: format!("df://{}", free()),
        ..Settings::default()
    };
    let house = house_with(db, settings).await;
    let error = house.ask(&Actor::system(), "SELECT 1").await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
}

/// 20,000 rows in eight files.
async fn numbers(house: &House) {
    let free = crate::house::BENEFITS.split("[[rules]]").next().unwrap();
    let free = free.replace("\"benefits\"", "\"numbers\"");
    lake::declare(&house.app, &Actor::system(), &crate::house::table(&free))
        .await
        .unwrap();
    for batch in 0..8_i64 {
        let lines = (batch * 2500..(batch + 1) * 2500).map(|n| [format!("{n:018}"), n.to_string()]);
        let lines: Vec<_> = lines.collect();
        let lines: Vec<[&str; 2]> = lines.iter().map(|l| [&*l[0], &*l[1]]).collect();
        let announced = delivery("numbers", &format!("n-{batch}"), Mode::Append);
        let lines = rows(["gmsfhm", "je"], &lines);
        house.take(&announced, vec![lines]).await.unwrap();
    }
}

async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !is().await {
        assert!(start.elapsed().as_secs() < 30, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
