//! Whether what a node offers is what the catalog describes, and the table of the lake that both
//! describe together. Plain rules on plain values.

use catalog::{Item, Metadata};
use exchange::data::{Column, Shape, Type};
use kernel::{Finding, Text};
use lake::{Check, Kind, Origin, Rule, Sharing, Table, Then, Title};

/// What a type of the guide allows; types that a city added allow anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Text,
    Number,
    Integer,
    Float,
    Boolean,
    Date,
    Moment,
    /// Nothing that a table can carry.
    Binary,
}

fn family(code: &str) -> Option<Family> {
    Some(match code {
        "C" | "M" => Family::Text,
        "N" | "Y" => Family::Number,
        "I" => Family::Integer,
        "B" | "F" => Family::Float,
        "L" => Family::Boolean,
        "D" => Family::Date,
        "T" => Family::Moment,
        "G" => Family::Binary,
        _ => return None,
    })
}

impl Family {
    /// A column may be narrower than its item, never something else.
    fn takes(self, kind: Type) -> bool {
        matches!(
            (self, kind),
            (Self::Text, Type::Text)
                | (Self::Number, Type::Decimal { .. } | Type::Integer)
                | (Self::Integer, Type::Integer)
                | (
                    Self::Float,
                    Type::Float | Type::Integer | Type::Decimal { .. }
                )
                | (Self::Boolean, Type::Boolean)
                | (Self::Date, Type::Date)
                | (Self::Moment, Type::Timestamp | Type::Date)
        )
    }
}

/// Digits in all and behind the point, as `18,2` or `18` says.
fn digits(length: &str) -> Option<(u32, u32)> {
    let (all, places) = length.split_once([',', '，', '.']).unwrap_or((length, "0"));
    Some((all.trim().parse().ok()?, places.trim().parse().ok()?))
}

/// The item that a column carries: by the name of its field, or by its own.
pub fn item_of<'a>(entry: &'a Metadata, column: &Column) -> Option<&'a Item> {
    let by_field = |item: &&Item| item.field.eq_ignore_ascii_case(&column.name);
    let by_name = |item: &&Item| {
        item.field.is_empty() && (item.name == column.title || item.name == column.name)
    };
    let mut items = entry.items.iter();
    items
        .find(by_field)
        .or_else(|| entry.items.iter().find(by_name))
}

/// Everything in which the columns differ from the entry's items.
pub fn differences(entry: &Metadata, shape: &Shape) -> Vec<Finding> {
    let mut findings = Vec::new();
    for column in &shape.columns {
        let Some(item) = item_of(entry, column) else {
            let text = Text::new("flow-column-undescribed");
            findings.push(Finding::new(format!("columns.{}", column.name), text));
            continue;
        };
        findings.extend(differs(item, column));
    }
    for item in &entry.items {
        let carries = |column: &&Column| item_of(entry, column).is_some_and(|one| one == item);
        if !shape.columns.iter().any(|column| carries(&column)) {
            let text = Text::new("flow-item-missing").with("item", &item.name);
            findings.push(Finding::new(place(item), text));
        }
    }
    findings.extend(key_differs(entry, shape));
    findings
}

fn place(item: &Item) -> String {
    let name = if item.field.is_empty() {
        &item.name
    } else {
        &item.field
    };
    format!("columns.{name}")
}

fn differs(item: &Item, column: &Column) -> Option<Finding> {
    let finding = |text| Some(Finding::new(format!("columns.{}", column.name), text));
    let family = family(&item.kind)?;
    if !family.takes(column.kind) {
        return finding(
            Text::new("flow-type-differs")
                .with("item", &item.name)
                .with("type", &item.kind),
        );
    }
    let (most, places) = digits(&item.length)?;
    let long = || {
        Text::new("flow-length-differs")
            .with("item", &item.name)
            .with("length", &item.length)
    };
    match (family, column.kind) {
        (Family::Text, _) if column.length > most => finding(long()),
        (Family::Number, Type::Decimal { digits, scale })
            if u32::from(digits) > most || u32::from(scale.unsigned_abs()) > places =>
        {
            finding(long())
        }
        _ => None,
    }
}

