//! `PostgreSQL` by its own protocol: rows come out by `COPY` in the binary format, several times as
//! fast as by the ODBC driver. `PostgreSQL` documentation, *SQL Commands: COPY*, binary format.
//!
//! Types come as by ODBC; those that Arrow has no equal of come as the server writes them.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, AsArray, BinaryBuilder, Date32Builder, Decimal128Builder, Float64Builder,
        Int16Builder, Int32Builder, Int64Builder, RecordBatch, RecordBatchOptions, StringBuilder,
        TimestampMicrosecondBuilder,
    },
    compute::cast,
    datatypes::{DataType, Field, Schema},
};
use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use futures::TryStreamExt;
use kernel::Fault;
use sea_orm::sqlx::{
    AssertSqlSafe, Column as _, Connection, Executor, PgConnection, SqlSafeStr, Statement,
    TypeInfo, postgres::PgConnectOptions,
};
use tokio::{runtime::Handle, sync::Mutex};

use super::{
    failed,
    numeric::Numeric,
    renamed::{self, Family},
};
use crate::node::config::with_environment;

/// Bytes and rows that are handed on at once.
const STEP_BYTES: usize = 4 << 20;
const STEP_ROWS: usize = 50_000;

/// Before the rows: a signature, flags, and the length of what nobody has defined yet.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Days and microseconds between 1970 and 2000, where the server begins to count.
const DAYS: i32 = 10_957;
const MICROS: i64 = 946_684_800_000_000;
/// The years 1 to 9999 in days since 1970. Others are told as texts, and refused one by one.
const USUAL_DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;
const DAY_MICROS: i64 = 86_400_000_000;

/// A connection that is used on a thread which may block.
pub(super) struct Session {
    connection: Mutex<PgConnection>,
    has_time_zone: bool,
}

impl Session {
    pub fn open(connection: &str, time_zone: Option<&str>) -> Result<Self, Fault> {
        let url = with_environment(connection)?;
        let options: PgConnectOptions = url
            .parse()
            .map_err(|e| Fault::caused_by("read the address of the source", e))?;
        let opened = Handle::current().block_on(PgConnection::connect_with(&options));
        let session = Self {
            connection: Mutex::new(opened.map_err(|e| failed("open a database", e))?),
            has_time_zone: time_zone.is_some(),
        };
        // A table that is read twice tells its rows in one order, so that chunks are the same. Other
        // databases that speak the protocol may not know the setting.
        drop(session.run("SET synchronize_seqscans = off"));
        if let Some(zone) = time_zone {
            session.run(&format!("SET TIME ZONE '{}'", zone.replace('\'', "''")))?;
        }
        Ok(session)
    }

    pub fn run(&self, sql: &str) -> Result<(), Fault> {
        let run = async {
            let mut connection = self.connection.lock().await;
            connection.execute(AssertSqlSafe(sql.to_owned())).await
        };
        let done = Handle::current().block_on(run);
        done.map(drop).map_err(|e| failed("prepare the source", e))
    }

    /// Columns of a query.
    pub fn columns(&self, sql: &str) -> Result<Vec<renamed::Column>, Fault> {
        let ask = async {
            let mut connection = self.connection.lock().await;
            let prepared = connection.prepare(AssertSqlSafe(sql.to_owned()).into_sql_str());
            let prepared = prepared
                .await
                .map_err(|e| failed("read the source's columns", e))?;
            let columns = prepared.columns().iter().map(|column| {
                let family = Way::of(column.type_info().name()).family();
                (column.name().to_owned(), Some(family))
            });
            Ok(columns.collect())
        };
        Handle::current().block_on(ask)
    }

    /// Rows of a query.
    pub fn rows(
        &self,
        sql: &str,
        take: &mut dyn FnMut(RecordBatch) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        Handle::current().block_on(self.copy(sql, take))
    }

