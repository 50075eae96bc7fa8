use std::{fmt::Write, io::Write as _, sync::Arc};

use kernel::ManualClock;
use registry::batch::{
    Batch, Mode, State,
    act::{self, Loading},
};
use sea_orm::ConnectionTrait;
use serde_json::json;
use store::{Db, db_test, page::PageRequest};

use crate::house::{CIVIL, House, PERSON, POLICE, findings, house, migrations, officer};

/// A citizen number of the day and sequence.
pub fn number(n: u16) -> String {
    let day =
        chrono::NaiveDate::from_ymd_opt(1980, 1, 1).unwrap() + chrono::Days::new((n / 900).into());
    kernel::code::citizen::build("320000", day, n % 900 + 1).unwrap()
}

pub async fn load(house: &House, batch: &str, mode: Mode, csv: &str) -> kernel::Result<Batch> {
    load_from(house, batch, mode, csv, Some("2026-01-01")).await
}

async fn load_from(
    house: &House,
    batch: &str,
    mode: Mode,
    csv: &str,
    valid_from: Option<&str>,
) -> kernel::Result<Batch> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(csv.as_bytes()).unwrap();
    let loading = Loading {
        registry: "people".into(),
        source: "police".into(),
        batch: batch.into(),
        mode,
        valid_from: valid_from.map(|day| day.parse().unwrap()),
    };
    act::load(
        &house.app,
        &officer("steward", POLICE),
        &loading,
        file.path(),
    )
    .await
}

fn counts(batch: &Batch) -> [i64; 5] {
    [
        batch.rows,
        batch.inserted,
        batch.updated,
        batch.unchanged,
        batch.refused,
    ]
}

async fn refusals(house: &House, batch: &str) -> Vec<(i64, String, String)> {
    let page = PageRequest::new(None, Some(500));
    let clerk = officer("clerk", CIVIL);
    let (_, refusals) = act::get(&house.app, &clerk, "people", batch, &page)
        .await
        .unwrap();
    let refusals = refusals.items.into_iter();
    refusals.map(|r| (r.row, r.column, r.key)).collect()
}

const MIXED: &str = "公民身份号码,姓名,性别,csrq\n\
    320000199001010039,张小明,1,1990-01-01\n\
    320000199001010038,李四,2,19900101\n\
    32000020000229011 1,王五,1,\n\
    320000200002290111,\"王,五\",3,2000/02/30\n\
    110000190001010012,赵六,1\n\
    110000190001010020,,2,\n";

#[db_test(migrations = migrations)]
async fn good_rows_are_kept_and_bad_ones_told(db: Db) {
    let house = house(db).await;
    let batch = load(&house, "p-1", Mode::KeepGood, MIXED).await.unwrap();
    assert_eq!(batch.state, State::Loaded);
    assert_eq!(counts(&batch), [6, 1, 0, 0, 5]);
    let told = refusals(&house, "p-1").await;
    let told: Vec<_> = told
        .iter()
        .map(|(r, c, k)| (*r, c.as_str(), k.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (3, "gmsfhm", "kernel-citizen-check"),
            (4, "gmsfhm", "kernel-citizen-length"),
            (5, "csrq", "registry-value-date"),
            (5, "xbdm", "registry-value-code"),
            (6, "", "registry-row-cells"),
            (7, "xm", "registry-value-required"),
        ]
    );
}

#[db_test(migrations = migrations)]
async fn one_bad_row_refuses_all_when_that_was_chosen(db: Db) {
    let house = house(db).await;
    let batch = load(&house, "p-1", Mode::AllOrNothing, MIXED)
        .await
        .unwrap();
    assert_eq!(batch.state, State::Refused);
    assert_eq!(counts(&batch), [0, 0, 0, 0, 5]);
    assert_eq!(refusals(&house, "p-1").await.len(), 6);
    let page = PageRequest::default();
    let clerk = officer("clerk", CIVIL);
    let found = registry::record::act::find(&house.app, &clerk, "people", "", None, &page).await;
    assert_eq!(found.unwrap().page.items, []);
}