/// Where the entry says which items tell rows apart, the publication's key are just these.
fn key_differs(entry: &Metadata, shape: &Shape) -> Option<Finding> {
    let is_key = |column: &Column| item_of(entry, column).is_some_and(|item| item.is_key);
    if !entry.items.iter().any(|item| item.is_key) {
        return None;
    }
    let described = shape.columns.iter().filter(|column| is_key(column));
    let mut described: Vec<_> = described.map(|column| column.name.as_str()).collect();
    let mut given: Vec<_> = shape.key.iter().map(String::as_str).collect();
    described.sort_unstable();
    given.sort_unstable();
    let text = || Text::new("flow-key-differs").with("key", described.join(", "));
    (described != given).then(|| Finding::new("key", text()))
}

/// Name of the table in the lake: `ods_` (operational data store) and the publication's code.
pub fn table_name(publication: &str) -> String {
    let plain = publication.to_ascii_lowercase();
    let plain: String = plain
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    format!("ods_{plain}").chars().take(63).collect()
}

/// The table of the lake that entry and shape describe. Columns that `before` has and the shape
/// has no more stay, because rows of them are in files.
pub fn table(
    id: &str,
    org: &str,
    entry: &Metadata,
    shape: &Shape,
    before: Option<&Table>,
) -> Table {
    let mut columns: Vec<_> = shape
        .columns
        .iter()
        .map(|column| lake_column(entry, column))
        .collect();
    let gone = before.into_iter().flat_map(|table| &table.columns);
    let gone = gone.filter(|c| shape.column(&c.id).is_none());
    columns.extend(gone.map(|column| guarded(column, entry)));
    Table {
        id: id.to_owned(),
        title: Title {
            zh: entry.name.clone(),
            en: if entry.name_en.is_empty() {
                entry.name.clone()
            } else {
                entry.name_en.clone()
            },
        },
        org: org.to_owned(),
        key: shape.key.clone(),
        rows: before.and_then(|table| table.rows.clone()),
        sharing: sharing(entry),
        keep_days: before.map_or(90, |table| table.keep_days),
        columns,
        rules: shape
            .columns
            .iter()
            .flat_map(|column| rules(entry, column))
            .collect(),
    }
}

/// What an entry says of sharing, as the lake asks it. A code that nobody knows shares nothing.
fn sharing(entry: &Metadata) -> Sharing {
    match entry.share_type.as_str() {
        "1" => Sharing::Free,
        "2" => Sharing::Granted,
        _ => Sharing::Withheld,
    }
}

/// Sensitivity of what has no level.
const INTERNAL: u8 = 2;
/// The lake's highest sensitivity.
const HIGHEST: u8 = 4;

/// A level of the guide as the lake has it, which counts to 4: important data (5) and levels that
/// nobody knows are hidden like the highest.
fn sensitivity(level: &str) -> u8 {
    match level.trim() {
        "" => INTERNAL,
        level => level.parse().map_or(HIGHEST, |level: u8| match level {
            1..=3 => level,
            _ => HIGHEST,
        }),
    }
}

/// Whether an item holds numbers of persons or codes of firms: both have 18 characters.
fn names_somebody(item: &Item) -> bool {
    const WORDS: [&str; 4] = ["身份", "证件号", "信用代码", "证照号"];
    let is_named = WORDS.iter().any(|word| item.name.contains(word));
    item.kind == "C" && (is_named || digits(&item.length) == Some((18, 0)))
}

/// A column of the lake as it is, hidden at least as a newer entry says.
fn guarded(column: &lake::Column, entry: &Metadata) -> lake::Column {
    let item = entry.items.iter().find(|item| {
        let source = column.source.as_ref();
        item.field.eq_ignore_ascii_case(&column.id)
            || source.is_some_and(|source| source.column == item.name)
    });
    let mut column = column.clone();
    if let Some(item) = item {
        column.sensitivity = column.sensitivity.max(sensitivity(&item.level));
        column.subject |= names_somebody(item);
    }
    column
}