    async fn copy(
        &self,
        sql: &str,
        take: &mut dyn FnMut(RecordBatch) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut connection = self.connection.lock().await;
        let prepared = connection.prepare(AssertSqlSafe(sql.to_owned()).into_sql_str());
        let prepared = prepared
            .await
            .map_err(|e| failed("read the source's columns", e))?;
        let columns = prepared.columns().iter();
        let columns: Vec<(String, Way)> = columns
            .map(|column| {
                let way = Way::of(column.type_info().name());
                (column.name().to_owned(), way)
            })
            .collect();
        if let Some((name, _)) = columns.iter().find(|(_, way)| *way == Way::Zoned)
            && !self.has_time_zone
        {
            return Err(Fault::new(format!(
                "{name} is a moment with a time zone; say in the source's settings on which clock \
                 it is told, as time_zone = \"Asia/Shanghai\""
            )));
        }
        let wanted = columns.iter().enumerate();
        let wanted: Vec<String> = wanted.map(|(n, (_, way))| way.wanted(n)).collect();
        let names: Vec<String> = (0..columns.len()).map(|n| format!("c{n}")).collect();
        let copy = format!(
            "COPY (SELECT {} FROM ({sql}) AS q ({})) TO STDOUT (FORMAT binary)",
            wanted.join(", "),
            names.join(", ")
        );
        let told = |e| failed("read the source", e);
        let mut messages = connection.copy_out_raw(&copy).await.map_err(told)?;
        let mut rows = Rows::new(columns);
        while let Some(message) = messages.try_next().await.map_err(told)? {
            rows.message(&message)?;
            if rows.is_enough() {
                take(rows.batch()?)?;
            }
        }
        if rows.count > 0 {
            take(rows.batch()?)?;
        }
        Ok(())
    }
}

/// How values of a type come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Boolean,
    Small,
    Integer,
    Large,
    /// Of 32 bits without a sign.
    Number,
    Real,
    Double,
    Numeric,
    Money,
    Date,
    Moment,
    /// A moment with a time zone.
    Zoned,
    Text,
    Bytes,
    /// In capitals, as ODBC writes them.
    Uuid,
    /// As the server writes it.
    Written,
}

impl Way {
    fn of(name: &str) -> Self {
        match name {
            "BOOL" => Self::Boolean,
            "INT2" => Self::Small,
            "INT4" => Self::Integer,
            "INT8" => Self::Large,
            "OID" => Self::Number,
            "FLOAT4" => Self::Real,
            "FLOAT8" => Self::Double,
            "NUMERIC" => Self::Numeric,
            "MONEY" => Self::Money,
            "DATE" => Self::Date,
            "TIMESTAMP" => Self::Moment,
            "TIMESTAMPTZ" => Self::Zoned,
            "TEXT" | "VARCHAR" | "CHAR" | "NAME" => Self::Text,
            "BYTEA" => Self::Bytes,
            "UUID" => Self::Uuid,
            _ => Self::Written,
        }
    }

    fn family(self) -> Family {
        match self {
            Self::Boolean => Family::Boolean,
            Self::Small | Self::Integer | Self::Large | Self::Number => Family::Whole,
            Self::Real | Self::Double | Self::Numeric | Self::Money => Family::Fraction,
            Self::Date => Family::Date,
            Self::Moment | Self::Zoned => Family::Moment,
            Self::Text | Self::Uuid | Self::Written => Family::Text,
            Self::Bytes => Family::Other,
        }
    }

    /// What is asked for of column `n`.
    fn wanted(self, n: usize) -> String {
        match self {
            Self::Money => format!("c{n}::numeric"),
            Self::Number => format!("c{n}::bigint"),
            Self::Zoned => format!("c{n}::timestamp"),
            // Casts to text differ from what is shown: of an address they tell the mask as well.
            Self::Written => {
                format!("CASE WHEN c{n} IS DISTINCT FROM NULL THEN format('%s', c{n}) END")
            }
            Self::Uuid => format!("upper(c{n}::text)"),
            _ => format!("c{n}"),
        }
    }

