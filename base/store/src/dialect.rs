//! Where SQLite and `PostgreSQL` differ, each difference by name. A crate that meets another one
//! adds it here, with a test on both.
//!
//! What needs no name because the query layer or this crate takes care of it: `SKIP LOCKED` (left
//! out on SQLite, which has one writer), placeholders, and that a failed statement ends the
//! transaction on `PostgreSQL` only (see [`crate::Db::write`]).

use sea_orm::{
    ConnectionTrait, Statement,
    sea_query::{Expr, ExprTrait, Func, IntoColumnRef, LikeExpr},
};

use crate::{Engine, Tx, fault};

/// Waits until no other transaction holds the lock of this name; held until the end of the
/// transaction. SQLite has one writer anyway. On `PostgreSQL` it is an advisory lock, whose
/// number includes the schema because advisory locks belong to the whole database.
pub(crate) async fn lock(tx: &Tx, name: &'static str) -> kernel::Result<()> {
    if tx.engine() == Engine::Sqlite {
        return Ok(());
    }
    let statement = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "SELECT pg_advisory_xact_lock(hashtextextended($1 || current_schema(), 0))",
        [name.into()],
    );
    tx.query_one_raw(statement)
        .await
        .map_err(|e| fault("take a lock", e))?;
    Ok(())
}

/// Whether a column contains a text, whatever the case of Latin letters. What the user typed is
/// taken literally: `%` and `_` are no wildcards.
pub fn contains(engine: Engine, column: impl IntoColumnRef, text: &str) -> Expr {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    like(engine, column, &pattern)
}

/// Whether a column is like a pattern (`%` any text, `_` any character, `\` before one of these
/// that is meant itself), whatever the case of Latin letters.
///
/// `LIKE` and `LOWER` know only the case of ASCII letters on SQLite, so the `C` collation has
/// `PostgreSQL` do the same; Chinese has no case. `PostgreSQL` refuses a pattern that ends in a
/// single `\`, so that is one meant itself.
pub fn like(engine: Engine, column: impl IntoColumnRef, pattern: &str) -> Expr {
    let mut pattern = pattern.to_ascii_lowercase();
    if pattern.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1 {
        pattern.push('\\');
    }
    let column = Expr::col(column);
    let lowered = match engine {
        Engine::Sqlite => Expr::expr(Func::lower(column)),
        Engine::Postgres => Expr::cust_with_expr("LOWER($1 COLLATE \"C\")", column),
    };
    lowered.like(LikeExpr::new(pattern).escape('\\'))
}

/// The sum of an integer column as `i64`, 0 over no rows. A plain `SUM` is a number of unlimited
/// size on `PostgreSQL`, which does not decode as an integer.
pub fn sum(column: impl IntoColumnRef) -> Expr {
    let sum = Func::coalesce([Func::sum(Expr::col(column)).into(), Expr::val(0)]);
    Expr::expr(Func::cast_as(sum, "BIGINT"))
}

/// The mean of a column as `Option<f64>`, empty over no rows. A plain `AVG` of integers is a
/// number of unlimited precision on `PostgreSQL`.
pub fn average(column: impl IntoColumnRef) -> Expr {
    Expr::expr(Func::cast_as(
        Func::avg(Expr::col(column)),
        "DOUBLE PRECISION",
    ))
}

/// The clause of a text column that is to be compared byte by byte, so that an index on it serves
/// ranges and prefixes; `None` where text is compared like that anyway. `PostgreSQL` compares by
/// the language of the database, and its index then serves no prefix.
pub fn byte_order(engine: Engine) -> Option<&'static str> {
    match engine {
        Engine::Sqlite => None,
        Engine::Postgres => Some("COLLATE \"C\""),
    }
}
