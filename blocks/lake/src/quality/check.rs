//! Checking batch after batch: good rows go on, bad ones are told with row, column, rule, value.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Days, NaiveDate, Utc};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, new_null_array},
        compute::{CastOptions, cast, cast_with_options, filter_record_batch},
        datatypes::{DataType, Date32Type, Float64Type, SchemaRef},
        util::display::{ArrayFormatter, FormatOptions},
    },
    physical_plan::PhysicalExpr,
};
use kernel::Fault;
use regex::Regex;

use super::{Check, KEY, Rule, TYPE, Then, condition, known, seen::Seen, whole};
use crate::declaration::{Column, Table};

/// A row that broke a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Number of the row in the batch, the first being 1.
    pub row: i64,
    /// Empty for rules over several columns.
    pub column: String,
    pub rule: String,
    /// As it came, masked where the column is sensitive.
    pub value: String,
    /// `required`, `length`, `code`…; [`super::reason_key`] has its message.
    pub reason: &'static str,
}

/// What came of one batch of rows.
pub(crate) struct Checked {
    pub good: RecordBatch,
    /// Which rows are good.
    pub kept: BooleanArray,
    pub bad: Vec<Bad>,
    pub bad_rows: i64,
    pub warned_rows: i64,
}

/// Sets that some rules need, by the rule's name. Each rule about uniqueness or a reference has one
/// of values.
#[derive(Default)]
pub(crate) struct Known {
    pub codes: BTreeMap<String, HashSet<String>>,
    pub values: BTreeMap<String, Seen>,
}

/// The rules of a table, ready to be applied to rows in their order.
pub(crate) struct Checker {
    table: Arc<Table>,
    schema: SchemaRef,
    rules: Vec<Ready>,
    today: NaiveDate,
    rows: i64,
    /// Rows that broke a rule, by rule and column.
    pub counts: BTreeMap<(String, String), i64>,
}

struct Ready {
    rule: Rule,
    test: Test,
}

enum Test {
    Required,
    Length(usize, usize),
    Code(HashSet<String>),
    Pattern(Regex),
    Range(f64, f64),
    Citizen,
    Uscc,
    Unique(Vec<String>, Seen),
    Reference(Seen),
    Condition(Arc<dyn PhysicalExpr>),
    Fresh(NaiveDate),
}

impl Checker {
    /// `skips` names rules that cannot be broken, as uniqueness of the key by which rows merge.
    pub(crate) fn new(
        table: Arc<Table>,
        mut known: Known,
        now: DateTime<Utc>,
        skips: impl Fn(&Rule) -> bool,
    ) -> Result<Self, Fault> {
        let today = kernel::clock::local_date(now);
        let mut rules = Vec::new();
        for rule in table.rules.iter().filter(|rule| !skips(rule)) {
            let test = ready(&table, rule, &mut known, today)?;
            rules.push(Ready {
                rule: rule.clone(),
                test,
            });
        }
        Ok(Self {
            schema: table.schema(),
            table,
            rules,
            today,
            rows: 0,
            counts: BTreeMap::new(),
        })
    }

    pub(crate) fn rows(&self) -> i64 {
        self.rows
    }

