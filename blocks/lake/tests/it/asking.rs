//! Questions: what is answered, what is noted, what is bounded.

use identity::Actor;
use kernel::{Error, ManualClock};
use lake::{Door, Mode, Question, Settings};
use std::sync::Arc;
use store::{Db, db_test};

use crate::house::{
    CIVIL, HEADS, INSURANCE, cells, citizen, delivery, four_insured, house, house_with, keys,
    migrations, number, officer, officer_in, question, rows,
};

#[db_test(migrations = migrations)]
async fn each_reader_sees_what_policy_gives_him(db: Db) {
    let house = house(db).await;
    four_insured(&house).await;
    let sql = "SELECT gmsfhm, xm, xzqh, jfjs FROM insured ORDER BY xzqh, xm";
    let own = house
        .ask(&officer("steward", INSURANCE), sql)
        .await
        .unwrap();
    assert_eq!(own.len(), 4);
    assert_eq!(
        own[0],
        [number(1), "张一".into(), "321002".into(), "5000.50".into()]
    );

    let other = officer_in("examiner", CIVIL, "321002");
    let masked = house.ask(&other, sql).await.unwrap();
    assert_eq!(masked.len(), 2, "only the rows of his district: {masked:?}");
    let hidden = format!("{}********{}", &number(1)[..6], &number(1)[14..]);
    assert_eq!(masked[0][..3], [hidden, "张*".into(), "321002".into()]);
    assert_eq!(masked[0][3], "", "a hidden number is empty");

    let supervisor = officer("supervisor", CIVIL);
    let all = house.ask(&supervisor, sql).await.unwrap();
    assert_eq!(all.len(), 4, "who watches sees all rows");
    assert!(all.iter().all(|row| row[0].contains("********")));

    for nobody in [officer("clerk", CIVIL), citizen()] {
        let error = house.ask(&nobody, "SELECT 1").await.unwrap_err();
        assert!(matches!(error, Error::Forbidden { .. }));
    }
}

