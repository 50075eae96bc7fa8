//! What readers get to see: values masked unless the purpose was told and the permission given.

use chrono::{DateTime, NaiveDate, Utc};
use kernel::clock::from_micros;
use serde::Serialize;
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;

use crate::{
    Declaration, Field, Objection,
    declaration::Kind,
    record::{Act, Row, State, Statement, Told, act::View},
    value::Value,
};

/// A value as this reader may see it.
pub fn shown(field: &Field, value: &Value, is_unmasked: bool) -> Json {
    if is_unmasked || !field.is_sensitive() {
        value.json(field)
    } else {
        Json::from(value.masked(field))
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct RegistryView {
    #[schema(example = "population")]
    id: String,
    #[schema(example = "人口基础信息库")]
    title_zh: String,
    title_en: String,
    /// Fields that together identify a record.
    key: Vec<String>,
    /// Whether looks at records are kept.
    is_sensitive: bool,
    fields: Vec<FieldView>,
}

#[derive(Serialize, ToSchema)]
struct FieldView {
    #[schema(example = "xm")]
    id: String,
    #[schema(example = "姓名")]
    title_zh: String,
    title_en: String,
    /// `text`, `integer`, `decimal`, `boolean` or `date`.
    #[schema(example = "text")]
    kind: &'static str,
    is_required: bool,
    code_table: Option<String>,
    reference: Option<String>,
    /// 1 public … 4 highly sensitive; masked from 3 on.
    sensitivity: u8,
    /// Sources, the one with most authority first.
    authority: Vec<String>,
    is_searchable: bool,
}

impl RegistryView {
    pub(super) fn of(d: &Declaration) -> Self {
        let fields = d.fields.iter().map(|f| FieldView {
            id: f.id.clone(),
            title_zh: f.title.zh.clone(),
            title_en: f.title.en.clone(),
            kind: match f.kind {
                Kind::Text => "text",
                Kind::Integer => "integer",
                Kind::Decimal { .. } => "decimal",
                Kind::Boolean => "boolean",
                Kind::Date => "date",
            },
            is_required: f.is_required,
            code_table: f.code_table.clone(),
            reference: f.reference.clone(),
            sensitivity: f.sensitivity,
            authority: f.authority.clone(),
            is_searchable: crate::table::serves(f, crate::declaration::Search::Exact),
        });
        Self {
            id: d.id.clone(),
            title_zh: d.title.zh.clone(),
            title_en: d.title.en.clone(),
            key: d.key.clone(),
            is_sensitive: d.is_sensitive(),
            fields: fields.collect(),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct RowView {
    #[schema(example = "019326c5-6c80-7000-8000-000000000001")]
    id: String,
    state: State,
    merged_into: Option<String>,
    /// By field, masked.
    #[schema(value_type = Object, example = json!({"gmsfhm": "320000********0039", "xm": "张*明"}))]
    values: Map<String, Json>,
}

impl RowView {
    pub(super) fn of(declaration: &Declaration, row: &Row) -> Self {
        let fields = declaration.fields.iter();
        let values = fields.filter_map(|f| {
            let value = row.values.get(&f.id)?;
            Some((f.id.clone(), shown(f, value, false)))
        });
        Self {
            id: row.id.clone(),
            state: row.state,
            merged_into: row.merged_into.clone(),
            values: values.collect(),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct RowList {
    pub items: Vec<RowView>,
    /// Give it as `after` for the next page.
    pub next: Option<String>,
}

/// A value and who said it.
#[derive(Serialize, ToSchema)]
struct ToldView {
    #[schema(value_type = Object)]
    value: Json,
    #[schema(example = "police")]
    source: String,
    valid_from: NaiveDate,
    recorded_at: DateTime<Utc>,
    batch: Option<String>,
    statement: String,
    act: Act,
}

impl ToldView {
    fn of(field: &Field, told: &Told, is_unmasked: bool) -> Self {
        Self {
            value: shown(field, &told.value, is_unmasked),
            source: told.source.clone(),
            valid_from: told.valid_from,
            recorded_at: from_micros(told.recorded_at),
            batch: told.batch.clone(),
            statement: told.statement.clone(),
            act: told.act,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct KnownView {
    field: String,
    #[serde(flatten)]
    told: ToldView,
    /// What sources with less authority say instead.
    others: Vec<ToldView>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct RecordView {
    #[schema(example = "019326c5-6c80-7000-8000-000000000001")]
    id: String,
    registry: String,
    /// On the day that was asked for, like the values.
    state: State,
    merged_into: Option<String>,
    /// Of today.
    version: i64,
    is_unmasked: bool,
    /// Closed on the day that was asked for.
    is_closed: bool,
    fields: Vec<KnownView>,
    /// Records that count for this one.
    merged: Vec<MergeView>,
}

#[derive(Serialize, ToSchema)]
struct MergeView {
    id: String,
    from: String,
    reason: String,
    merged_at: DateTime<Utc>,
}

impl RecordView {
    pub(super) fn of(view: &View) -> Self {
        let fields = view.declaration.fields.iter().filter_map(|f| {
            let decided = view.folded.fields.get(&f.id)?;
            let others = decided.others.iter();
            Some(KnownView {
                field: f.id.clone(),
                told: ToldView::of(f, &decided.told, view.is_unmasked),
                others: others
                    .map(|told| ToldView::of(f, told, view.is_unmasked))
                    .collect(),
            })
        });
        let merged = view.merged.iter().map(|m| MergeView {
            id: m.id.clone(),
            from: m.from_record.clone(),
            reason: m.reason.clone(),
            merged_at: from_micros(m.merged_at),
        });
        Self {
            id: view.row.id.clone(),
            registry: view.declaration.id.clone(),
            state: view.state,
            merged_into: view.merged_into.clone(),
            version: view.row.version,
            is_unmasked: view.is_unmasked,
            is_closed: view.folded.is_closed,
            fields: fields.collect(),
            merged: merged.collect(),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct StatementView {
    id: String,
    #[schema(example = "police")]
    source: String,
    act: Act,
    valid_from: NaiveDate,
    recorded_at: DateTime<Utc>,
    batch: Option<String>,
    reason: String,
    /// By field; null takes back what the source said before.
    #[schema(value_type = Object)]
    fields: Map<String, Json>,
}

impl StatementView {
    pub(super) fn of(declaration: &Declaration, s: &Statement, is_unmasked: bool) -> Self {
        let fields = s.fields.iter().filter_map(|(id, json)| {
            let field = declaration.field(id)?;
            let value = Value::of_json(field, json);
            let json = value.map_or(Json::Null, |v| shown(field, &v, is_unmasked));
            Some((id.clone(), json))
        });
        Self {
            id: s.id.clone(),
            source: s.source.clone(),
            act: s.act,
            valid_from: s.valid_from,
            recorded_at: from_micros(s.recorded_at),
            batch: s.batch.clone(),
            reason: s.reason.clone(),
            fields: fields.collect(),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct ObjectionView {
    #[schema(example = "019326c5-6c80-7000-8000-000000000002")]
    id: String,
    registry: String,
    record: String,
    #[schema(example = "xm")]
    field: String,
    source: String,
    source_org: String,
    /// Masked as in the record.
    #[schema(value_type = Object)]
    current_value: Json,
    #[schema(value_type = Object)]
    expected_value: Json,
    #[schema(value_type = Object)]
    proposed_value: Json,
    reason: String,
    state: crate::objection::State,
    due_on: Option<NaiveDate>,
    is_overdue: bool,
    answer: String,
    raised_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    statement: Option<String>,
    version: i64,
}

/// A value that an objection keeps, as this reader may see it.
pub fn kept(field: Option<&Field>, json: &str, is_unmasked: bool) -> Json {
    let json: Json = serde_json::from_str(json).unwrap_or_default();
    let value = field.and_then(|f| Some((f, Value::of_json(f, &json)?)));
    value.map_or(Json::Null, |(f, v)| shown(f, &v, is_unmasked))
}

impl ObjectionView {
    pub(super) fn of(declaration: &Declaration, o: Objection, is_unmasked: bool) -> Self {
        let field = declaration.field(&o.field);
        let value = |json: &str| kept(field, json, is_unmasked);
        Self {
            current_value: value(&o.current_value),
            expected_value: value(&o.expected_value),
            proposed_value: o.proposed_value.as_deref().map_or(Json::Null, value),
            state: crate::objection::State::of_name(&o.state)
                .unwrap_or(crate::objection::State::Raised),
            id: o.id,
            registry: o.registry,
            record: o.record,
            field: o.field,
            source: o.source,
            source_org: o.source_org,
            reason: o.reason,
            due_on: o.due_on,
            is_overdue: o.is_overdue,
            answer: o.answer,
            raised_at: from_micros(o.raised_at),
            closed_at: o.closed_at.map(from_micros),
            statement: o.statement,
            version: o.version,
        }
    }
}
