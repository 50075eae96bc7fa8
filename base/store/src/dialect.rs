//! Where SQLite and `PostgreSQL` differ, each difference by name.

use sea_orm::{ConnectionTrait, Statement};

use crate::{Engine, Tx, fault};

/// Waits until no other transaction holds the lock of this name; held until the end of the
/// transaction. SQLite has one writer anyway. On `PostgreSQL` it is an advisory lock, whose
/// number includes the schema because advisory locks belong to the whole database.
pub async fn lock(tx: &Tx, name: &'static str) -> kernel::Result<()> {
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
