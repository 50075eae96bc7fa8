//! Rows on their way through a plan, measured.
//!
//! The engine counts what it sorts, groups and joins, but not what an expression makes of a batch.
//! What goes from one step to the next is therefore cut into pieces of which each step can make the
//! most that a question may ([`super::size`]), and a question whose rows are too long is ended.

use std::sync::Arc;

use datafusion::{
    arrow::array::RecordBatch,
    common::{
        Result,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    error::DataFusionError,
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::PhysicalExpr,
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt, TryStreamExt, stream};

use crate::content::content;

/// Steps that compute, and those that read what they compute from.
const STEPS: [&str; 8] = [
    "Aggregate",
    "DataSource",
    "Delta",
    "Filter",
    "Join",
    "Projection",
    "Unnest",
    "Window",
];

/// The plan with its rows measured, for a question that may hold so many bytes.
pub(super) fn measured(
    plan: Arc<dyn ExecutionPlan>,
    memory: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let plan = plan.transform_up(|node| {
        let is_step = STEPS.iter().any(|step| node.name().contains(step));
        Ok(if is_step {
            Transformed::yes(Arc::new(Measured { node, memory }) as Arc<dyn ExecutionPlan>)
        } else {
            Transformed::no(node)
        })
    })?;
    Ok(plan.data)
}

#[derive(Debug)]
struct Measured {
    node: Arc<dyn ExecutionPlan>,
    memory: usize,
}

/// A batch in pieces; an error where it or one of its rows is too large. However little memory a
/// question may have, usual batches pass.
fn pieces(batch: &RecordBatch, memory: usize) -> Result<Vec<RecordBatch>> {
    let full = || DataFusionError::ResourcesExhausted("rows of a question are too long".into());
    let (most, long, piece) = (
        (memory / 4).max(16 << 20),
        (memory / 16).max(1 << 20),
        (memory / 512).max(256 << 10),
    );
    let (whole, rows) = (content(batch), batch.num_rows());
    if whole > most {
        return Err(full());
    }
    let count = whole.div_ceil(piece).clamp(1, rows.max(1));
    if count == 1 && whole <= long {
        return Ok(vec![batch.clone()]);
    }
    let step = rows.div_ceil(count).max(1);
    let starts = (0..rows).step_by(step);
    let pieces = starts.map(|start| batch.slice(start, step.min(rows - start)));
    pieces
        .map(|piece| {
            // One row among many may be the long one.
            if content(&piece) > long {
                return Err(full());
            }
            Ok(piece)
        })
        .collect()
}

impl DisplayAs for Measured {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Measured")
    }
}

impl ExecutionPlan for Measured {
    fn name(&self) -> &'static str {
        "Measured"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.node.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.node]
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
        let node = children.into_iter().next();
        let memory = self.memory;
        Ok(node.map_or(self as _, |node| Arc::new(Self { node, memory }) as _))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let rows = self.node.execute(partition, context)?;
        let (schema, memory) = (rows.schema(), self.memory);
        let rows = rows
            .map(move |batch| pieces(&batch?, memory))
            .map_ok(|pieces| stream::iter(pieces.into_iter().map(Ok)))
            .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, StringArray};

    use super::*;

    fn batch(texts: Vec<String>) -> RecordBatch {
        let column: ArrayRef = Arc::new(StringArray::from(texts));
        RecordBatch::try_from_iter([("t", column)]).unwrap()
    }

    #[test]
    fn long_batches_come_in_pieces_and_too_long_ones_not_at_all() {
        let rows = |batch: &RecordBatch| {
            let pieces = pieces(batch, 64 << 20).map_err(drop)?;
            Ok::<_, ()>(pieces.iter().map(RecordBatch::num_rows).collect::<Vec<_>>())
        };
        assert_eq!(rows(&batch(vec!["x".into(); 100])), Ok(vec![100]));
        assert_eq!(rows(&batch(Vec::new())), Ok(vec![0]));
        let thousand = rows(&batch(vec!["x".repeat(1000); 1000])).unwrap();
        assert_eq!(thousand, [250; 4]);
        assert_eq!(rows(&batch(vec!["x".repeat(4_000_000)])), Ok(vec![1]));
        let mut uneven = vec!["x".to_owned(); 1000];
        uneven[500] = "x".repeat(5_000_000);
        assert_eq!(rows(&batch(uneven)), Err(()), "a row of a sixteenth");
        let many = batch(vec!["x".repeat(1000); 20_000]);
        assert_eq!(rows(&many), Err(()), "a batch of a quarter");
    }
}
