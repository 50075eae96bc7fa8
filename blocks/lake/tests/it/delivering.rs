//! Batches: rules, repeating, merging, breaking off.

use futures::StreamExt;
use identity::Actor;
use kernel::Error;
use lake::{Mode, OnBad};
use store::{Db, db_test};

use crate::house::{
    CIVIL, HEADS, House, INSURANCE, INSURED, Row, delivery, house, migrations, number, officer,
    rows, table, with_gone,
};

async fn three(house: &House) -> lake::BatchOutcome {
    let (one, two, three) = (number(1), number(2), number(3));
    let batch = rows(
        HEADS,
        &[
            [&one, "张一", "1", "321002", "5000.50", "2026-01-10"],
            [&two, "李二", "2", "321003", "6000", "2026-02-10"],
            [&three, "王三", "1", "321002", "", ""],
        ],
    );
    let announced = delivery("insured", "b-1", Mode::Append);
    house.take(&announced, vec![batch]).await.unwrap()
}

#[db_test(migrations = migrations)]
async fn a_batch_is_taken_once_however_often_it_comes(db: Db) {
    let house = house(db).await;
    let first = three(&house).await;
    assert_eq!(
        (first.state.as_str(), first.good, first.bad),
        ("loaded", 3, 0),
        "{first:?}"
    );
    assert!(!first.is_repeat);
    let again = three(&house).await;
    assert!(again.is_repeat);
    assert_eq!((again.good, again.version), (first.good, first.version));
    assert_eq!(house.dump("insured", None).await.len(), 3);
}

#[db_test(migrations = migrations)]
async fn a_batch_that_the_database_forgot_is_known_by_the_table_itself(db: Db) {
    let house = house(db.clone()).await;
    three(&house).await;
    // As if the server had stopped between the commit in the lake and that in the database.
    db.write(|tx| async move {
        use sea_orm::ConnectionTrait;
        let back = "UPDATE lake_batch SET state = 'loading', version = 0, finished_at = NULL";
        tx.execute_unprepared(back).await.unwrap();
        Ok(())
    })
    .await
    .unwrap();
    let again = three(&house).await;
    assert_eq!(
        (again.is_repeat, again.state.as_str(), again.good),
        (false, "loaded", 3)
    );
    assert_eq!(
        house.dump("insured", None).await.len(),
        3,
        "nothing is doubled"
    );
}

#[db_test(migrations = migrations)]
async fn every_rule_sets_its_rows_aside_with_the_reason(db: Db) {
    let house = house(db).await;
    three(&house).await;
    let (four, five, six) = (number(4), number(5), number(6));
    let (seven, eight, nine) = (number(7), number(8), number(9));
    let wrong = format!(
        "{}{}",
        &four[..17],
        if four.ends_with('1') { '2' } else { '1' }
    );
    let lines: [Row; 11] = [
        [&four, "赵四", "1", "321002", "100", "2026-01-01"],
        [&wrong, "错一", "1", "321002", "", ""],
        [&five, "", "1", "321002", "", ""],
        [&six, "一二三四五六七八九十十一", "1", "321002", "", ""],
        [&seven, "钱七", "9", "321002", "", ""],
        [&eight, "孙八", "1", "33", "", ""],
        [&nine, "周九", "1", "321002", "50000.01", ""],
        [&four, "重复", "1", "321002", "", ""],
        [&number(1), "已有", "1", "321002", "", ""],
        [&number(10), "吴十", "1", "321002", "", "2026-01-01"],
        [&number(11), "郑一", "1", "321002", "many", "2020-13-01"],
    ];
    let announced = delivery("insured", "b-2", Mode::Append);
    let outcome = house
        .take(&announced, vec![rows(HEADS, &lines)])
        .await
        .unwrap();
    assert_eq!(
        (outcome.rows, outcome.good, outcome.bad),
        (11, 1, 10),
        "{outcome:?}"
    );
    let steward = officer("steward", INSURANCE);
    let (report, aside) = lake::report(&house.app, &steward, "insured", "b-2", 0)
        .await
        .unwrap();
    let told: Vec<_> = aside
        .iter()
        .map(|bad| (bad.row, bad.column.as_str(), bad.reason.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (2, "gmsfhm", "citizen"),
            (3, "xm", "required"),
            (4, "xm", "length"),
            (5, "xbdm", "code"),
            (6, "xzqh", "pattern"),
            (7, "jfjs", "range"),
            (8, "", "unique"),
            (9, "", "unique"),
            (10, "", "condition"),
            (11, "jfjs", "type"),
            (11, "jfrq", "type"),
        ]
    );
    assert_eq!(
        aside[0].value,
        format!("{}********{}", &wrong[..6], &wrong[14..])
    );
    assert_eq!(aside[3].value, "9");
    assert_eq!(
        aside[9].value, "****",
        "a sensitive value that is no number is hidden, too"
    );
    let sum: i64 = report.findings.iter().map(|f| f.rows).sum();
    assert_eq!(sum, 11);
    assert_eq!(house.dump("insured", None).await.len(), 4);
}