#[db_test(migrations = migrations)]
async fn a_question_whose_server_stopped_ends_by_night(db: Db, clock: Arc<ManualClock>) {
    let house = house(db.clone()).await;
    four_insured(&house).await;
    let actor = officer("supervisor", CIVIL);
    let asked = question("SELECT count(*) FROM insured");
    for _ in 0..2 {
        let answer = lake::ask(&house.app, &actor, &asked).await.unwrap();
        cells(answer).await.unwrap();
    }
    let steward = officer("steward", INSURANCE);
    let page = store::page::PageRequest::default();
    let states = async || {
        let noted = lake::uses(&house.app, &steward, "insured", &page).await;
        let noted = noted.unwrap().items.into_iter();
        noted.map(|one| one.state).collect::<Vec<_>>()
    };
    while states().await != ["answered", "answered"] {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    // As two servers left them that stopped: one yesterday, one just now.
    let day = 86_400_000_000_i64;
    db.write(move |tx| async move {
        use sea_orm::ConnectionTrait;
        for sql in [
            "UPDATE lake_query SET state = 'running', finished_at = NULL".to_owned(),
            format!(
                "UPDATE lake_query SET at = at - {day} WHERE id = (SELECT min(id) FROM lake_query)"
            ),
        ] {
            tx.execute_unprepared(&sql).await.unwrap();
        }
        Ok(())
    })
    .await
    .unwrap();
    lake::begin_maintenance(&db).await.unwrap();
    clock.advance(chrono::Duration::minutes(1));
    let module = lake::module(&house.app).unwrap();
    let worker = store::Worker::new(&module.jobs);
    // The night's job is due tomorrow; a day has passed for the second as well then.
    let due = "UPDATE store_job SET due_at = 0";
    db.write(move |tx| async move {
        use sea_orm::ConnectionTrait;
        tx.execute_unprepared(due).await.unwrap();
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(worker.run_due(&db).await.unwrap(), 1);
    assert_eq!(states().await, ["running", "failed"]);
    let ends = events(&db).await.into_iter();
    let failed =
        ends.filter(|(kind, body)| kind == "lake.answered.v1" && body["state"] == "failed");
    assert_eq!(failed.count(), 1);
}

#[db_test(migrations = migrations)]
async fn every_question_leaves_who_what_for_and_what_was_read(db: Db) {
    let house = house(db.clone()).await;
    four_insured(&house).await;
    let actor = officer("supervisor", CIVIL);
    let asked = question("SELECT i.xbdm, count(*) n FROM insured i WHERE i.xm <> '' GROUP BY 1");
    let answer = lake::ask(&house.app, &actor, &asked).await.unwrap();
    assert_eq!(answer.hidden, ["insured.xm"]);
    let id = answer.id.clone();
    assert_eq!(cells(answer).await.unwrap().len(), 2);
    let steward = officer("steward", INSURANCE);
    let page = store::page::PageRequest::default();
    let mut noted = lake::uses(&house.app, &steward, "insured", &page)
        .await
        .unwrap();
    // The end is noted just after the last row went out.
    for _ in 0..200 {
        if noted.items[0].state != "running" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        noted = lake::uses(&house.app, &steward, "insured", &page)
            .await
            .unwrap();
    }
    let noted = &noted.items[0];
    assert_eq!(
        (noted.id.as_str(), noted.state.as_str(), noted.rows),
        (&*id, "answered", 2)
    );
    assert_eq!(
        (noted.who_org.as_str(), noted.purpose.as_str()),
        (CIVIL, "核验参保情况")
    );
    let events = events(&db).await;
    let asked = events
        .iter()
        .find(|(kind, _)| kind == "lake.asked.v1")
        .unwrap();
    assert_eq!(asked.1["columns"], serde_json::json!(["insured.xbdm"]));
    assert_eq!(asked.1["hidden"], serde_json::json!(["insured.xm"]));
    assert!(asked.1.get("sql").is_none());
    let end = events
        .iter()
        .find(|(kind, _)| kind == "lake.answered.v1")
        .unwrap();
    assert_eq!(
        (end.1["rows"].as_i64(), end.1["query"].as_str()),
        (Some(2), Some(&*id))
    );
}

async fn events(db: &Db) -> Vec<(String, serde_json::Value)> {
    use sea_orm::{ConnectionTrait, Statement};
    let sql = "SELECT kind, data FROM store_event ORDER BY seq";
    let backend = db.read().get_database_backend();
    let rows = db
        .read()
        .query_all_raw(Statement::from_string(backend, sql))
        .await
        .unwrap();
    let read = |row: &sea_orm::QueryResult| {
        let data: String = row.try_get("", "data").unwrap();
        (
            row.try_get("", "kind").unwrap(),
            serde_json::from_str(&data).unwrap(),
        )
    };
    rows.iter().map(read).collect()
}

#[db_test(migrations = migrations)]
async fn a_question_without_a_purpose_is_not_asked(db: Db) {
    let house = house(db).await;
    let asked = Question {
        purpose: "  ".into(),
        ..question("SELECT 1")
    };
    let error = lake::ask(&house.app, &Actor::system(), &asked)
        .await
        .err()
        .unwrap();
    assert_eq!(keys(&error), ["lake-purpose-needed"]);
}

#[db_test(migrations = migrations)]
async fn the_tables_can_be_asked_as_they_were(db: Db, clock: Arc<ManualClock>) {
    let house = house(db).await;
    let before = store::testing::a_working_morning() - chrono::TimeDelta::minutes(1);
    four_insured(&house).await;
    clock.advance(chrono::TimeDelta::hours(2));
    let gone = rows(HEADS, &[[&number(1), "张一", "1", "321002", "1", ""]]);
    house
        .take(&delivery("insured", "o-1", Mode::Overwrite), vec![gone])
        .await
        .unwrap();
    let count = async |as_of| {
        let asked = Question {
            as_of,
            ..question("SELECT count(*) FROM insured")
        };
        let answer = lake::ask(&house.app, &Actor::system(), &asked)
            .await
            .unwrap();
        cells(answer).await.unwrap()[0][0].clone()
    };
    assert_eq!(count(None).await, "1");
    let then = store::testing::a_working_morning() + chrono::TimeDelta::hours(1);
    assert_eq!(count(Some(then)).await, "4");
    assert_eq!(
        count(Some(before)).await,
        "0",
        "before the first batch there was nothing"
    );
}

#[db_test(migrations = migrations)]
async fn an_answer_is_cut_for_people_and_fails_for_programs(db: Db) {
    let house = house(db).await;
    four_insured(&house).await;
    let asked = |door| Question {
        door,
        most: 3,
        ..question("SELECT * FROM insured")
    };
    let answer = lake::ask(&house.app, &Actor::system(), &asked(Door::Page))
        .await
        .unwrap();
    assert_eq!(cells(answer).await.unwrap().len(), 3);
    let answer = lake::ask(&house.app, &Actor::system(), &asked(Door::Flight))
        .await
        .unwrap();
    assert_eq!(keys(&cells(answer).await.unwrap_err()), ["lake-query-rows"]);
    let exact = Question {
        most: 4,
        ..asked(Door::Flight)
    };
    let answer = lake::ask(&house.app, &Actor::system(), &exact)
        .await
        .unwrap();
    assert_eq!(cells(answer).await.unwrap().len(), 4);
}

#[db_test(migrations = migrations)]
async fn time_and_memory_are_bounded(db: Db) {
    let settings = Settings {
        query_seconds: 2,
        query_memory_mb: 4,
        query_disk_mb: 1,
        ..Settings::default()
    };
    let house = house_with(db, settings).await;
    let line = |n: i64| [format!("{n:018}"), n.to_string()];
    let lines: Vec<_> = (0..20_000).map(line).collect();
    let lines: Vec<[&str; 2]> = lines.iter().map(|l| [&*l[0], &*l[1]]).collect();
    let free = crate::house::BENEFITS.split("[[rules]]").next().unwrap();
    let free = free.replace("\"benefits\"", "\"numbers\"");
    lake::declare(&house.app, &Actor::system(), &crate::house::table(&free))
        .await
        .unwrap();
    house
        .take(
            &delivery("numbers", "b", Mode::Append),
            vec![rows(["gmsfhm", "je"], &lines)],
        )
        .await
        .unwrap();
    let all = Actor::system();
    let start = std::time::Instant::now();
    let cross = "SELECT sum(a.je + b.je * c.je) FROM numbers a, numbers b, numbers c";
    let error = house.ask(&all, cross).await.unwrap_err();
    assert_eq!(keys(&error), ["lake-query-time"]);
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    let wide = "SELECT a.gmsfhm || b.gmsfhm || a.je || b.je t, count(*) \
        FROM numbers a JOIN numbers b ON a.je % 100 = b.je % 100 GROUP BY 1 ORDER BY 2, 1";
    let error = house.ask(&all, wide).await.unwrap_err();
    let key = keys(&error)[0];
    assert!(
        ["lake-query-memory", "lake-query-time"].contains(&key),
        "{key}"
    );
    assert_eq!(
        house
            .ask(&all, "SELECT count(*) FROM numbers")
            .await
            .unwrap()[0][0],
        "20000"
    );
}

#[db_test(migrations = migrations)]
async fn joins_groups_windows_and_dates_work(db: Db) {
    let house = house(db).await;
    four_insured(&house).await;
    let batch = rows(
        ["gmsfhm", "je"],
        &[[&number(1), "100"], [&number(1), "50"], [&number(2), "7"]],
    );
    house
        .take(&delivery("benefits", "b", Mode::Append), vec![batch])
        .await
        .unwrap();
    let sql = "WITH s AS (SELECT gmsfhm, sum(je) je FROM benefits GROUP BY gmsfhm) \
        SELECT i.xm, s.je, rank() OVER (ORDER BY s.je DESC) r, extract(year FROM i.jfrq) y \
        FROM insured i JOIN s USING (gmsfhm) WHERE i.jfrq >= DATE '2026-01-01' ORDER BY r";
    let told = house.ask(&Actor::system(), sql).await.unwrap();
    assert_eq!(
        told,
        [["张一", "150", "1", "2026"], ["李二", "7", "2", "2026"]]
    );
}