    fn cells(self) -> Cells {
        match self {
            Self::Small => Cells::Small(Int16Builder::new()),
            Self::Integer => Cells::Integer(Int32Builder::new()),
            Self::Large | Self::Number => Cells::Large(Int64Builder::new()),
            Self::Real | Self::Double => Cells::Double(Float64Builder::new()),
            Self::Numeric | Self::Money => Cells::Decimal(Decimal128Builder::new(), None),
            Self::Date => Cells::Date(Date32Builder::new()),
            Self::Moment | Self::Zoned => Cells::Moment(TimestampMicrosecondBuilder::new()),
            Self::Bytes => Cells::Bytes(BinaryBuilder::new()),
            Self::Boolean => Cells::Boolean(StringBuilder::new()),
            Self::Text | Self::Uuid | Self::Written => Cells::Text(StringBuilder::new()),
        }
    }
}

/// A column that is being filled.
enum Cells {
    Small(Int16Builder),
    Integer(Int32Builder),
    Large(Int64Builder),
    Double(Float64Builder),
    /// All of one scale.
    Decimal(Decimal128Builder, Option<u16>),
    Date(Date32Builder),
    Moment(TimestampMicrosecondBuilder),
    Bytes(BinaryBuilder),
    /// `1` and `0`, as the ODBC driver tells them.
    Boolean(StringBuilder),
    Text(StringBuilder),
}

impl Cells {
    /// A value as it is sent.
    fn put(&mut self, way: Way, value: Option<&[u8]>) -> Result<(), Fault> {
        let Some(bytes) = value else {
            self.put_null();
            return Ok(());
        };
        match way {
            Way::Numeric | Way::Money => return self.put_number(&Numeric::read(bytes)?),
            Way::Date => return self.put_date(i32::from_be_bytes(fixed(bytes)?)),
            Way::Moment | Way::Zoned => {
                return self.put_moment(i64::from_be_bytes(fixed(bytes)?));
            }
            Way::Real => return self.put_real(f32::from_be_bytes(fixed(bytes)?)),
            _ => {}
        }
        match self {
            Self::Small(cells) => cells.append_value(i16::from_be_bytes(fixed(bytes)?)),
            Self::Integer(cells) => cells.append_value(i32::from_be_bytes(fixed(bytes)?)),
            Self::Large(cells) => cells.append_value(i64::from_be_bytes(fixed(bytes)?)),
            Self::Double(cells) => cells.append_value(f64::from_be_bytes(fixed(bytes)?)),
            Self::Bytes(cells) => cells.append_value(bytes),
            Self::Boolean(cells) => {
                let is_true = bytes.first().is_some_and(|byte| *byte != 0);
                cells.append_value(if is_true { "1" } else { "0" });
            }
            Self::Text(cells) => {
                let text = std::str::from_utf8(bytes).map_err(|_| unreadable())?;
                cells.append_value(text);
            }
            Self::Decimal(..) | Self::Date(_) | Self::Moment(_) => return Err(unreadable()),
        }
        Ok(())
    }

    fn put_null(&mut self) {
        match self {
            Self::Small(cells) => cells.append_null(),
            Self::Integer(cells) => cells.append_null(),
            Self::Large(cells) => cells.append_null(),
            Self::Double(cells) => cells.append_null(),
            Self::Decimal(cells, _) => cells.append_null(),
            Self::Date(cells) => cells.append_null(),
            Self::Moment(cells) => cells.append_null(),
            Self::Bytes(cells) => cells.append_null(),
            Self::Boolean(cells) | Self::Text(cells) => cells.append_null(),
        }
    }

    /// 0.1 of 32 bits is 0.1 of 64, as everybody reads it, and not 0.10000000149011612.
    fn put_real(&mut self, real: f32) -> Result<(), Fault> {
        let Self::Double(cells) = self else {
            return Err(unreadable());
        };
        let same = real.to_string().parse();
        cells.append_value(same.unwrap_or_else(|_| f64::from(real)));
        Ok(())
    }