#[db_test(migrations = migrations)]
async fn a_warning_counts_and_takes_the_row(db: Db) {
    let house = house(db).await;
    let one = number(1);
    let old = rows(HEADS, &[[&one, "张一", "1", "321002", "1", "2019-01-01"]]);
    let outcome = house
        .take(&delivery("insured", "b-1", Mode::Append), vec![old])
        .await
        .unwrap();
    assert_eq!((outcome.good, outcome.bad, outcome.warned), (1, 0, 1));
    assert_eq!(outcome.findings[0].rule, "recent");
}

#[db_test(migrations = migrations)]
async fn one_bad_row_refuses_all_where_the_deliverer_says_so(db: Db) {
    let house = house(db).await;
    let one = number(1);
    let batch = rows(
        HEADS,
        &[
            [&one, "张一", "1", "321002", "1", ""],
            ["123", "李二", "1", "321002", "1", ""],
        ],
    );
    let announced = lake::Delivery {
        on_bad: OnBad::RefuseAll,
        ..delivery("insured", "b-1", Mode::Append)
    };
    let outcome = house.take(&announced, vec![batch.clone()]).await.unwrap();
    assert_eq!(
        (outcome.state.as_str(), outcome.good, outcome.bad),
        ("refused", 0, 1)
    );
    assert!(house.dump("insured", None).await.is_empty());
    let again = house.take(&announced, vec![batch.clone()]).await.unwrap();
    assert!(again.is_repeat);
    let other = delivery("insured", "b-1", Mode::Append);
    let error = house.take(&other, vec![batch]).await.unwrap_err();
    assert!(matches!(error, Error::Refused(text) if text.key == "lake-batch-other"));
}

#[db_test(migrations = migrations)]
async fn a_merge_replaces_adds_and_removes_by_key(db: Db) {
    let house = house(db).await;
    three(&house).await;
    let (one, two, four) = (number(1), number(2), number(4));
    let changes = rows(
        HEADS,
        &[
            [&one, "张一", "1", "321002", "1", ""],
            [&one, "张一", "1", "321002", "7777", ""],
            [&two, "李二", "2", "321003", "", ""],
            [&four, "赵四", "1", "321002", "8000", ""],
        ],
    );
    let changes = with_gone(&changes, &[false, false, true, false]);
    let announced = delivery("insured", "m-1", Mode::Merge);
    let outcome = house.take(&announced, vec![changes.clone()]).await.unwrap();
    assert_eq!((outcome.good, outcome.bad), (4, 0), "{outcome:?}");
    let now = house.dump("insured", None).await;
    assert_eq!(now.len(), 3, "{now:?}");
    assert!(
        now[0].contains("7777.00"),
        "the last of two counts: {now:?}"
    );
    assert!(now[2].starts_with(&four));
    assert!(!now.iter().any(|line| line.starts_with(&two)), "{now:?}");
    house.take(&announced, vec![changes]).await.unwrap();
    assert_eq!(house.dump("insured", None).await, now);
    let before = house.dump("insured", Some(1)).await;
    assert!(
        before[0].contains("5000.50"),
        "the version before is there: {before:?}"
    );
}

