//! From what a source says to what the publication promises: types, dates, widths, codes. Rows
//! that cannot be brought into shape are set aside with the reason; the others go on.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, BooleanBuilder, Date32Builder, Decimal128Builder,
        Float64Builder, Int64Builder, RecordBatch, StringArray, StringBuilder,
        TimestampMicrosecondBuilder,
    },
    compute::{can_cast_types, cast, filter_record_batch, kernels::cmp::distinct},
    datatypes::{DataType, Float64Type, SchemaRef},
    error::ArrowError,
};
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime};
use kernel::{Fault, clock::local};

use super::config::SourceColumn;
use crate::{data::Type, wire::RefusedRow};

/// Why a value was refused; keys of messages.
pub const REQUIRED: &str = "exchange-row-required";
pub const NUL: &str = "exchange-row-nul";
pub const LENGTH: &str = "exchange-row-length";
pub const CODE: &str = "exchange-row-code";
pub const NUMBER: &str = "exchange-row-number";
pub const DATE: &str = "exchange-row-date";
pub const BOOLEAN: &str = "exchange-row-boolean";
pub const REPEATED: &str = "exchange-row-repeated";
pub const BYTES: &str = "exchange-row-bytes";
pub const CELLS: &str = "exchange-row-cells";
pub const JSON: &str = "exchange-row-json";

/// All reasons.
pub const REASONS: [&str; 11] = [
    REQUIRED, NUL, LENGTH, CODE, NUMBER, DATE, BOOLEAN, REPEATED, BYTES, CELLS, JSON,
];

/// A column of texts after those of the publication, in which a source tells what is wrong with a
/// row as a whole: one of the reasons.
pub const WRONG: &str = "tongban_wrong";

/// Good rows, and why others are not among them.
pub struct Standard {
    pub rows: RecordBatch,
    /// Place in the raw batch, place of the column, reason.
    pub refused: Vec<(usize, usize, &'static str)>,
}

/// Brings raw columns, in the order of `columns`, into `schema`.
pub fn standardise(
    columns: &[&SourceColumn],
    schema: &SchemaRef,
    raw: &RecordBatch,
) -> Result<Standard, Fault> {
    let (mut arrays, mut refused) = (Vec::with_capacity(columns.len()), Vec::new());
    for (place, (column, array)) in columns.iter().zip(raw.columns()).enumerate() {
        let mut wrong = Vec::new();
        let array = convert(column, array, &mut wrong)?;
        if column.required && array.null_count() > 0 {
            let nulls = (0..array.len()).filter(|row| array.is_null(*row));
            let told: std::collections::HashSet<usize> =
                wrong.iter().map(|(row, _)| *row).collect();
            wrong.extend(
                nulls
                    .filter(|row| !told.contains(row))
                    .map(|row| (row, REQUIRED)),
            );
        }
        refused.extend(wrong.into_iter().map(|(row, reason)| (row, place, reason)));
        arrays.push(array);
    }
    refused.splice(0..0, wrong_rows(raw));
    let failed = |e| Fault::caused_by("bring rows into shape", e);
    // Until the bad rows are out, required columns may hold nothing.
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|f| f.as_ref().clone().with_nullable(true))
        .collect();
    let loose = Arc::new(arrow::datatypes::Schema::new(fields));
    let mut rows = RecordBatch::try_new(loose, arrays).map_err(failed)?;
    if !refused.is_empty() {
        let mut keep = vec![true; raw.num_rows()];
        for (row, _, _) in &refused {
            if let Some(keep) = keep.get_mut(*row) {
                *keep = false;
            }
        }
        rows = filter_record_batch(&rows, &BooleanArray::from(keep)).map_err(failed)?;
    }
    let rows = RecordBatch::try_new(schema.clone(), rows.columns().to_vec()).map_err(failed)?;
    Ok(Standard { rows, refused })
}

/// What the source itself says is wrong.
fn wrong_rows(raw: &RecordBatch) -> Vec<(usize, usize, &'static str)> {
    let told = raw.column_by_name(WRONG);
    let told = told.and_then(|told| told.as_string_opt::<i32>());
    let rows = told.into_iter().flatten().enumerate();
    let known = |said: &str| REASONS.into_iter().find(|reason| *reason == said);
    rows.filter_map(|(row, said)| Some((row, 0, known(said?)?)))
        .collect()
}

