//! What of a plan is ours, written down for another process: the barrier above filtered rows, and
//! the function that masks.

use std::sync::Arc;

use ballista_core::serde::BallistaPhysicalExtensionCodec;
use datafusion::{
    common::plan_err,
    error::{DataFusionError, Result},
    execution::TaskContext,
    logical_expr::ScalarUDF,
    physical_plan::ExecutionPlan,
};
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};

use crate::query::{
    guard::Barrier,
    mask::{self, Mask},
};

/// Stands for a barrier; Ballista's own nodes are protobuf messages, which do not begin so.
const BARRIER: &[u8] = b"tongban.lake.barrier";

/// Ballista's codec, and our nodes.
#[derive(Debug, Default)]
pub(super) struct Codec(BallistaPhysicalExtensionCodec);

impl PhysicalExtensionCodec for Codec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if buf != BARRIER {
            return self.0.try_decode(buf, inputs, ctx, converter);
        }
        let [inside] = inputs else {
            return plan_err!("a barrier has one plan below it");
        };
        Ok(Arc::new(Barrier(inside.clone())))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        if node.is::<Barrier>() {
            buf.extend_from_slice(BARRIER);
            return Ok(());
        }
        self.0.try_encode(node, buf, converter)
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        if name != mask::NAME {
            return self.0.try_decode_udf(name, buf);
        }
        let kind = serde_json::from_slice(buf).map_err(broken)?;
        Ok(Arc::new(ScalarUDF::from(Mask::new(kind))))
    }

    fn try_encode_udf(&self, node: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        match node.inner().downcast_ref::<Mask>() {
            Some(mask) => serde_json::to_writer(buf, &mask.kind).map_err(broken),
            None => self.0.try_encode_udf(node, buf),
        }
    }
}

fn broken(error: serde_json::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

#[cfg(test)]
mod tests {
    use datafusion::{
        arrow::datatypes::{DataType, Field, Schema},
        datasource::empty::EmptyTable,
        physical_expr::ScalarFunctionExpr,
        physical_plan::{displayable, projection::ProjectionExec},
        prelude::{SessionContext, col},
    };
    use datafusion_proto::{physical_plan::AsExecutionPlan, protobuf::PhysicalPlanNode};
    use kernel::mask::Kind;

    use super::*;

    /// A plan as another process reads it.
    fn sent(plan: Arc<dyn ExecutionPlan>, context: &SessionContext) -> Arc<dyn ExecutionPlan> {
        let codec = Codec::default();
        let mut buffer = Vec::new();
        PhysicalPlanNode::try_from_physical_plan(plan, &codec)
            .and_then(|node| node.try_encode(&mut buffer))
            .unwrap();
        PhysicalPlanNode::try_decode(&buffer)
            .and_then(|node| node.try_into_physical_plan(&context.task_ctx(), &codec))
            .unwrap()
    }

    #[tokio::test]
    async fn barriers_and_masks_arrive_as_they_were() {
        let context = SessionContext::new();
        for kind in [Some(Kind::Name), Some(Kind::Id), None] {
            let schema = Schema::new(vec![Field::new("xm", DataType::Utf8, true)]);
            let masked = ScalarUDF::from(Mask::new(kind)).call(vec![col("xm")]);
            let plan = context
                .read_table(Arc::new(EmptyTable::new(Arc::new(schema))))
                .and_then(|frame| frame.select(vec![masked.alias("xm")]))
                .unwrap()
                .create_physical_plan()
                .await
                .unwrap();
            let plan: Arc<dyn ExecutionPlan> = Arc::new(Barrier(plan));
            let there = sent(plan.clone(), &context);
            let words =
                |plan: &Arc<dyn ExecutionPlan>| displayable(plan.as_ref()).indent(true).to_string();
            assert_eq!(words(&plan), words(&there));
            let barrier = there.downcast_ref::<Barrier>().unwrap();
            let projection = barrier.0.downcast_ref::<ProjectionExec>().unwrap();
            let function = projection.expr()[0]
                .expr
                .downcast_ref::<ScalarFunctionExpr>()
                .unwrap();
            let mask = function.fun().inner().downcast_ref::<Mask>().unwrap();
            assert_eq!(mask.kind, kind);
        }
    }

    #[test]
    fn a_mask_that_says_nothing_is_none() {
        assert!(Codec::default().try_decode_udf(mask::NAME, b"").is_err());
    }
}