#[db_test(migrations = migrations)]
async fn an_overwrite_stands_in_place_of_all(db: Db) {
    let house = house(db).await;
    three(&house).await;
    let nine = number(9);
    let all = rows(HEADS, &[[&nine, "周九", "1", "321002", "1", ""]]);
    house
        .take(&delivery("insured", "o-1", Mode::Overwrite), vec![all])
        .await
        .unwrap();
    let now = house.dump("insured", None).await;
    assert_eq!(now.len(), 1);
    assert!(now[0].starts_with(&nine));
}

#[db_test(migrations = migrations)]
async fn rows_that_break_off_leave_nothing_and_come_again(db: Db) {
    let house = house(db).await;
    let (one, two) = (number(1), number(2));
    let first = rows(HEADS, &[[&one, "张一", "1", "321002", "1", ""]]);
    let second = rows(HEADS, &[[&two, "李二", "1", "321002", "1", ""]]);
    let announced = delivery("insured", "b-1", Mode::Append);
    let broken = futures::stream::iter([
        Ok(first.clone()),
        Err(kernel::Fault::new("the node is gone").into()),
    ]);
    let actor = Actor::system();
    let error = lake::take(&house.app, &actor, &announced, first.schema(), broken).await;
    assert!(error.is_err());
    // And one whose deliverer simply goes away.
    let hanging = futures::stream::iter([Ok(first.clone())]).chain(futures::stream::pending());
    let taking = lake::take(&house.app, &actor, &announced, first.schema(), hanging);
    let gone = tokio::time::timeout(std::time::Duration::from_millis(500), taking).await;
    assert!(gone.is_err());
    assert!(house.dump("insured", None).await.is_empty());
    let outcome = house.take(&announced, vec![first, second]).await.unwrap();
    assert_eq!((outcome.state.as_str(), outcome.good), ("loaded", 2));
    assert_eq!(house.dump("insured", None).await.len(), 2);
}

#[db_test(migrations = migrations)]
async fn a_reference_is_looked_up_in_the_other_table(db: Db) {
    let house = house(db).await;
    three(&house).await;
    let batch = rows(
        ["gmsfhm", "je"],
        &[[&number(1), "100"], [&number(99), "200"]],
    );
    let announced = delivery("benefits", "b-1", Mode::Append);
    let outcome = house.take(&announced, vec![batch]).await.unwrap();
    assert_eq!((outcome.good, outcome.bad), (1, 1));
    assert_eq!(outcome.findings[0].rule, "insured");
}

#[db_test(migrations = migrations)]
async fn what_does_not_fit_is_refused_before_a_row_is_read(db: Db) {
    let house = house(db).await;
    let fields = async |announced: lake::Delivery, batch| match house
        .take(&announced, vec![batch])
        .await
    {
        Err(Error::Invalid(findings)) => findings.into_iter().map(|f| f.field).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let strange = rows(["gmsfhm", "colour"], &[["1", "red"]]);
    let told = fields(delivery("insured", "../b", Mode::Append), strange).await;
    assert_eq!(told, ["batch", "colour"]);
    let keyless = rows(["xm"], &[["张一"]]);
    assert_eq!(
        fields(delivery("insured", "b", Mode::Merge), keyless).await,
        ["gmsfhm"]
    );
    let benefit = rows(["gmsfhm", "je"], &[["1", "1"]]);
    assert_eq!(
        fields(delivery("benefits", "b", Mode::Merge), benefit.clone()).await,
        ["mode"]
    );
    let nowhere = delivery("nowhere", "b", Mode::Append);
    let error = house
        .take(&nowhere, vec![benefit.clone()])
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }));
    let stranger = officer("steward", CIVIL);
    let rows = futures::stream::iter([Ok(benefit.clone())]);
    let announced = delivery("insured", "b", Mode::Append);
    let error = lake::take(&house.app, &stranger, &announced, benefit.schema(), rows).await;
    assert!(matches!(error, Err(Error::Forbidden { .. })));
}