    /// Numbers of another scale, and those that are none, make texts of the whole column.
    fn put_number(&mut self, number: &Numeric<'_>) -> Result<(), Fault> {
        if let (Self::Decimal(cells, scale), Some(value)) = (&mut *self, number.scaled())
            && *scale.get_or_insert(number.scale) == number.scale
            && number.scale <= 38
        {
            cells.append_value(value);
            return Ok(());
        }
        self.put_text(&number.text())
    }

    fn put_date(&mut self, since: i32) -> Result<(), Fault> {
        let days = since.checked_add(DAYS).filter(|d| USUAL_DAYS.contains(d));
        match (&mut *self, days) {
            (Self::Date(cells), Some(days)) => {
                cells.append_value(days);
                Ok(())
            }
            (_, Some(days)) => {
                let date = NaiveDate::default() + TimeDelta::days(days.into());
                self.put_text(&date.to_string())
            }
            (_, None) => self.put_text(&unusual(since.into(), i32::MAX.into())),
        }
    }

    fn put_moment(&mut self, since: i64) -> Result<(), Fault> {
        let is_usual = |micros: &i64| {
            i32::try_from(micros.div_euclid(DAY_MICROS)).is_ok_and(|d| USUAL_DAYS.contains(&d))
        };
        let micros = since.checked_add(MICROS).filter(is_usual);
        match (&mut *self, micros) {
            (Self::Moment(cells), Some(micros)) => {
                cells.append_value(micros);
                Ok(())
            }
            (_, Some(micros)) => {
                let moment = NaiveDateTime::default() + TimeDelta::microseconds(micros);
                self.put_text(&moment.to_string())
            }
            (_, None) => self.put_text(&unusual(since, i64::MAX)),
        }
    }

    /// A value that the column's type does not hold: all before it become texts, too.
    fn put_text(&mut self, text: &str) -> Result<(), Fault> {
        if let Self::Text(cells) = self {
            cells.append_value(text);
            return Ok(());
        }
        let mut cells = StringBuilder::new();
        let before = cast(&self.finish()?, &DataType::Utf8)
            .map_err(|e| Fault::caused_by("read the source", e))?;
        for value in before.as_string::<i32>() {
            cells.append_option(value);
        }
        cells.append_value(text);
        *self = Self::Text(cells);
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, Fault> {
        Ok(match self {
            Self::Small(cells) => Arc::new(cells.finish()),
            Self::Integer(cells) => Arc::new(cells.finish()),
            Self::Large(cells) => Arc::new(cells.finish()),
            Self::Double(cells) => Arc::new(cells.finish()),
            Self::Date(cells) => Arc::new(cells.finish()),
            Self::Moment(cells) => Arc::new(cells.finish()),
            Self::Bytes(cells) => Arc::new(cells.finish()),
            Self::Boolean(cells) | Self::Text(cells) => Arc::new(cells.finish()),
            Self::Decimal(cells, scale) => {
                let scale = i8::try_from(scale.unwrap_or_default()).unwrap_or_default();
                let numbers = cells.finish().with_precision_and_scale(38, scale);
                Arc::new(numbers.map_err(|e| Fault::caused_by("read the source", e))?)
            }
        })
    }
}

/// What is no moment between the years 1 and 9999, in words that nobody takes for one.
fn unusual(since: i64, infinity: i64) -> String {
    if since >= infinity {
        "infinity".into()
    } else if since < -infinity {
        "-infinity".into()
    } else {
        format!("out of range ({since} since 2000)")
    }
}

/// Rows that have come and were not handed on.
struct Rows {
    names: Vec<String>,
    ways: Vec<Way>,
    cells: Vec<Cells>,
    /// Of a message that ends within a row.
    rest: Vec<u8>,
    is_begun: bool,
    count: usize,
    bytes: usize,
}

impl Rows {
    fn new(columns: Vec<(String, Way)>) -> Self {
        let (names, ways): (Vec<_>, Vec<Way>) = columns.into_iter().unzip();
        Self {
            cells: ways.iter().map(|way| way.cells()).collect(),
            names,
            ways,
            rest: Vec::new(),
            is_begun: false,
            count: 0,
            bytes: 0,
        }
    }

