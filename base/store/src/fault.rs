//! What an error of a database means for its caller.

use kernel::Fault;
use sea_orm::{DbErr, RuntimeErr, SqlErr, SqlxError, sqlx::error::DatabaseError};

/// Wraps a database error; one that means "out of reach", "full" or "too busy" is marked
/// transient, and becomes a 503.
pub fn fault(what: &str, error: DbErr) -> Fault {
    let is_transient = is_out_of_reach(&error);
    let fault = Fault::caused_by(what, error);
    if is_transient {
        fault.transient()
    } else {
        fault
    }
}

/// Whether a row was refused because another has its key. For code outside a write; inside, say
/// `on_conflict`, because the error has already ended the transaction on `PostgreSQL`.
pub fn is_unique_violation(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

fn is_out_of_reach(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(e)) | DbErr::Query(RuntimeErr::SqlxError(e)) => {
            is_lost(e)
        }
        _ => false,
    }
}

fn is_lost(error: &SqlxError) -> bool {
    match error {
        SqlxError::Io(_)
        | SqlxError::Tls(_)
        | SqlxError::Protocol(_)
        | SqlxError::PoolTimedOut
        | SqlxError::PoolClosed
        | SqlxError::WorkerCrashed
        | SqlxError::BeginFailed => true,
        SqlxError::Database(e) => e.code().is_some_and(|code| means_out_of_reach(&code)),
        _ => false,
    }
}

/// SQLite's codes are numbers whose lowest byte is the kind; `PostgreSQL`'s have five characters.
fn means_out_of_reach(code: &str) -> bool {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    const IO: u32 = 10;
    const FULL: u32 = 13;
    const CANNOT_OPEN: u32 = 14;
    if code.len() == 5 {
        let connection_or_resources = code.starts_with("08") || code.starts_with("53");
        return connection_or_resources || code.starts_with("57P") || code.starts_with("58");
    }
    let kind = code.parse::<u32>().map(|code| code & 0xff);
    matches!(kind, Ok(BUSY | LOCKED | IO | FULL | CANNOT_OPEN))
}

/// `PostgreSQL` asks to run the transaction again: serialization failure or deadlock.
pub(crate) fn is_conflict(fault: &Fault) -> bool {
    has_code(fault, &["40001", "40P01"])
}

/// `PostgreSQL` found a key taken. If another transaction took it in the meantime, this write could
/// not see it before and will when it runs again (manual, 13.5).
pub(crate) fn is_key_taken(fault: &Fault) -> bool {
    has_code(fault, &["23505"])
}

fn has_code(fault: &Fault, codes: &[&str]) -> bool {
    let mut source = std::error::Error::source(fault);
    while let Some(error) = source {
        if let Some(
            DbErr::Exec(RuntimeErr::SqlxError(e)) | DbErr::Query(RuntimeErr::SqlxError(e)),
        ) = error.downcast_ref::<DbErr>()
        {
            let code = e.as_database_error().and_then(DatabaseError::code);
            return code.is_some_and(|code| codes.contains(&&*code));
        }
        source = error.source();
    }
    false
}

/// Everything that is known about an error, in one line for an operator.
pub(crate) fn chain_of(error: &kernel::Error) -> String {
    match error {
        kernel::Error::Fault(fault) | kernel::Error::Unavailable(fault) => fault.chain(),
        other => other.to_string(),
    }
}