#[db_test(migrations = migrations)]
async fn a_declaration_may_grow_and_its_columns_keep_their_type(db: Db) {
    let house = house(db).await;
    three(&house).await;
    let more = format!(
        "{INSURED}\n[[columns]]\nid = \"bz\"\ntitle = {{ zh = \"备注\", en = \"Note\" }}\ntype = \"text\"\n"
    );
    lake::declare(&house.app, &Actor::system(), &table(&more))
        .await
        .unwrap();
    let five = number(5);
    let batch = rows(
        ["gmsfhm", "xm", "xbdm", "xzqh", "bz"],
        &[[&five, "钱五", "1", "321002", "新"]],
    );
    house
        .take(&delivery("insured", "b-2", Mode::Append), vec![batch])
        .await
        .unwrap();
    let now = house.dump("insured", None).await;
    assert_eq!(now.len(), 4);
    assert!(now.iter().any(|line| line.ends_with("|新")), "{now:?}");
    // So does a merge, for rows that are there and for new ones.
    let six = number(6);
    let batch = rows(
        ["gmsfhm", "xm", "xbdm", "xzqh", "zj"],
        &[
            [&five, "钱五", "1", "321002", "证"],
            [&six, "孙六", "2", "321002", "件"],
        ],
    );
    let more = more
        + "[[columns]]\nid = \"zj\"\ntitle = { zh = \"证件\", en = \"Paper\" }\ntype = \"text\"\n";
    lake::declare(&house.app, &Actor::system(), &table(&more))
        .await
        .unwrap();
    house
        .take(&delivery("insured", "b-3", Mode::Merge), vec![batch])
        .await
        .unwrap();
    let now = house.dump("insured", None).await;
    assert_eq!(now.len(), 5);
    for end in ["|证", "|件"] {
        assert!(now.iter().any(|line| line.ends_with(end)), "{now:?}");
        assert!(
            now.iter().all(|line| line.split('|').count() == 8),
            "nothing else came: {now:?}"
        );
    }
    let changed = more.replace("type = \"decimal\"\nplaces = 2", "type = \"integer\"");
    let error = lake::declare(&house.app, &Actor::system(), &table(&changed)).await;
    assert!(matches!(error, Err(Error::Invalid(f)) if f[0].field == "columns.jfjs"));
}

#[test]
fn every_mistake_of_a_declaration_is_told() {
    let text = r#"
        id = "Bad Name"
        title = { zh = "", en = "" }
        key = ["nothing"]
        columns = [{ id = "a", title = { zh = "", en = "" }, type = "integer" }]
        rules = [
            { id = "p", column = "a", check = "pattern", pattern = "(" },
            { id = "c", check = "condition", sql = "a + " },
            { id = "d", check = "condition", sql = "a + 1" },
            { id = "u", check = "unique", columns = ["b"] },
            { id = "type", column = "a", check = "required" },
        ]
    "#;
    let findings = table(text).findings();
    let told: Vec<_> = findings
        .iter()
        .map(|f| (f.field.as_str(), f.text.key))
        .collect();
    assert_eq!(
        told,
        [
            ("id", "lake-name-unfit"),
            ("key", "lake-column-unknown"),
            ("rules.p", "lake-rule-type"),
            ("rules.p", "lake-rule-pattern"),
            ("rules.c", "lake-rule-condition"),
            ("rules.d", "lake-rule-condition"),
            ("rules.u", "lake-column-unknown"),
            ("rules.type", "lake-rule-name"),
        ]
    );
}