    fn message(&mut self, message: &[u8]) -> Result<(), Fault> {
        self.bytes += message.len();
        if self.rest.is_empty() {
            let left = self.some(message)?.to_vec();
            self.rest = left;
            return Ok(());
        }
        let mut joined = std::mem::take(&mut self.rest);
        joined.extend_from_slice(message);
        self.rest = self.some(&joined)?.to_vec();
        Ok(())
    }

    /// Takes whole rows; answers what is left.
    fn some<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Fault> {
        let mut rest = Bytes(bytes);
        if !self.is_begun {
            if bytes.len() < SIGNATURE.len() + 8 {
                return Ok(bytes);
            }
            if rest.some(SIGNATURE.len())? != SIGNATURE {
                return Err(unreadable());
            }
            rest.some(4)?;
            let more = rest.four()? as usize;
            rest.some(more)?;
            self.is_begun = true;
        }
        while !rest.0.is_empty() {
            let Some(end) = row_end(rest.0) else { break };
            let (row, after) = rest.0.split_at_checked(end).ok_or_else(unreadable)?;
            self.row(&mut Bytes(row))?;
            rest = Bytes(after);
        }
        Ok(rest.0)
    }

    fn row(&mut self, row: &mut Bytes<'_>) -> Result<(), Fault> {
        let count = row.two()?;
        if count == u16::MAX {
            return Ok(());
        }
        if usize::from(count) != self.cells.len() {
            return Err(unreadable());
        }
        for (cells, way) in self.cells.iter_mut().zip(&self.ways) {
            let length = row.four()?;
            let value = if length == u32::MAX {
                None
            } else {
                Some(row.some(length as usize)?)
            };
            cells.put(*way, value)?;
        }
        self.count += 1;
        Ok(())
    }

    fn is_enough(&self) -> bool {
        self.bytes >= STEP_BYTES || self.count >= STEP_ROWS
    }

    fn batch(&mut self) -> Result<RecordBatch, Fault> {
        let mut arrays = Vec::with_capacity(self.cells.len());
        for (cells, way) in self.cells.iter_mut().zip(&self.ways) {
            arrays.push(cells.finish()?);
            // A column that became texts is of its own type again.
            *cells = way.cells();
        }
        let fields = self.names.iter().zip(&arrays);
        let fields = fields.map(|(name, array)| Field::new(name, array.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(self.count));
        let batch = RecordBatch::try_new_with_options(schema, arrays, &options);
        (self.count, self.bytes) = (0, 0);
        batch.map_err(|e| Fault::caused_by("read the source", e))
    }
}

/// Where the first row ends; none where it is not all here.
fn row_end(bytes: &[u8]) -> Option<usize> {
    let mut rest = Bytes(bytes);
    let count = rest.two().ok()?;
    if count != u16::MAX {
        for _ in 0..count {
            let length = rest.four().ok()?;
            if length != u32::MAX {
                rest.some(length as usize).ok()?;
            }
        }
    }
    Some(bytes.len() - rest.0.len())
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Fault> {
    bytes.try_into().map_err(|_| unreadable())
}

fn unreadable() -> Fault {
    Fault::new("the source tells rows that are not understood")
}

/// Reads from the front.
pub(super) struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn some(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (front, rest) = self.0.split_at_checked(count).ok_or_else(unreadable)?;
        self.0 = rest;
        Ok(front)
    }

    pub fn two(&mut self) -> Result<u16, Fault> {
        Ok(u16::from_be_bytes(fixed(self.some(2)?)?))
    }

    pub fn four(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_be_bytes(fixed(self.some(4)?)?))
    }
}
