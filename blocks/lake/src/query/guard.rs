//! A table as one reader may see it, in the place of the table itself.
//!
//! The question is planned over these and knows no others, so sub-queries, joins, functions and
//! error messages see only what is left: masked columns are masked before anything else is
//! computed from them, rows of others are gone. Where rows are filtered, a barrier keeps the
//! question's own conditions above the filter: computed below it, they could tell of hidden rows
//! by an error or by time.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::{DataType, Field, Schema, SchemaRef},
    catalog::{Session, TableProvider},
    common::{
        Column, Result, ScalarValue,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    datasource::provider_as_source,
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{
        Expr, LogicalPlanBuilder, TableProviderFilterPushDown, TableType, cast, expr_rewriter,
    },
    physical_expr::PhysicalExpr,
    physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties},
    prelude::lit,
};

use super::mask::masked;
use crate::{Kind, RowPolicy, Table};

/// What policy gives one reader of one table.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub table: Arc<Table>,
    /// Whether sensitive columns are whole.
    pub is_unmasked: bool,
    /// Regions or organisations whose rows are seen; all rows where nothing is said.
    pub of: Option<Vec<String>>,
    /// Columns that grants give; all columns where nothing is said.
    pub given: Option<BTreeSet<String>>,
}

impl View {
    fn is_hidden(&self, column: &crate::Column) -> bool {
        !self.gives(column) || (column.is_sensitive() && !self.is_unmasked)
    }

    fn gives(&self, column: &crate::Column) -> bool {
        let given = self.given.as_ref();
        given.is_none_or(|given| given.contains(&column.id))
    }

    /// Columns that this reader does not see whole.
    pub(crate) fn hidden(&self) -> BTreeSet<&str> {
        let hidden = self.table.columns.iter().filter(|c| self.is_hidden(c));
        hidden.map(|column| column.id.as_str()).collect()
    }

    fn filter(&self) -> Option<Expr> {
        let of = self.of.as_ref()?;
        let policy = self.table.rows.as_ref()?;
        let value = || Expr::Column(Column::from_name(policy.column()));
        let any = match policy {
            RowPolicy::Org(_) => {
                let all = of.iter().map(|org| lit(org.clone()));
                Some(value().in_list(all.collect(), false))
            }
            RowPolicy::Region(_) => {
                let inside = of
                    .iter()
                    .map(|region| value().like(lit(format!("{}%", stem(region)))));
                inside.reduce(Expr::or)
            }
        };
        Some(any.unwrap_or_else(|| lit(false)))
    }
}

/// What the codes of everything inside a region begin with; only digits, so nothing in it can mean
/// something in a pattern.
fn stem(region: &str) -> String {
    let digits: String = region.chars().filter(char::is_ascii_digit).collect();
    let stem = digits
        .strip_suffix("0000")
        .or_else(|| digits.strip_suffix("00"));
    match stem.unwrap_or(&digits) {
        // No region holds nothing, and not the whole country.
        "" | "00" => "-".into(),
        stem => stem.into(),
    }
}

/// The table in the question's place of it.
#[derive(Debug)]
pub(crate) struct Guarded {
    inner: Arc<dyn TableProvider>,
    schema: SchemaRef,
    columns: Vec<Expr>,
    /// Columns that are as they are in the table.
    open: BTreeSet<String>,
    rows: Option<Expr>,
}

impl Guarded {
    pub(crate) fn new(inner: Arc<dyn TableProvider>, view: &View) -> Self {
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        let mut open = BTreeSet::new();
        for column in &view.table.columns {
            let there = inner.schema().field_with_name(&column.id).ok().cloned();
            let kind = there.as_ref().map(|field| field.data_type().clone());
            let value = || Expr::Column(Column::from_name(&column.id));
            let (kind, expr) = match kind {
                // A column that was declared after the last batch.
                None => nothing(&column.data_type()),
                Some(kind) if !view.gives(column) => nothing(&kind),
                Some(_) if view.is_hidden(column) && column.kind == Kind::Text => {
                    (DataType::Utf8, masked(column, value()))
                }
                Some(kind) if view.is_hidden(column) => nothing(&kind),
                Some(kind) => {
                    open.insert(column.id.clone());
                    (kind, value())
                }
            };
            fields.push(Field::new(&column.id, kind, true));
            columns.push(expr.alias(&column.id));
        }
        Self {
            inner,
            schema: Arc::new(Schema::new(fields)),
            columns,
            open,
            rows: view.filter(),
        }
    }

    /// Conditions that may be computed below: none where rows are filtered, and none on what is
    /// hidden.
    fn takes(&self, filter: &Expr) -> bool {
        let columns = filter.column_refs();
        self.rows.is_none()
            && !columns.is_empty()
            && !asks(filter)
            && columns.iter().all(|c| self.open.contains(&c.name))
    }
}

/// Whether a condition holds a question of its own, which belongs to the plan above.
fn asks(filter: &Expr) -> bool {
    let is_question = |expr: &Expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::OuterReferenceColumn(..)
        ))
    };
    filter.exists(is_question).unwrap_or(true)
}

/// No value of that type.
fn nothing(kind: &DataType) -> (DataType, Expr) {
    (kind.clone(), cast(lit(ScalarValue::Null), kind.clone()))
}

#[async_trait]
impl TableProvider for Guarded {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let answer = |filter: &&Expr| {
            if self.takes(filter) {
                TableProviderFilterPushDown::Inexact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        };
        Ok(filters.iter().map(answer).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let source = provider_as_source(self.inner.clone());
        let mut plan = LogicalPlanBuilder::scan("inside", source, None)?;
        if let Some(rows) = &self.rows {
            plan = plan.filter(rows.clone())?;
        }
        for filter in filters.iter().filter(|filter| self.takes(filter)) {
            plan = plan.filter(expr_rewriter::unnormalize_col(filter.clone()))?;
        }
        let all: Vec<usize> = (0..self.columns.len()).collect();
        let wanted = projection.unwrap_or(&all).iter();
        let wanted = wanted.filter_map(|place| self.columns.get(*place).cloned());
        plan = plan.project(wanted.collect::<Vec<_>>())?;
        if filters.is_empty() {
            plan = plan.limit(0, limit)?;
        }
        let physical = state.create_physical_plan(&plan.build()?).await?;
        Ok(match self.rows {
            Some(_) => Arc::new(Barrier(physical)),
            None => physical,
        })
    }
}

/// Lets rows up and nothing down: every default of [`ExecutionPlan`] refuses conditions, limits
/// and orders from above, and tells nothing of the rows below.
#[derive(Debug)]
pub(crate) struct Barrier(pub(crate) Arc<dyn ExecutionPlan>);

impl DisplayAs for Barrier {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Barrier")
    }
}

impl ExecutionPlan for Barrier {
    fn name(&self) -> &'static str {
        "Barrier"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.0]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let child = children.into_iter().next();
        Ok(child.map_or(self as _, |child| Arc::new(Self(child)) as _))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.0.execute(partition, context)
    }
}

#[cfg(test)]
mod tests {
    use super::stem;

    #[test]
    fn a_region_covers_what_is_inside_it() {
        assert_eq!(stem("320000"), "32");
        assert_eq!(stem("321000"), "3210");
        assert_eq!(stem("321002"), "321002");
        assert_eq!(stem(""), "-");
        assert_eq!(stem("000000"), "-");
        assert_eq!(stem("%"), "-");
    }
}