/// What changed between two versions: `key|name` of rows, and the keys of those that are gone.
async fn changes(house: &House, span: (Option<u64>, u64)) -> (Vec<String>, Vec<String>) {
    let columns = ["xm".to_owned()];
    let actor = Actor::system();
    let changes = lake::change::changes(&house.app, &actor, "insured", &columns, span).await;
    let changes = changes.unwrap();
    let lines = async |mut rows: futures::stream::BoxStream<'static, kernel::Result<_>>| {
        let mut all = Vec::new();
        while let Some(batch) = rows.next().await {
            for cells in lake::cell::rows(&batch.unwrap()).unwrap() {
                let texts: Vec<_> = cells.iter().filter_map(|cell| cell.as_str()).collect();
                all.push(texts.join("|"));
            }
        }
        all
    };
    (lines(changes.rows).await, lines(changes.gone).await)
}

#[db_test(migrations = migrations)]
async fn what_changed_is_found_in_the_files_that_changed(db: Db) {
    let house = house(db).await;
    let first = three(&house).await;
    let key = |place: u16| number(place);
    let (four, five) = (key(4), key(5));
    let more = rows(
        HEADS,
        &[
            [&four, "赵四", "1", "321002", "1", ""],
            [&five, "周五", "1", "321002", "1", ""],
        ],
    );
    let announced = delivery("insured", "b-2", Mode::Append);
    let second = house.take(&announced, vec![more]).await.unwrap();
    let version = |outcome: &lake::BatchOutcome| u64::try_from(outcome.version).unwrap();
    let name = |number: &str, name: &str| format!("{number}|{name}");
    let span = (Some(version(&first)), version(&second));
    let added = vec![name(&four, "赵四"), name(&five, "周五")];
    assert_eq!(changes(&house, span).await, (added, vec![]));

    // One is another, one is gone, one is new, and one says the same again: all in the second file.
    let six = key(6);
    let other = rows(
        HEADS,
        &[
            [&four, "赵四（改）", "1", "321002", "1", ""],
            [&five, "", "", "", "", ""],
            [&six, "孙六", "1", "321002", "1", ""],
        ],
    );
    let other = with_gone(&other, &[false, true, false]);
    let announced = delivery("insured", "m-3", Mode::Merge);
    let third = house.take(&announced, vec![other]).await.unwrap();
    assert_eq!((third.good, third.bad), (3, 0), "{third:?}");
    // The file of the first batch is not looked at: it could as well not be there.
    let mut files: Vec<_> = std::fs::read_dir(house.path("insured"))
        .unwrap()
        .map(|file| file.unwrap())
        .filter(|file| file.path().extension().is_some_and(|ext| ext == "parquet"))
        .collect();
    files.sort_by_key(|file| file.metadata().unwrap().modified().unwrap());
    let (kept, aside) = (files[0].path(), files[0].path().with_extension("aside"));
    std::fs::rename(&kept, &aside).unwrap();
    let span = (Some(version(&second)), version(&third));
    let (found, gone) = changes(&house, span).await;
    assert_eq!(found, [name(&four, "赵四（改）"), name(&six, "孙六")]);
    assert_eq!(gone, [name(&five, "周五")]);
    std::fs::rename(&aside, &kept).unwrap();
    // Over both, and from the beginning.
    let span = (Some(version(&first)), version(&third));
    let (found, gone) = changes(&house, span).await;
    assert_eq!((found.len(), gone.len()), (2, 0));
    let (all, gone) = changes(&house, (None, version(&third))).await;
    assert_eq!((all.len(), gone.len()), (5, 0));

    // Files that are put together hold what they held.
    let (compacted, _) = lake::maintain(&house.app, &Actor::system(), "insured")
        .await
        .unwrap();
    assert!(compacted > 1, "{compacted}");
    let seven = key(7);
    let last = rows(HEADS, &[[&seven, "吴七", "1", "321002", "1", ""]]);
    let announced = delivery("insured", "b-4", Mode::Append);
    let fourth = house.take(&announced, vec![last]).await.unwrap();
    let span = (Some(version(&third)), version(&fourth));
    let found = changes(&house, span).await;
    assert_eq!(found, (vec![name(&seven, "吴七")], vec![]));
}
