//! Values as `COPY` reads them. `PostgreSQL` documentation, *SQL Commands: COPY*, text format. The
//! server then casts to whatever type a column has.

use std::io::Write;

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
    },
};
use chrono::{Datelike, NaiveDate, Timelike};
use kernel::Fault;

/// A column's values, ready to be written as text.
pub(super) enum Column<'a> {
    Text(&'a arrow::array::StringArray),
    Integer(&'a arrow::array::Int64Array),
    Float(&'a arrow::array::Float64Array),
    Decimal(&'a arrow::array::Decimal128Array, u32),
    Boolean(&'a arrow::array::BooleanArray),
    Date(&'a arrow::array::Date32Array),
    Moment(&'a arrow::array::TimestampMicrosecondArray),
}

impl<'a> Column<'a> {
    pub(super) fn of(array: &'a ArrayRef) -> Result<Self, Fault> {
        Ok(match array.data_type() {
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::Int64 => Self::Integer(array.as_primitive::<Int64Type>()),
            DataType::Float64 => Self::Float(array.as_primitive::<Float64Type>()),
            DataType::Decimal128(_, scale) => {
                let scale = u32::try_from(*scale).unwrap_or_default();
                Self::Decimal(array.as_primitive::<Decimal128Type>(), scale)
            }
            DataType::Boolean => Self::Boolean(array.as_boolean()),
            DataType::Date32 => Self::Date(array.as_primitive::<Date32Type>()),
            DataType::Timestamp(..) => {
                Self::Moment(array.as_primitive::<TimestampMicrosecondType>())
            }
            other => return Err(Fault::new(format!("rows of the exchange have no {other}"))),
        })
    }

    pub(super) fn write(&self, row: usize, to: &mut Vec<u8>) {
        let is_null = match self {
            Self::Text(array) => array.is_null(row),
            Self::Integer(array) => array.is_null(row),
            Self::Float(array) => array.is_null(row),
            Self::Decimal(array, _) => array.is_null(row),
            Self::Boolean(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::Moment(array) => array.is_null(row),
        };
        if is_null {
            to.extend_from_slice(b"\\N");
            return;
        }
        // Writing to memory does not fail.
        drop(match self {
            Self::Text(array) => {
                escaped(array.value(row), to);
                Ok(())
            }
            Self::Integer(array) => write!(to, "{}", array.value(row)),
            Self::Float(array) => write!(to, "{}", array.value(row)),
            Self::Decimal(array, scale) => decimal(array.value(row), *scale, to),
            Self::Boolean(array) => {
                to.push(if array.value(row) { b't' } else { b'f' });
                Ok(())
            }
            Self::Date(array) => match array.value_as_date(row) {
                Some(date) => day(date, to),
                None => Ok(()),
            },
            Self::Moment(array) => match array.value_as_datetime(row) {
                Some(moment) => day(moment.date(), to).map(|()| time(moment.time(), to)),
                None => Ok(()),
            },
        });
    }
}

fn escaped(text: &str, to: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    let special = |byte: &u8| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r');
    while let Some((before, [found, after @ ..])) = rest
        .iter()
        .position(special)
        .and_then(|place| rest.split_at_checked(place))
    {
        to.extend_from_slice(before);
        let short = match found {
            b'\t' => b't',
            b'\n' => b'n',
            b'\r' => b'r',
            _ => b'\\',
        };
        to.extend_from_slice(&[b'\\', short]);
        rest = after;
    }
    to.extend_from_slice(rest);
}

fn decimal(value: i128, scale: u32, to: &mut Vec<u8>) -> std::io::Result<()> {
    let whole = value.unsigned_abs();
    if value < 0 {
        to.push(b'-');
    }
    let width = scale as usize;
    // Divisions of 64 bits are many times as fast.
    if let (Ok(whole), Some(unit)) = (u64::try_from(whole), 10_u64.checked_pow(scale)) {
        write!(to, "{}", whole / unit)?;
        return match width {
            0 => Ok(()),
            _ => write!(to, ".{:0width$}", whole % unit),
        };
    }
    let unit = 10_u128.pow(scale);
    write!(to, "{}", whole / unit)?;
    match width {
        0 => Ok(()),
        _ => write!(to, ".{:0width$}", whole % unit),
    }
}

/// `2026-03-02`; written by hand, because that is many times as fast as a format.
fn day(date: NaiveDate, to: &mut Vec<u8>) -> std::io::Result<()> {
    let Some(year) = u32::try_from(date.year())
        .ok()
        .filter(|year| *year < 10_000)
    else {
        return write!(to, "{date}");
    };
    two(year / 100, to);
    two(year % 100, to);
    to.push(b'-');
    two(date.month(), to);
    to.push(b'-');
    two(date.day(), to);
    Ok(())
}

/// ` 09:00:00.123456`
fn time(time: chrono::NaiveTime, to: &mut Vec<u8>) {
    let micros = time.nanosecond() / 1000;
    for (mark, number) in [
        (b' ', time.hour()),
        (b':', time.minute()),
        (b':', time.second()),
        (b'.', micros / 10_000),
    ] {
        to.push(mark);
        two(number, to);
    }
    two(micros / 100 % 100, to);
    two(micros % 100, to);
}

/// A number below a hundred in two digits.
fn two(number: u32, to: &mut Vec<u8>) {
    let digit = |number: u32| b'0' + u8::try_from(number % 10).unwrap_or_default();
    to.extend_from_slice(&[digit(number / 10), digit(number)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_copy_reads_them() {
        let text = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut to = Vec::new();
            write(&mut to);
            String::from_utf8(to).unwrap()
        };
        for (value, scale, written) in [
            (0, 2, "0.00"),
            (-1, 2, "-0.01"),
            (123_456, 3, "123.456"),
            (-500, 0, "-500"),
            (i128::MAX, 38, "1.70141183460469231731687303715884105727"),
        ] {
            assert_eq!(text(&|to| decimal(value, scale, to).unwrap()), written);
        }
        assert_eq!(
            text(&|to| escaped("a\tb\\N\r\n张", to)),
            "a\\tb\\\\N\\r\\n张"
        );
        for written in [
            "2026-03-02 09:05:07.000120",
            "0001-01-01 00:00:00.000000",
            "9999-12-31 23:59:59.999999",
        ] {
            let moment: chrono::NaiveDateTime = written.replace(' ', "T").parse().unwrap();
            let both = |to: &mut Vec<u8>| {
                day(moment.date(), to).unwrap();
                time(moment.time(), to);
            };
            assert_eq!(text(&both), written);
        }
    }
}