#[db_test(migrations = migrations)]
async fn far_rows_of_a_file_are_compared_before_anything_is_taken(db: Db) {
    let house = house(db).await;
    // More rows than one step has, and the same unique value in the first and the last.
    let file = |last: &str| {
        let mut file = "gmsfhm,xm,sbh\n".to_owned();
        for n in 0..2100 {
            let own = format!("S-{n}");
            let code = if n == 2099 { last } else { &own };
            writeln!(file, "{},张{n},{code}", number(n)).unwrap();
        }
        file
    };
    let mode = Mode::AllOrNothing;
    let batch = load(&house, "p-1", mode, &file("S-0")).await.unwrap();
    assert_eq!(batch.state, State::Refused);
    assert_eq!(counts(&batch), [0, 0, 0, 0, 1]);
    let told = ("sbh".to_owned(), "registry-value-unique".to_owned());
    assert_eq!(refusals(&house, "p-1").await, [(2101, told.0, told.1)]);
    // Far apart, one person twice: the later row changes what the earlier one made.
    let mut twice = file("S-2099");
    writeln!(twice, "{},,S-0", number(0)).unwrap();
    let batch = load(&house, "p-2", mode, &twice).await.unwrap();
    assert_eq!(batch.state, State::Loaded);
    assert_eq!(counts(&batch), [2101, 2100, 0, 1, 0]);
}

#[db_test(migrations = migrations)]
async fn a_file_is_taken_once_and_later_ones_only_where_they_differ(db: Db) {
    let house = house(db).await;
    let file = format!(
        "\u{feff}gmsfhm,xm\n{},张小明\n{},李四\n",
        number(1),
        number(2)
    );
    let first = load(&house, "p-1", Mode::AllOrNothing, &file)
        .await
        .unwrap();
    assert_eq!(counts(&first), [2, 2, 0, 0, 0]);
    let again = load(&house, "p-1", Mode::AllOrNothing, &file)
        .await
        .unwrap();
    assert_eq!(counts(&again), counts(&first), "the same file");
    assert_eq!(again.finished_at, first.finished_at);
    let other = load(&house, "p-1", Mode::AllOrNothing, "gmsfhm,xm\n").await;
    assert_eq!(findings(&other.unwrap_err())[0].1, "registry-batch-other");
    // The same number twice in one file: the later row is the later word.
    let more = format!(
        "gmsfhm,xm\n{},张小明\n{},李四光\n{},王五\n{},王六\n",
        number(1),
        number(2),
        number(3),
        number(3)
    );
    let second = load(&house, "p-2", Mode::KeepGood, &more).await.unwrap();
    assert_eq!(counts(&second), [4, 1, 2, 1, 0]);
    let page = PageRequest::default();
    let clerk = officer("clerk", CIVIL);
    let found = registry::record::act::find(&house.app, &clerk, "people", "王", None, &page).await;
    let found = found.unwrap().page.items;
    assert_eq!(found.len(), 1);
    let view = house.view(&found[0].id, None, None).await;
    assert_eq!(view.folded.fields["xm"].told.batch.as_deref(), Some("p-2"));
    assert_eq!(house.values(&found[0].id).await["xm"], "王六");
}

#[db_test(migrations = migrations)]
async fn rows_of_merged_records_in_one_file_are_all_shown(db: Db) {
    let house = house(db).await;
    let file = format!("gmsfhm,xm\n{},张一\n{},张一\n", number(1), number(2));
    load(&house, "p-1", Mode::KeepGood, &file).await.unwrap();
    let steward = officer("steward", POLICE);
    let id = async |n: u16| {
        let key = number(n);
        let found = registry::record::act::id_of_key(&house.app, &steward, "people", &key);
        found.await.unwrap()
    };
    let (from, into) = (id(1).await, id(2).await);
    registry::record::act::merge(&house.app, &steward, "people", &from, &into, "同一人")
        .await
        .unwrap();
    let file = format!(
        "gmsfhm,sbh,dh\n{},S-1,\n{},,13800138000\n",
        number(1),
        number(2)
    );
    let batch = load(&house, "p-2", Mode::KeepGood, &file).await.unwrap();
    assert_eq!(counts(&batch), [2, 0, 2, 0, 0]);
    let view = house.view(&into, None, None).await;
    assert_eq!(view.folded.values(), view.row.values);
    assert_eq!(house.values(&into).await["sbh"], "S-1");
    let page = PageRequest::default();
    let found =
        registry::record::act::find(&house.app, &steward, "people", "S-1", Some("sbh"), &page);
    assert_eq!(found.await.unwrap().page.items.len(), 1);
}

