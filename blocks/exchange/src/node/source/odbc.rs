//! Any database by its ODBC driver.

use std::sync::Arc;

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema, TimeUnit},
    error::ArrowError,
};
use arrow_odbc::{
    OdbcReaderBuilder, TextEncoding, arrow_schema_from,
    odbc_api::{self, Connection, ConnectionOptions, Cursor},
};
use kernel::Fault;

use super::{
    failed,
    renamed::{Column, Family},
};
use crate::node::config::with_environment;

/// Seconds to wait for a connection.
const LOGIN_SECONDS: u32 = 15;
/// Bytes of the buffers that rows are fetched into.
const FETCH_BYTES: usize = 8 << 20;
/// Rows fetched at once at the most.
const FETCH_ROWS: usize = 50_000;

pub fn connect(connection: &str) -> Result<Connection<'static>, Fault> {
    odbc_loader::load().map_err(|e| Fault::caused_by("open a database", e))?;
    let environment = arrow_odbc::odbc_api::environment().map_err(|e| failed("start ODBC", e))?;
    let options = ConnectionOptions {
        login_timeout_sec: Some(LOGIN_SECONDS),
        ..ConnectionOptions::default()
    };
    // unixODBC hands some drivers a string without its length: what comes after it in memory must
    // be its end, or the last value has a tail.
    let terminated = with_environment(connection)? + ";\0";
    environment
        .connect_with_connection_string(terminated.trim_end_matches('\0'), options)
        .map_err(|e| failed("open a database", e))
}

pub(super) struct Session {
    connection: Connection<'static>,
    utf16: bool,
}

impl Session {
    /// `utf16` where the driver's other encoding is not UTF-8.
    pub fn open(connection: &str, utf16: bool) -> Result<Self, Fault> {
        Ok(Self {
            connection: connect(connection)?,
            utf16,
        })
    }

    pub fn run(&self, sql: &str) -> Result<(), Fault> {
        let done = self.connection.execute(sql, (), None);
        done.map(drop).map_err(|e| failed("prepare the source", e))
    }

    /// Columns of a query.
    pub fn columns(&self, sql: &str) -> Result<Vec<Column>, Fault> {
        let failed = |e| failed("read the source's columns", e);
        let cursor = self.connection.execute(sql, (), None).map_err(failed)?;
        let mut cursor = cursor.ok_or_else(|| Fault::new("the source answers no rows"))?;
        let schema = arrow_schema_from(&mut cursor, None, false)
            .map_err(|e| super::failed("read the source's columns", e))?;
        let columns = schema.fields().iter().map(|field| {
            let family = Family::of_arrow(field.data_type());
            (field.name().clone(), Some(family))
        });
        Ok(columns.collect())
    }

    /// Rows of a query, with texts of so many bytes.
    pub fn rows(
        &self,
        sql: &str,
        text_bytes: usize,
        take: &mut dyn FnMut(RecordBatch) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let cursor = self
            .connection
            .execute(sql, (), None)
            .map_err(|e| failed("read the source", e))?
            .ok_or_else(|| Fault::new("the source answers no rows"))?;
        self.fetch(cursor, text_bytes, take)
    }

    fn fetch(
        &self,
        mut cursor: impl Cursor,
        text_bytes: usize,
        take: &mut dyn FnMut(RecordBatch) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let inferred = arrow_schema_from(&mut cursor, None, false)
            .map_err(|e| failed("read the source's columns", e))?;
        let columns = inferred.fields().len();
        let mut builder = OdbcReaderBuilder::new();
        builder
            .with_schema(Arc::new(Schema::new(
                inferred.fields().iter().map(raw_field).collect::<Vec<_>>(),
            )))
            .with_max_bytes_per_batch(FETCH_BYTES.max(text_bytes.saturating_mul(columns + 1)))
            .with_max_num_rows_per_batch(FETCH_ROWS)
            .with_max_text_size(text_bytes)
            .with_max_binary_size(text_bytes);
        if self.utf16 {
            builder.with_payload_text_encoding(TextEncoding::Utf16);
        }
        let reader = builder
            .build(cursor)
            .map_err(|e| failed("read the source", e))?;
        for batch in reader {
            take(batch.map_err(unfetched)?)?;
        }
        Ok(())
    }
}

/// What a fault says whose value did not fit the place that was made for it.
const TOO_LONG: &str = "a text is longer than text_bytes";

fn unfetched(error: ArrowError) -> Fault {
    if let ArrowError::ExternalError(inner) = &error
        && let Some(odbc_api::Error::TooLargeValueForBuffer { .. }) = inner.downcast_ref()
    {
        return Fault::new(format!("{TOO_LONG}: {error}"));
    }
    failed("read the source", error)
}

/// Whether more place for texts would help.
pub(crate) fn is_too_long(fault: &Fault) -> bool {
    fault.chain().contains(TOO_LONG)
}

/// Moments in microseconds: in nanoseconds the year 1 has no place. Floats in 64 bits: `PostgreSQL`'s
/// driver calls 53 bits of precision 15 digits, which is taken for 32 bits.
fn raw_field(field: &Arc<Field>) -> Field {
    match field.data_type() {
        DataType::Float32 => Field::new(field.name(), DataType::Float64, field.is_nullable()),
        DataType::Timestamp(_, _) => Field::new(
            field.name(),
            DataType::Timestamp(TimeUnit::Microsecond, None),
            field.is_nullable(),
        ),
        _ => field.as_ref().clone(),
    }
}
