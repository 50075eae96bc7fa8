//! Where values come from and what they were used for: source column → lake column → questions.

use std::collections::BTreeMap;

use identity::{Actor, Gate};
use kernel::{Result, clock::from_micros};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, JoinType,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, sea_query::Expr,
};
use serde::Serialize;
use store::{
    fault,
    page::{PageOf, PageRequest},
};
use web::App;

use crate::{
    declaration::store as declarations,
    query, resource,
    schema::{query as asked, query_subject as subjects, query_use as uses},
};

/// A question at a table, as who answers for the table sees it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = LakeUse)]
pub struct Use {
    pub id: String,
    pub at: chrono::DateTime<chrono::Utc>,
    #[schema(example = "11321000990000041L")]
    pub who_org: String,
    pub who_org_name: String,
    #[schema(example = "核验参保情况")]
    pub purpose: String,
    #[schema(example = "page")]
    pub door: String,
    /// `running`, `answered`, `cut`, `failed` or `dropped`.
    #[schema(example = "answered")]
    pub state: String,
    pub rows: i64,
}

/// One column with its origin and its use.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ColumnLineage {
    #[schema(example = "gmsfhm")]
    pub column: String,
    /// Catalog resource that it comes from; empty where none is named.
    #[schema(example = "jiangcheng/insured")]
    pub resource: String,
    #[schema(example = "SFZHM")]
    pub source_column: String,
    pub used_by: Vec<UsedBy>,
}

/// How often an organisation asked for a column, and when last.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct UsedBy {
    pub org: String,
    pub org_name: String,
    pub questions: i64,
    /// Questions that saw the column whole.
    pub whole: i64,
    pub last: chrono::DateTime<chrono::Utc>,
}

/// Questions that read a table, the latest first.
pub async fn uses(
    app: &App,
    actor: &Actor,
    table: &str,
    page: &PageRequest,
) -> Result<PageOf<Use>> {
    let db = app.db().read();
    let declared = declarations::get(db, table).await?;
    actor.may(&*app.part::<Gate>()?, "lake.uses", &resource(&declared))?;
    let found = query::store::of_table(db, table, page).await?;
    Ok(found.map(use_of))
}

/// Questions that a person is told of, the latest first, with the tables that each read: those
/// that name one of her numbers, and those about the tables in which she is, unless they could
/// answer rows of others only. Whoever calls knows that it is she who asks.
pub async fn questions_about(
    db: &impl ConnectionTrait,
    numbers: &[String],
    tables: &[String],
    page: &PageRequest,
) -> Result<PageOf<(Use, Vec<String>)>> {
    // Asked of one question after the other, so that a page costs no more than its rows.
    let is_of = |query: Expr| query.equals((asked::Entity, asked::Column::Id));
    let naming = subjects::Entity::find()
        .select_only()
        .column(subjects::Column::Query)
        .filter(is_of(Expr::col((
            subjects::Entity,
            subjects::Column::Query,
        ))))
        .filter(subjects::Column::Subject.is_in(numbers))
        .into_query();
    let reading = uses::Entity::find()
        .select_only()
        .column(uses::Column::Query)
        .filter(is_of(Expr::col((uses::Entity, uses::Column::Query))))
        .filter(uses::Column::Lake.is_in(tables))
        .into_query();
    let wide = Condition::all()
        .add(asked::Column::IsNarrow.eq(false))
        .add(Expr::exists(reading));
    let told = Condition::any().add(Expr::exists(naming)).add(wide);
    let mut query = asked::Entity::find().filter(told);
    if let Some(before) = &page.after {
        query = query.filter(asked::Column::Id.lt(before));
    }
    let rows = query
        .order_by_desc(asked::Column::Id)
        .limit(page.fetch())
        .all(db)
        .await
        .map_err(|e| fault("list questions about somebody", e))?;
    let page = page.cut(rows, |row| row.id.clone());
    let ids: Vec<&str> = page.items.iter().map(|row| row.id.as_str()).collect();
    let mut read = tables_of(db, &ids).await?;
    Ok(page.map(|row| {
        let tables = read.remove(&row.id).unwrap_or_default();
        (use_of(row), tables)
    }))
}

/// The tables that these questions read, by question.
async fn tables_of(
    db: &impl ConnectionTrait,
    questions: &[&str],
) -> Result<BTreeMap<String, Vec<String>>> {
    let pairs: Vec<(String, String)> = uses::Entity::find()
        .select_only()
        .column(uses::Column::Query)
        .column(uses::Column::Lake)
        .distinct()
        .filter(uses::Column::Query.is_in(questions.iter().copied()))
        .into_tuple()
        .all(db)
        .await
        .map_err(|e| fault("list tables of questions", e))?;
    let mut by_question: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (question, table) in pairs {
        by_question.entry(question).or_default().push(table);
    }
    Ok(by_question)
}

fn use_of(row: asked::Model) -> Use {
    Use {
        id: row.id,
        at: from_micros(row.at),
        who_org: row.who_org,
        who_org_name: row.who_org_name,
        purpose: row.purpose,
        door: row.door,
        state: row.state,
        rows: row.rows,
    }
}

#[derive(FromQueryResult)]
struct Sum {
    field: String,
    who_org: String,
    who_org_name: String,
    questions: i64,
    masked: i64,
    last: i64,
}

/// Every column of a table with its origin and who used it.
pub async fn lineage(app: &App, actor: &Actor, table: &str) -> Result<Vec<ColumnLineage>> {
    let db = app.db().read();
    let declared = declarations::get(db, table).await?;
    actor.may(&*app.part::<Gate>()?, "lake.uses", &resource(&declared))?;
    let masked = Expr::case(uses::Column::IsMasked.eq(true), 1).finally(0);
    // PostgreSQL sums whole numbers into another type.
    let masked = Expr::expr(masked).sum().cast_as("bigint");
    let sums = uses::Entity::find()
        .select_only()
        .column(uses::Column::Field)
        .column_as(asked::Column::WhoOrg, "who_org")
        .column_as(asked::Column::WhoOrgName.max(), "who_org_name")
        .column_as(uses::Column::Query.count(), "questions")
        .column_as(masked, "masked")
        .column_as(asked::Column::At.max(), "last")
        .join(JoinType::InnerJoin, to_question())
        .filter(uses::Column::Lake.eq(table))
        .group_by(uses::Column::Field)
        .group_by(asked::Column::WhoOrg)
        .order_by_asc(uses::Column::Field)
        .order_by_asc(asked::Column::WhoOrg)
        .into_model::<Sum>()
        .all(db)
        .await
        .map_err(|e| fault("sum the uses of a lake table", e))?;
    let mut by_column: BTreeMap<String, Vec<UsedBy>> = BTreeMap::new();
    for sum in sums {
        by_column.entry(sum.field).or_default().push(UsedBy {
            org: sum.who_org,
            org_name: sum.who_org_name,
            questions: sum.questions,
            whole: sum.questions - sum.masked,
            last: from_micros(sum.last),
        });
    }
    let lines = declared.columns.iter().map(|column| ColumnLineage {
        column: column.id.clone(),
        resource: column
            .source
            .as_ref()
            .map(|s| s.resource.clone())
            .unwrap_or_default(),
        source_column: column
            .source
            .as_ref()
            .map(|s| s.column.clone())
            .unwrap_or_default(),
        used_by: by_column.remove(&column.id).unwrap_or_default(),
    });
    Ok(lines.collect())
}

fn to_question() -> sea_orm::RelationDef {
    uses::Entity::belongs_to(asked::Entity)
        .from(uses::Column::Query)
        .to(asked::Column::Id)
        .into()
}
