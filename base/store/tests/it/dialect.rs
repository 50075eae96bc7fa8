//! Every named difference of the engines, on both.

use sea_orm::{ActiveValue::Set, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};
use store::{Db, dialect, schema::parked};

async fn park(db: &Db, rows: &'static [(i64, &'static str)]) {
    db.write(move |tx| async move {
        for (position, reason) in rows {
            let row = parked::ActiveModel {
                consumer: Set("x".into()),
                position: Set(*position),
                subject: Set("case:1".into()),
                reason: Set((*reason).to_owned()),
                at: Set(0),
            };
            let inserted = parked::Entity::insert(row)
                .exec_without_returning(&*tx)
                .await;
            inserted.map_err(|e| store::fault("insert", e))?;
        }
        Ok(())
    })
    .await
    .unwrap();
}

#[store::db_test]
async fn what_is_searched_for_is_taken_literally_and_in_any_case(db: Db) {
    park(
        &db,
        &[
            (1, "100% ABC"),
            (2, "100 abd"),
            (3, "食品_经营"),
            (4, "食品经营"),
            (5, r"a\b"),
            (6, "É"),
        ],
    )
    .await;
    for (text, expected) in [
        ("aB", 2),
        ("100%", 1),
        ("%", 1),
        ("_", 1),
        ("食品", 2),
        ("品_经", 1),
        (r"A\", 1),
        ("é", 0),
        ("", 6),
    ] {
        let found = parked::Entity::find()
            .filter(dialect::contains(db.engine(), parked::Column::Reason, text))
            .count(db.read())
            .await
            .unwrap();
        assert_eq!(found, expected, "{text:?}");
    }
    for (pattern, expected) in [
        ("100%", 2),
        ("%ab_", 2),
        (r"100\%%", 1),
        ("%经营", 2),
        ("食品_经营", 1),
        (r"A\", 0),
        (r"%\\b", 1),
        (r"\", 0),
        ("%", 6),
        ("", 0),
    ] {
        let found = parked::Entity::find()
            .filter(dialect::like(db.engine(), parked::Column::Reason, pattern))
            .count(db.read())
            .await
            .unwrap();
        assert_eq!(found, expected, "{pattern:?}");
    }
}

#[store::db_test]
async fn sums_and_means_come_as_numbers_of_rust(db: Db) {
    let query = || {
        parked::Entity::find()
            .select_only()
            .expr_as(dialect::sum(parked::Column::Position), "sum")
            .expr_as(dialect::average(parked::Column::Position), "mean")
            .into_tuple::<(i64, Option<f64>)>()
    };
    assert_eq!(query().one(db.read()).await.unwrap(), Some((0, None)));
    park(&db, &[(1, ""), (4, ""), (1_000_000_000_000_000, "")]).await;
    let (sum, mean) = query().one(db.read()).await.unwrap().unwrap();
    assert_eq!(sum, 1_000_000_000_000_005);
    assert!((mean.unwrap() - 333_333_333_333_335.0).abs() < 1.0);
}