/// A table of the lake as it is, read at most as a newer entry lets it be, for entries that say
/// otherwise what flows.
pub fn restricted(table: &Table, entry: &Metadata) -> Table {
    Table {
        sharing: table.sharing.max(sharing(entry)),
        columns: table.columns.iter().map(|c| guarded(c, entry)).collect(),
        ..table.clone()
    }
}

fn lake_column(entry: &Metadata, column: &Column) -> lake::Column {
    let item = item_of(entry, column);
    let name = item.map_or(&column.title, |item| &item.name);
    let name = if name.is_empty() { &column.name } else { name };
    let (kind, places) = match column.kind {
        Type::Text => (Kind::Text, 0),
        Type::Integer => (Kind::Integer, 0),
        Type::Decimal { scale, .. } => (Kind::Decimal, scale),
        Type::Float => (Kind::Number, 0),
        Type::Boolean => (Kind::Boolean, 0),
        Type::Date => (Kind::Date, 0),
        Type::Timestamp => (Kind::Moment, 0),
    };
    lake::Column {
        id: column.name.clone(),
        title: Title {
            zh: name.clone(),
            en: column.name.clone(),
        },
        kind,
        places,
        sensitivity: item.map_or(INTERNAL, |item| sensitivity(&item.level)),
        mask: None,
        subject: item.is_some_and(names_somebody),
        source: Some(Origin {
            resource: entry.code.clone(),
            column: item.map_or_else(|| column.name.clone(), |item| item.name.clone()),
        }),
    }
}