    /// Checks the next rows. `deleted` marks rows of which only the key counts; they keep no
    /// other rule.
    pub(crate) fn check(
        &mut self,
        raw: &RecordBatch,
        deleted: Option<&BooleanArray>,
    ) -> Result<Checked, Fault> {
        let first = self.rows + 1;
        self.rows += i64::try_from(raw.num_rows()).unwrap_or_default();
        let mut round = Round {
            bad: Vec::new(),
            is_bad: vec![false; raw.num_rows()],
            is_warned: vec![false; raw.num_rows()],
            first,
        };
        let batch = self.convert(raw, &mut round)?;
        let is_gone = |row: usize| deleted.is_some_and(|d| d.is_valid(row) && d.value(row));
        for id in self.table.key.clone() {
            let array = column_of(&batch, &id)?;
            let empty = (0..array.len()).filter(|row| array.is_null(*row) && !round.is_bad(*row));
            let empty: Vec<_> = empty.collect();
            round.note(&empty, KEY, &id, "required", Then::SetAside, |_| {
                String::new()
            });
            add(&mut self.counts, KEY, &id, empty.len());
        }
        for ready in &mut self.rules {
            let broken = ready.broken(&self.table, &batch, self.today, |row| {
                is_gone(row) || round.is_bad(row)
            })?;
            let column = self.table.column(&ready.rule.column);
            let shown = shower(column, &batch)?;
            let (rule, reason) = (&ready.rule, reason_of(&ready.rule.check));
            round.note(&broken, &rule.id, &rule.column, reason, rule.then, shown);
            add(&mut self.counts, &rule.id, &rule.column, broken.len());
        }
        let keep: BooleanArray = round.is_bad.iter().map(|bad| Some(!bad)).collect();
        let good = filter_record_batch(&batch, &keep)
            .map_err(|e| Fault::caused_by("set bad rows aside", e))?;
        let count = |flags: &[bool]| i64::try_from(flags.iter().filter(|f| **f).count());
        Ok(Checked {
            good,
            bad_rows: count(&round.is_bad).unwrap_or_default(),
            warned_rows: count(&round.is_warned).unwrap_or_default(),
            kept: keep,
            bad: round.bad,
        })
    }

    /// The rows in the table's own types. What cannot be read as its type is empty then, and the
    /// row is bad. An empty text is nothing for every other type.
    fn convert(&mut self, raw: &RecordBatch, round: &mut Round) -> Result<RecordBatch, Fault> {
        let mut arrays = Vec::new();
        for column in &self.table.columns {
            let kind = column.data_type();
            let Some(array) = raw.column_by_name(&column.id) else {
                arrays.push(new_null_array(&kind, raw.num_rows()));
                continue;
            };
            let options = CastOptions {
                safe: true,
                ..CastOptions::default()
            };
            let cast = cast_with_options(array, &kind, &options)
                .map_err(|e| Fault::caused_by(format!("read {} as {kind}", column.id), e))?;
            if cast.null_count() > array.null_count() {
                let lost = lost(array, &cast)?;
                let shown = shower(Some(column), raw)?;
                round.note(&lost, TYPE, &column.id, "type", Then::SetAside, shown);
                add(&mut self.counts, TYPE, &column.id, lost.len());
            }
            arrays.push(cast);
        }
        RecordBatch::try_new(self.schema.clone(), arrays)
            .map_err(|e| Fault::caused_by("put rows into the table's form", e))
    }
}

/// What is noted while one batch is checked.
struct Round {
    bad: Vec<Bad>,
    is_bad: Vec<bool>,
    is_warned: Vec<bool>,
    first: i64,
}

impl Round {
    fn is_bad(&self, row: usize) -> bool {
        self.is_bad.get(row).copied().unwrap_or(true)
    }

    fn note(
        &mut self,
        rows: &[usize],
        rule: &str,
        column: &str,
        reason: &'static str,
        then: Then,
        shown: impl Fn(usize) -> String,
    ) {
        for row in rows {
            let flags = match then {
                Then::SetAside => &mut self.is_bad,
                Then::Warn => &mut self.is_warned,
            };
            if let Some(flag) = flags.get_mut(*row) {
                *flag = true;
            }
            if then == Then::SetAside {
                self.bad.push(Bad {
                    row: self.first + i64::try_from(*row).unwrap_or_default(),
                    column: column.to_owned(),
                    rule: rule.to_owned(),
                    value: shown(*row),
                    reason,
                });
            }
        }
    }
}

fn add(counts: &mut BTreeMap<(String, String), i64>, rule: &str, column: &str, rows: usize) {
    if rows > 0 {
        let count = counts.entry((rule.to_owned(), column.to_owned()));
        *count.or_default() += i64::try_from(rows).unwrap_or_default();
    }
}