/// A refused row with its raw values. `before` rows of the source came before the batch.
pub fn refused_row(
    columns: &[&SourceColumn],
    raw: &RecordBatch,
    before: u64,
    (row, place, reason): (usize, usize, &'static str),
) -> RefusedRow {
    let text = |array: &ArrayRef| -> Option<String> {
        let text = cast(&array.slice(row, 1), &DataType::Utf8).ok()?;
        let text: &StringArray = text.as_string_opt()?;
        (!text.is_null(0)).then(|| text.value(0).replace('\0', "\u{fffd}"))
    };
    let values = columns.iter().zip(raw.columns());
    RefusedRow {
        row: i64::try_from(before + row as u64 + 1).unwrap_or(i64::MAX),
        column: columns
            .get(place)
            .map(|c| c.name.clone())
            .unwrap_or_default(),
        reason: reason.to_owned(),
        values: values
            .map(|(c, array)| (c.source().to_owned(), text(array)))
            .collect(),
    }
}

type Wrong = Vec<(usize, &'static str)>;

fn convert(column: &SourceColumn, raw: &ArrayRef, wrong: &mut Wrong) -> Result<ArrayRef, Fault> {
    let wanted = column.kind.arrow();
    let failed = |e| Fault::caused_by(format!("read the column {}", column.source()), e);
    if column.kind == Type::Text {
        let text = cast(raw, &DataType::Utf8).map_err(failed)?;
        return texts(column, &text, wrong);
    }
    if matches!(
        raw.data_type(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    ) || !column.codes.is_empty()
    {
        let text = cast(raw, &DataType::Utf8).map_err(failed)?;
        let text = texts(column, &text, wrong)?;
        return parse(column.kind, text.as_string(), wrong);
    }
    let array = if *raw.data_type() == wanted {
        raw.clone()
    } else {
        cast(raw, &wanted).map_err(failed)?
    };
    let reason = match column.kind {
        Type::Date | Type::Timestamp => DATE,
        Type::Boolean => BOOLEAN,
        _ => NUMBER,
    };
    if array.data_type() != raw.data_type() {
        let changed = changed(raw, &array).map_err(failed)?;
        wrong.extend(changed.into_iter().map(|row| (row, reason)));
    }
    if let Some(floats) = array.as_primitive_opt::<Float64Type>() {
        let odd = floats
            .iter()
            .enumerate()
            .filter(|(_, v)| v.is_some_and(|v| !v.is_finite()));
        wrong.extend(odd.map(|(row, _)| (row, NUMBER)));
    }
    Ok(array)
}

/// Rows whose value became another one: it has no place in the type, or only a part of it has. What
/// goes there and back again unchanged has lost nothing.
fn changed(raw: &ArrayRef, array: &ArrayRef) -> Result<Vec<usize>, ArrowError> {
    let is_lost = |row: &usize| array.is_null(*row) && !raw.is_null(*row);
    // A float holds as much of a fraction as it holds: whoever promises one says so.
    let is_fraction = matches!(raw.data_type(), DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) if *scale > 0);
    if is_fraction && *array.data_type() == DataType::Float64
        || !can_cast_types(array.data_type(), raw.data_type())
    {
        return Ok((0..array.len()).filter(is_lost).collect());
    }
    let back = cast(array, raw.data_type())?;
    if raw.data_type().is_floating() {
        // Numbers, of which there is a zero below zero.
        let both = (
            cast(raw, &DataType::Float64)?,
            cast(&back, &DataType::Float64)?,
        );
        let raw = both.0.as_primitive::<Float64Type>();
        let pairs = raw.iter().zip(both.1.as_primitive::<Float64Type>());
        let changed = pairs.enumerate().filter(|(_, (old, new))| old != new);
        return Ok(changed.map(|(row, _)| row).collect());
    }
    let distinct = distinct(&back, raw)?;
    let rows = distinct.values().set_indices();
    Ok(rows.collect())
}

/// Trims, narrows and translates texts; empty ones are none.
fn texts(column: &SourceColumn, raw: &ArrayRef, wrong: &mut Wrong) -> Result<ArrayRef, Fault> {
    let raw: &StringArray = raw
        .as_string_opt()
        .ok_or_else(|| Fault::new("a text column holds no texts"))?;
    let mut builder = StringBuilder::with_capacity(raw.len(), raw.value_data().len());
    for row in 0..raw.len() {
        if raw.is_null(row) {
            builder.append_null();
            continue;
        }
        let whole = raw.value(row);
        let value = whole.trim();
        let narrow = if column.half_width {
            narrow(value)
        } else {
            None
        };
        let value = narrow.as_deref().unwrap_or(value);
        if value.is_empty() {
            builder.append_null();
        } else if value.contains('\0') {
            wrong.push((row, NUL));
            builder.append_null();
        } else if value.contains('\u{fffd}') {
            // What a decoder makes of bytes that mean nothing in the file's encoding.
            wrong.push((row, BYTES));
            builder.append_null();
        } else if column.codes.is_empty() {
            if column.length > 0 && value.chars().count() > column.length as usize {
                wrong.push((row, LENGTH));
            }
            builder.append_value(value);
        } else if let Some(code) = column.codes.get(value) {
            builder.append_value(code);
        } else {
            wrong.push((row, CODE));
            builder.append_null();
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// Full-width signs as the usual ones; none where there are none.
fn narrow(text: &str) -> Option<String> {
    const FIRST: u32 = 0xff01;
    const SHIFT: u32 = 0xff01 - 0x21;
    let is_wide = |c: char| matches!(c, '\u{ff01}'..='\u{ff5e}' | '\u{3000}');
    if !text.chars().any(is_wide) {
        return None;
    }
    let one = |c: char| match c {
        '\u{3000}' => ' ',
        c if is_wide(c) && c as u32 >= FIRST => char::from_u32(c as u32 - SHIFT).unwrap_or(c),
        c => c,
    };
    Some(text.chars().map(one).collect::<String>().trim().to_owned())
}

fn parse(kind: Type, texts: &StringArray, wrong: &mut Wrong) -> Result<ArrayRef, Fault> {
    macro_rules! all {
        ($builder:expr, $reason:expr, $read:expr) => {{
            let mut builder = $builder;
            for (row, text) in texts.iter().enumerate() {
                let value = text.map($read);
                if matches!(value, Some(None)) {
                    wrong.push((row, $reason));
                }
                builder.append_option(value.flatten());
            }
            Arc::new(builder.finish()) as ArrayRef
        }};
    }
    Ok(match kind {
        Type::Text => Arc::new(texts.clone()),
        Type::Integer => all!(Int64Builder::new(), NUMBER, |t: &str| plain(t).parse().ok()),
        Type::Float => all!(Float64Builder::new(), NUMBER, |t: &str| {
            plain(t).parse().ok().filter(|v: &f64| v.is_finite())
        }),
        Type::Decimal { digits, scale } => {
            let builder = Decimal128Builder::new()
                .with_precision_and_scale(digits, scale)
                .map_err(|e| Fault::caused_by("read decimals", e))?;
            all!(builder, NUMBER, |t: &str| decimal(&plain(t), digits, scale))
        }
        Type::Boolean => all!(BooleanBuilder::new(), BOOLEAN, boolean),
        Type::Date => all!(Date32Builder::new(), DATE, |t: &str| { date(t).map(days) }),
        Type::Timestamp => all!(TimestampMicrosecondBuilder::new(), DATE, |t: &str| {
            timestamp(t).map(|at| at.and_utc().timestamp_micros())
        }),
    })
}

fn plain(text: &str) -> String {
    let narrow = narrow(text);
    narrow.as_deref().unwrap_or(text).replace(',', "")
}

/// A decimal number without loss, scaled.
fn decimal(text: &str, digits: u8, scale: i8) -> Option<i128> {
    let scale = usize::try_from(scale).ok()?;
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = rest.split_once('.').unwrap_or((rest, ""));
    let part = part.trim_end_matches('0');
    let all = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if part.len() > scale || !all(whole) || !all(part) || whole.len() + part.len() == 0 {
        return None;
    }
    let number = format!("{whole}{part:0<scale$}");
    let number = number.trim_start_matches('0');
    if number.len() > usize::from(digits) {
        return None;
    }
    if number.is_empty() {
        Some(0)
    } else {
        number.parse::<i128>().ok().map(|n| sign * n)
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "1" | "t" | "true" | "y" | "yes" | "是" | "有" => Some(true),
        "0" | "f" | "false" | "n" | "no" | "否" | "无" => Some(false),
        _ => None,
    }
}

fn days(day: NaiveDate) -> i32 {
    let since = day.signed_duration_since(NaiveDate::default()).num_days();
    i32::try_from(since).unwrap_or_default()
}

/// `2026-03-02`, `2026/3/2`, `2026.3.2`, `20260302`, `2026年3月2日`.
fn date(text: &str) -> Option<NaiveDate> {
    let narrow = narrow(text);
    let text = narrow.as_deref().unwrap_or(text);
    if text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()) {
        return NaiveDate::parse_from_str(text, "%Y%m%d").ok();
    }
    let mut parts = text
        .trim_end_matches('日')
        .split(['-', '/', '.', '年', '月']);
    let mut next = || parts.next()?.trim().parse::<u32>().ok();
    let (year, month, day) = (next()?, next()?, next()?);
    if parts.next().is_some() {
        return None;
    }
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)
}

/// A date, and a time if one is told. One with its distance from UTC, as ISO 8601 writes it, is
/// told on the clocks of China.
fn timestamp(text: &str) -> Option<NaiveDateTime> {
    let narrow = narrow(text);
    let text = narrow.as_deref().unwrap_or(text);
    if let Some(at) = with_offset(text) {
        return Some(local(at.to_utc()).naive_local());
    }
    let Some((day, time)) = text.split_once(['T', ' ']) else {
        return date(text)?.and_hms_opt(0, 0, 0);
    };
    let time = time.trim();
    let time = NaiveTime::parse_from_str(time, "%H:%M:%S%.f")
        .or_else(|_| NaiveTime::parse_from_str(time, "%H:%M"))
        .ok()?;
    Some(date(day)?.and_time(time))
}

/// `2026-03-02T09:05:00Z`, `2026-03-02 09:05+08:00`, `2026-03-02T09:05:00.123+0800`.
fn with_offset(text: &str) -> Option<DateTime<FixedOffset>> {
    let (day, time) = text.split_once(['T', 't', ' '])?;
    let (time, offset) = if let Some(time) = time.strip_suffix(['Z', 'z']) {
        (time, "+0000".to_owned())
    } else {
        let (time, offset) = time.split_at_checked(time.rfind(['+', '-'])?)?;
        let digits = offset.replace(':', "");
        let minutes = if digits.len() == 3 { "00" } else { "" };
        (time, digits + minutes)
    };
    let time = time.trim();
    let seconds = if time.matches(':').count() == 1 {
        ":00"
    } else {
        ""
    };
    let whole = format!("{day} {time}{seconds} {offset}");
    DateTime::parse_from_str(&whole, "%Y-%m-%d %H:%M:%S%.f %z").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: Type) -> SourceColumn {
        SourceColumn {
            name: "c".into(),
            kind,
            ..SourceColumn::default()
        }
    }

    fn check(column: &SourceColumn, text: &str) -> Result<String, &'static str> {
        let raw: ArrayRef = Arc::new(StringArray::from(vec![Some(text)]));
        let mut wrong = Vec::new();
        let array = convert(column, &raw, &mut wrong).unwrap();
        if let Some((_, reason)) = wrong.first() {
            return Err(reason);
        }
        let text = cast(&array, &DataType::Utf8).unwrap();
        let text: &StringArray = text.as_string();
        Ok(if text.is_null(0) {
            "-".into()
        } else {
            text.value(0).to_owned()
        })
    }

    #[test]
    fn values_become_what_the_publication_promises() {
        let date = column(Type::Date);
        for text in [
            "2026-03-02",
            "2026/3/2",
            "20260302",
            "2026年3月2日",
            "２０２６．３．２",
        ] {
            assert_eq!(check(&date, text).unwrap(), "2026-03-02", "{text}");
        }
        assert_eq!(check(&date, "0001-01-01").unwrap(), "0001-01-01");
        for text in ["2026-02-30", "2026-13-01", "yesterday", "2026-1"] {
            assert_eq!(check(&date, text), Err(DATE), "{text}");
        }
        assert_eq!(check(&column(Type::Integer), "１，２３４").unwrap(), "1234");
        assert_eq!(
            check(&column(Type::Integer), "9223372036854775808"),
            Err(NUMBER)
        );
        assert_eq!(check(&column(Type::Float), "Infinity"), Err(NUMBER));
        let sum = column(Type::Decimal {
            digits: 5,
            scale: 2,
        });
        assert_eq!(check(&sum, "123.40").unwrap(), "123.40");
        assert_eq!(check(&sum, "-0.5").unwrap(), "-0.50");
        assert_eq!(check(&sum, "1234.5"), Err(NUMBER));
        assert_eq!(check(&sum, "0.005"), Err(NUMBER));
        assert_eq!(check(&column(Type::Boolean), "是").unwrap(), "true");
        assert_eq!(check(&column(Type::Boolean), "maybe"), Err(BOOLEAN));
        let at = column(Type::Timestamp);
        assert_eq!(check(&at, "2026/3/2 9:05").unwrap(), "2026-03-02T09:05:00");
        for text in [
            "2026-03-02T01:05:00Z",
            "2026-03-02T09:05:00+08:00",
            "2026-03-02 09:05:00+08",
            "2026-03-01T20:05-0500",
        ] {
            assert_eq!(check(&at, text).unwrap(), "2026-03-02T09:05:00", "{text}");
        }
        assert_eq!(check(&at, "2026-03-02T01:05:00+"), Err(DATE));
    }

    /// What a database tells in another type is taken if nothing of it is lost.
    #[test]
    fn values_are_not_cut_to_fit() {
        let decimal = |value: i128, scale| -> ArrayRef {
            let array = arrow::array::Decimal128Array::from(vec![Some(value), None]);
            Arc::new(array.with_precision_and_scale(20, scale).unwrap())
        };
        let float =
            |value: f64| -> ArrayRef { Arc::new(arrow::array::Float64Array::from(vec![value])) };
        let wrong = |kind: Type, raw: &ArrayRef| {
            let mut wrong = Vec::new();
            convert(&column(kind), raw, &mut wrong).unwrap();
            wrong
        };
        let sum = Type::Decimal {
            digits: 12,
            scale: 2,
        };
        assert_eq!(wrong(sum, &decimal(10_049, 4)), [(0, NUMBER)]);
        assert_eq!(wrong(sum, &decimal(10_100, 4)), []);
        assert_eq!(wrong(sum, &float(1.0049)), [(0, NUMBER)]);
        assert_eq!(wrong(sum, &float(0.1)), []);
        assert_eq!(wrong(Type::Float, &decimal(3, 1)), []);
        assert_eq!(wrong(Type::Integer, &float(1.9)), [(0, NUMBER)]);
        assert_eq!(wrong(Type::Integer, &float(-0.0)), []);
        assert_eq!(wrong(Type::Integer, &float(f64::NAN)), [(0, NUMBER)]);
        assert_eq!(wrong(Type::Integer, &decimal(19, 1)), [(0, NUMBER)]);
        let number: ArrayRef = Arc::new(arrow::array::Int64Array::from(vec![(1_i64 << 53) + 1]));
        assert_eq!(wrong(Type::Float, &number), [(0, NUMBER)]);
        assert_eq!(wrong(Type::Boolean, &number), [(0, BOOLEAN)]);
        let noon = 12 * 3_600_000_000_i64;
        for (at, expected) in [(noon, vec![(0, DATE)]), (0, vec![])] {
            let array = arrow::array::TimestampMicrosecondArray::from(vec![at]);
            assert_eq!(wrong(Type::Date, &(Arc::new(array) as ArrayRef)), expected);
        }
    }

    #[test]
    fn texts_are_trimmed_narrowed_translated_and_bounded() {
        let mut text = column(Type::Text);
        assert_eq!(check(&text, "  𠮷😀 ").unwrap(), "𠮷😀");
        assert_eq!(check(&text, "   ").unwrap(), "-");
        assert_eq!(check(&text, "a\0b"), Err(NUL));
        text.half_width = true;
        assert_eq!(check(&text, "ＡＢ　１２").unwrap(), "AB 12");
        text.length = 3;
        assert_eq!(check(&text, "四个汉字"), Err(LENGTH));
        text.codes.insert("男".into(), "1".into());
        assert_eq!(check(&text, "男").unwrap(), "1");
        assert_eq!(check(&text, "甲"), Err(CODE));
    }
}