#[db_test(migrations = migrations)]
async fn a_merged_record_states_its_unique_value_again(db: Db) {
    let house = house(db).await;
    let file = format!(
        "gmsfhm,xm,sbh\n{},张一,S-1\n{},张一,\n{},张一,\n",
        number(1),
        number(2),
        number(3)
    );
    load(&house, "p-1", Mode::KeepGood, &file).await.unwrap();
    let steward = officer("steward", POLICE);
    let id = async |n: u16| {
        let key = number(n);
        let found = registry::record::act::id_of_key(&house.app, &steward, "people", &key);
        found.await.unwrap()
    };
    // 1 counts for 2, and both for 3, which shows the number.
    for (from, into) in [(1, 2), (2, 3)] {
        let (from, into) = (id(from).await, id(into).await);
        registry::record::act::merge(&house.app, &steward, "people", &from, &into, "同一人")
            .await
            .unwrap();
    }
    let shown = id(3).await;
    assert_eq!(house.values(&shown).await["sbh"], "S-1");
    // As its source sends it every day, with one thing that is new; whichever of the keys it has.
    let row = |n: u16, phone: &str| format!("{},S-1,{phone}\n", number(n));
    let head = "gmsfhm,sbh,dh\n";
    for (batch, mode) in [("p-2", Mode::KeepGood), ("p-3", Mode::AllOrNothing)] {
        let file = format!("{head}{}{}", row(1, &format!("{batch}-1")), row(3, batch));
        let loaded = load(&house, batch, mode, &file).await.unwrap();
        assert_eq!(counts(&loaded), [2, 0, 2, 0, 0], "{batch}");
        assert_eq!(house.values(&shown).await["sbh"], "S-1");
    }
    let stated = json!({"gmsfhm": number(1), "sbh": "S-1", "dh": "13800138000"});
    house.state("police", "2026-01-02", stated).await.unwrap();
    // Anybody else's it is not.
    for mode in [Mode::KeepGood, Mode::AllOrNothing] {
        let batch = format!("p-4-{mode:?}");
        let file = format!("gmsfhm,xm,sbh\n{},张四,S-1\n", number(4));
        let loaded = load(&house, &batch, mode, &file).await.unwrap();
        assert_eq!(loaded.refused, 1, "{batch}");
    }
}

#[db_test(migrations = migrations)]
async fn a_load_that_was_cut_off_goes_on_where_it_stopped(db: Db, clock: Arc<ManualClock>) {
    let house = house(db).await;
    let mut file = "gmsfhm,xm\n".to_owned();
    for n in 0..4500 {
        writeln!(file, "{},张{n}", number(n)).unwrap();
    }
    let whole = load(&house, "p-1", Mode::KeepGood, &file).await.unwrap();
    assert_eq!(counts(&whole), [4500, 4500, 0, 0, 0]);
    // As a crash after the first step would have left it.
    let sql = [
        "DELETE FROM registry_people_history WHERE record_id IN \
            (SELECT record_id FROM registry_people ORDER BY record_key DESC LIMIT 2500)",
        "DELETE FROM registry_people WHERE record_id NOT IN \
            (SELECT record_id FROM registry_people_history)",
        "UPDATE registry_batch SET state = 'loading', rows_done = 2000, inserted = 2000, \
            finished_at = NULL",
    ];
    house
        .db
        .write(move |tx| async move {
            for sql in sql {
                tx.execute_unprepared(sql).await.unwrap();
            }
            Ok(())
        })
        .await
        .unwrap();
    clock.advance(chrono::TimeDelta::days(1));
    let rest = load_from(&house, "p-1", Mode::KeepGood, &file, None);
    assert_eq!(counts(&rest.await.unwrap()), [4500, 4500, 0, 0, 0]);
    let late = "SELECT COUNT(*) AS n FROM registry_people_history WHERE valid_from <> '2026-01-01'";
    assert_eq!(number_of(&house, late).await, 0, "the day is the batch's");
    let count = "SELECT COUNT(*) AS n FROM registry_people";
    assert_eq!(number_of(&house, count).await, 4500);
}