fn reason_of(check: &Check) -> &'static str {
    check.reason().strip_prefix("lake-broke-").unwrap_or(TYPE)
}

fn ready(table: &Table, rule: &Rule, known: &mut Known, today: NaiveDate) -> Result<Test, Fault> {
    let unusable = |reason: String| Fault::new(format!("rule {}: {reason}", rule.id));
    let mut values = || {
        let values = known.values.remove(&rule.id);
        values.ok_or_else(|| unusable("its known values are not there".into()))
    };
    Ok(match &rule.check {
        Check::Required => Test::Required,
        Check::Length { least, most } => Test::Length(*least as usize, *most as usize),
        Check::Code { .. } => Test::Code(known.codes.remove(&rule.id).unwrap_or_default()),
        Check::Pattern { pattern } => {
            Test::Pattern(whole(pattern).map_err(|e| unusable(e.to_string()))?)
        }
        Check::Range { least, most } => Test::Range(
            least.unwrap_or(f64::NEG_INFINITY),
            most.unwrap_or(f64::INFINITY),
        ),
        Check::Citizen => Test::Citizen,
        Check::Uscc => Test::Uscc,
        Check::Unique { columns } => Test::Unique(columns.clone(), values()?),
        Check::Reference { .. } => Test::Reference(values()?),
        Check::Condition { sql } => Test::Condition(condition(table, sql).map_err(unusable)?),
        Check::Fresh { days } => {
            let oldest = today.checked_sub_days(Days::new((*days).into()));
            Test::Fresh(oldest.unwrap_or(NaiveDate::MIN))
        }
    })
}

impl Ready {
    /// Places of the rows that break the rule, of those that are not excused.
    fn broken(
        &mut self,
        table: &Table,
        batch: &RecordBatch,
        today: NaiveDate,
        is_excused: impl Fn(usize) -> bool,
    ) -> Result<Vec<usize>, Fault> {
        let rows = || (0..batch.num_rows()).filter(|row| !is_excused(*row));
        let column = &self.rule.column;
        let array = || column_of(batch, column);
        Ok(match &mut self.test {
            Test::Required => {
                let array = array()?;
                let texts = array.as_string_opt::<i32>();
                let is_empty = |row: &usize| {
                    array.is_null(*row) || texts.is_some_and(|t| t.value(*row).trim().is_empty())
                };
                rows().filter(is_empty).collect()
            }
            Test::Condition(expr) => {
                let value = expr
                    .evaluate(batch)
                    .and_then(|value| value.into_array(batch.num_rows()))
                    .map_err(|e| Fault::caused_by("evaluate a rule's condition", e))?;
                let value = value.as_boolean();
                rows()
                    .filter(|r| value.is_valid(*r) && !value.value(*r))
                    .collect()
            }
            Test::Unique(columns, seen) => {
                let arrays = columns.iter().map(|id| column_of(batch, id).cloned());
                let arrays: Vec<_> = arrays.collect::<Result<_, _>>()?;
                let hashes = known::hashes(&arrays, &kinds(table, columns))?;
                failing(rows(), &hashes, |hash| seen.insert(hash))?
            }
            Test::Reference(known) => {
                let kinds = kinds(table, std::slice::from_ref(column));
                let hashes = known::hashes(&[array()?.clone()], &kinds)?;
                failing(rows(), &hashes, |hash| known.contains(hash))?
            }
            Test::Range(least, most) => {
                let numbers = as_kind(array()?, &DataType::Float64)?;
                let numbers = numbers.as_primitive::<Float64Type>();
                let is_out = |r: &usize| {
                    numbers.is_valid(*r) && !(*least..=*most).contains(&numbers.value(*r))
                };
                rows().filter(is_out).collect()
            }
            Test::Fresh(oldest) => {
                let days = as_kind(array()?, &DataType::Date32)?;
                let days = days.as_primitive::<Date32Type>();
                let is_out = |r: &usize| {
                    let day = days.is_valid(*r).then(|| days.value_as_date(*r)).flatten();
                    day.is_some_and(|day| day < *oldest || day > today)
                };
                rows().filter(is_out).collect()
            }
            Test::Length(..) | Test::Code(_) | Test::Pattern(_) | Test::Citizen | Test::Uscc => {
                let texts = array()?.as_string::<i32>();
                let test = &self.test;
                let is_wrong = |row: &usize| {
                    texts.is_valid(*row)
                        && !texts.value(*row).is_empty()
                        && !test.takes(texts.value(*row), today)
                };
                rows().filter(is_wrong).collect()
            }
        })
    }
}