/// What the entry promises of a column's values.
fn rules(entry: &Metadata, column: &Column) -> Vec<Rule> {
    let mut checks = Vec::new();
    if column.required {
        checks.push(("required", Check::Required));
    }
    if let Some(item) = item_of(entry, column) {
        let length = digits(&item.length);
        match (column.kind, length) {
            (Type::Text, Some((most, _))) => {
                checks.push(("length", Check::Length { least: 0, most }));
            }
            (Type::Integer | Type::Decimal { .. }, Some((all, places))) if all > places => {
                let whole = i32::try_from(all - places).unwrap_or(i32::MAX);
                let most = 10_f64.powi(whole);
                let range = Check::Range {
                    least: Some(-most),
                    most: Some(most),
                };
                checks.push(("digits", range));
            }
            _ => {}
        }
        if column.kind == Type::Text && !item.code_table.is_empty() {
            let table = item.code_table.clone();
            checks.push(("code", Check::Code { table }));
        }
    }
    let rule = |(name, check): (&str, Check)| {
        let mut id = format!("{name}_{}", column.name);
        id.truncate(63);
        Rule {
            id,
            column: column.name.clone(),
            then: Then::SetAside,
            check,
        }
    };
    checks.into_iter().map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, field: &str, kind: &str, length: &str) -> Item {
        Item {
            name: name.into(),
            field: field.into(),
            kind: kind.into(),
            length: length.into(),
            is_key: field.eq_ignore_ascii_case("id"),
            ..Item::default()
        }
    }

    fn column(name: &str, kind: Type, length: u32) -> Column {
        Column {
            name: name.into(),
            kind,
            length,
            required: name == "id",
            ..Column::default()
        }
    }

    fn entry() -> Metadata {
        Metadata {
            name: "人口（合成）".into(),
            code: "101001/000001".into(),
            items: vec![
                item("号码", "ID", "C", "18"),
                item("姓名", "xm", "C", "100"),
                item("出生日期", "csrq", "D", ""),
                item("基数", "jfjs", "Y", "12,2"),
            ],
            ..Metadata::default()
        }
    }

    fn shape(columns: Vec<Column>) -> Shape {
        Shape {
            columns,
            key: vec!["id".into()],
        }
    }

    fn money(digits: u8, scale: i8) -> Type {
        Type::Decimal { digits, scale }
    }

    #[test]
    fn what_is_described_may_flow() {
        let columns = vec![
            column("id", Type::Text, 18),
            column("xm", Type::Text, 0),
            column("csrq", Type::Date, 0),
            column("jfjs", money(12, 2), 0),
        ];
        assert_eq!(differences(&entry(), &shape(columns)), []);
    }

    #[test]
    fn each_difference_names_its_column_and_rule() {
        let columns = vec![
            column("id", Type::Text, 20),
            column("xm", Type::Integer, 0),
            column("jfjs", money(14, 2), 0),
            column("phone", Type::Text, 11),
        ];
        let mut shape = shape(columns);
        shape.key = vec!["xm".into()];
        let found: Vec<_> = differences(&entry(), &shape)
            .into_iter()
            .map(|f| (f.field, f.text.key))
            .collect();
        let told = |field: &str, key: &'static str| (field.to_owned(), key);
        assert_eq!(
            found,
            [
                told("columns.id", "flow-length-differs"),
                told("columns.xm", "flow-type-differs"),
                told("columns.jfjs", "flow-length-differs"),
                told("columns.phone", "flow-column-undescribed"),
                told("columns.csrq", "flow-item-missing"),
                told("key", "flow-key-differs"),
            ]
        );
    }

    #[test]
    fn the_lakes_table_is_sound_and_keeps_what_is_gone() {
        let columns = vec![
            column("id", Type::Text, 18),
            column("xm", Type::Text, 0),
            column("csrq", Type::Date, 0),
            column("jfjs", money(12, 2), 0),
        ];
        let whole = table("ods_a", "", &entry(), &shape(columns.clone()), None);
        assert_eq!(whole.findings(), []);
        let rules: Vec<_> = whole.rules.iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(
            rules,
            ["required_id", "length_id", "length_xm", "digits_jfjs"]
        );
        let fewer = table(
            "ods_a",
            "",
            &entry(),
            &shape(columns[..3].to_vec()),
            Some(&whole),
        );
        assert_eq!(fewer.findings(), []);
        assert!(fewer.column("jfjs").is_some());
    }

    #[test]
    fn what_is_important_or_unknown_is_hidden_like_the_highest() {
        let of = |level: &str, share_type: &str| {
            let mut entry = entry();
            entry.share_type = share_type.into();
            entry.items[1].level = level.into();
            let columns = vec![
                column("id", Type::Text, 18),
                column("xm", Type::Text, 0),
                column("csrq", Type::Date, 0),
                column("jfjs", money(12, 2), 0),
            ];
            (table("ods_a", "", &entry, &shape(columns), None), entry)
        };
        for (level, sensitivity) in [
            ("", 2),
            ("1", 1),
            ("3", 3),
            ("4", 4),
            ("5", 4),
            ("0", 4),
            ("L9", 4),
        ] {
            let found = of(level, "1").0.column("xm").unwrap().sensitivity;
            assert_eq!(found, sensitivity, "{level}");
        }
        for (share_type, sharing) in [
            ("1", Sharing::Free),
            ("2", Sharing::Granted),
            ("3", Sharing::Withheld),
            ("", Sharing::Withheld),
        ] {
            assert_eq!(of("", share_type).0.sharing, sharing, "{share_type}");
        }
        // A newer entry hides more of what is there, never less.
        let (mild, strict) = (of("1", "1"), of("5", "2"));
        let hidden = restricted(&mild.0, &strict.1);
        assert_eq!(hidden.sharing, Sharing::Granted);
        assert_eq!(hidden.column("xm").unwrap().sensitivity, 4);
        assert_eq!(restricted(&strict.0, &mild.1), strict.0);
        let subjects: Vec<_> = mild.0.subjects().map(|c| c.id.as_str()).collect();
        assert_eq!(subjects, ["id"]);
    }

    #[test]
    fn names_of_tables_are_names() {
        assert_eq!(table_name("Hukou-person.2"), "ods_hukou_person_2");
        assert_eq!(table_name(&"x".repeat(63)).len(), 63);
    }
}