async fn number_of(house: &House, sql: &str) -> i64 {
    let backend = house.db.read().get_database_backend();
    let row = house
        .db
        .read()
        .query_one_raw(sea_orm::Statement::from_string(backend, sql))
        .await
        .unwrap()
        .unwrap();
    row.try_get::<i64>("", "n").unwrap()
}

#[db_test(migrations = migrations)]
async fn a_header_that_does_not_fit_is_told_before_anything_is_read(db: Db) {
    let house = house(db).await;
    let error = load(&house, "p-1", Mode::KeepGood, "姓名,姓名,鞋码\n")
        .await
        .unwrap_err();
    assert_eq!(
        findings(&error),
        [
            (
                "row 1, column \"姓名\"".into(),
                "registry-file-column-twice"
            ),
            ("row 1, column \"鞋码\"".into(), "registry-file-column"),
            ("row 1, column \"gmsfhm\"".into(), "registry-file-key"),
        ]
    );
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"gmsfhm,xm\n").unwrap();
    file.write_all(PERSON.as_bytes()).unwrap();
    file.write_all(b",\xd5\xc5\n").unwrap();
    let loading = Loading {
        registry: "people".into(),
        source: "police".into(),
        batch: "gb".into(),
        mode: Mode::KeepGood,
        valid_from: None,
    };
    let steward = officer("steward", POLICE);
    let batch = act::load(&house.app, &steward, &loading, file.path())
        .await
        .unwrap();
    assert_eq!(batch.refused, 1);
    assert_eq!(refusals(&house, "gb").await[0].2, "registry-file-encoding");
    let foreign = act::load(
        &house.app,
        &officer("steward", CIVIL),
        &loading,
        file.path(),
    )
    .await;
    assert!(matches!(foreign, Err(kernel::Error::Forbidden { .. })));
}

#[db_test(migrations = migrations)]
async fn a_load_leaves_one_event(db: Db) {
    let house = house(db).await;
    let file = format!("gmsfhm,xm\n{},张小明\n", number(1));
    load(&house, "p-1", Mode::KeepGood, &file).await.unwrap();
    load(&house, "p-1", Mode::KeepGood, &file).await.unwrap();
    let kinds = crate::reading::events(&house, "registry.loaded.v1").await;
    assert_eq!(kinds.len(), 1);
    assert_eq!(kinds[0]["inserted"], json!(1));
}

#[db_test(migrations = migrations)]
async fn a_mark_takes_a_value_back_and_a_blank_says_nothing(db: Db) {
    let house = house(db).await;
    let who = number(1);
    let head = "gmsfhm,xm,xbdm,csrq";
    let whole = format!("{head}\n{who},张小明,1,1980-01-01\n");
    load(&house, "p-1", Mode::KeepGood, &whole).await.unwrap();
    let less = format!("{head}\n{who},,\\N,\n\\N,李四,1,\n");
    let batch = load(&house, "p-2", Mode::KeepGood, &less).await.unwrap();
    assert_eq!(counts(&batch), [2, 0, 1, 0, 1]);
    let told = ("gmsfhm".to_owned(), "registry-value-required".to_owned());
    let refused = refusals(&house, "p-2").await;
    assert_eq!(refused, [(3, told.0, told.1)], "a key cannot be taken back");
    let clerk = officer("clerk", CIVIL);
    let view = registry::record::act::view_by_key(&house.app, &clerk, "people", &who, "", false);
    let values = view.await.unwrap().row.values;
    let there: Vec<_> = values.keys().map(String::as_str).collect();
    assert_eq!(there, ["csrq", "gmsfhm", "xm"]);
}