impl Test {
    /// Whether a text keeps a rule about texts.
    fn takes(&self, text: &str, today: NaiveDate) -> bool {
        match self {
            Self::Length(least, most) => (*least..=*most).contains(&text.chars().count()),
            Self::Code(codes) => codes.contains(text),
            Self::Pattern(pattern) => pattern.is_match(text),
            Self::Citizen => kernel::code::citizen::parse(text, today).is_ok(),
            Self::Uscc => kernel::code::uscc::parse(text).is_ok(),
            _ => true,
        }
    }
}

/// Rows whose hash does not hold; a row without one is not asked.
fn failing(
    rows: impl Iterator<Item = usize>,
    hashes: &[Option<u64>],
    mut holds: impl FnMut(u64) -> Result<bool, Fault>,
) -> Result<Vec<usize>, Fault> {
    let mut failing = Vec::new();
    for row in rows {
        if let Some(hash) = hashes.get(row).copied().flatten()
            && !holds(hash)?
        {
            failing.push(row);
        }
    }
    Ok(failing)
}

fn kinds(table: &Table, columns: &[String]) -> Vec<DataType> {
    let kinds = columns.iter().filter_map(|id| table.column(id));
    kinds.map(Column::data_type).collect()
}

fn column_of<'a>(batch: &'a RecordBatch, id: &str) -> Result<&'a ArrayRef, Fault> {
    let array = batch.column_by_name(id);
    array.ok_or_else(|| Fault::new(format!("no column {id} in a batch")))
}

fn as_kind(array: &ArrayRef, kind: &DataType) -> Result<ArrayRef, Fault> {
    cast(array, kind).map_err(|e| Fault::caused_by(format!("compare as {kind}"), e))
}

/// Rows whose value is gone after a cast and was not an empty text before.
fn lost(before: &ArrayRef, after: &ArrayRef) -> Result<Vec<usize>, Fault> {
    let texts = as_kind(before, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    let is_lost = |row: &usize| {
        before.is_valid(*row) && after.is_null(*row) && !texts.value(*row).trim().is_empty()
    };
    Ok((0..before.len()).filter(is_lost).collect())
}

/// Characters of a value that are kept with the row that broke a rule.
const LONGEST: usize = 200;

/// Shows values of a column, masked where it is sensitive.
fn shower<'a>(
    column: Option<&'a Column>,
    batch: &'a RecordBatch,
) -> Result<impl Fn(usize) -> String + 'a, Fault> {
    let array = column.and_then(|column| batch.column_by_name(&column.id));
    let options: &'static FormatOptions<'static> = &FORMAT;
    let formatter = array
        .map(|array| ArrayFormatter::try_new(array, options))
        .transpose()
        .map_err(|e| Fault::caused_by("show values", e))?;
    Ok(move |row: usize| {
        let text = formatter.as_ref().map(|f| f.value(row).to_string());
        let text = text.unwrap_or_default();
        match column {
            Some(column) if column.is_sensitive() => column.masked(&text),
            _ => text.chars().take(LONGEST).collect(),
        }
    })
}

const FORMAT: FormatOptions<'static> = FormatOptions::new();
