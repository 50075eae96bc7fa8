//! Questions on a Ballista cluster: a scheduler that divides a plan, executors that run its parts.
//!
//! A question is read, guarded and planned where it is asked; what goes to the cluster is the
//! finished physical plan. The scheduler does not plan again, so that masks and barriers stay
//! where they were put. All processes are of this executable: those of Ballista itself know
//! neither our nodes ([`codec`]) nor the place of the files ([`files`]).
//!
//! The cluster trusts whoever reaches its ports: who can send it a plan reads the whole lake.

mod client;
mod codec;
pub(crate) mod files;
mod process;

use std::{path::Path, sync::Arc};

use ballista_core::{extension::SessionConfigExt, optimizer::ballista_default_optimizer_rules};
use datafusion::{
    common::{
        JoinType,
        tree_node::{Transformed, TreeNode},
    },
    error::Result as Planned,
    execution::{
        SessionStateBuilder, disk_manager::DiskManagerBuilder, runtime_env::RuntimeEnv,
        runtime_env::RuntimeEnvBuilder,
    },
    physical_plan::{
        ChildrenPropertiesMode, ExecutionPlan, ExecutionPlanProperties, ReplaceChildrenOptions,
        coalesce_partitions::CoalescePartitionsExec, joins::NestedLoopJoinExec,
        limit::GlobalLimitExec,
    },
};
use kernel::Fault;

pub(crate) use client::submit;
pub use process::{Executor, executor, scheduler};

use crate::{Settings, delta::Place};

/// Bytes of one message between the processes; a plan holds the list of a table's files.
const MESSAGE: u32 = 64 << 20;

/// Host and port of the scheduler.
fn address(settings: &Settings) -> Result<(String, u16), Fault> {
    settings
        .scheduler_address()
        .ok_or_else(|| Fault::new("lake.scheduler names no scheduler; write df://host:50050"))
}

/// The session of a question that a cluster answers.
pub(crate) fn session(mut builder: SessionStateBuilder, partitions: usize) -> SessionStateBuilder {
    let config = builder.config().take().unwrap_or_default();
    let config = config
        .upgrade_for_ballista()
        .with_target_partitions(partitions)
        .with_ballista_grpc_client_max_message_size(MESSAGE as usize)
        // The rows of others are kept out by a filter of their own, not by an option of the
        // scan that some process might not heed.
        .set_bool("datafusion.execution.parquet.pushdown_filters", false)
        // Parts of an interleaved union are matched by place, and places change on the way.
        .set_bool("datafusion.optimizer.prefer_existing_union", true);
    builder
        .with_config(config)
        .with_optimizer_rules(ballista_default_optimizer_rules())
}

/// The plan as several tasks can run it. A nested-loop join that gives rows of its left side
/// which found no partner knows them only where it has seen the whole right side; Ballista
/// divides that side among tasks, and each would give the same rows.
pub(crate) fn divisible(plan: Arc<dyn ExecutionPlan>) -> Planned<Arc<dyn ExecutionPlan>> {
    let plan = plan.transform_up(|node| {
        let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() else {
            return Ok(Transformed::no(node));
        };
        let of_right = matches!(
            join.join_type(),
            JoinType::Inner
                | JoinType::Right
                | JoinType::RightSemi
                | JoinType::RightAnti
                | JoinType::RightMark
        );
        if of_right || join.right().output_partitioning().partition_count() == 1 {
            return Ok(Transformed::no(node));
        }
        let right = Arc::new(CoalescePartitionsExec::new(join.right().clone()));
        // The scheduler takes away what puts parts together where nothing asks for one part; a
        // limit asks for one, and this limits nothing.
        let right = Arc::new(GlobalLimitExec::new(right, 0, None));
        let sides = vec![join.left().clone(), right as _];
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        node.replace_children(sides, options).map(Transformed::yes)
    })?;
    Ok(plan.data)
}

/// What scheduler and executors need to read a plan: the files of the lake under their name, and
/// nothing else; a plan that names other files does not run.
fn runtime(place: &Place, spill: Option<(&Path, u64)>) -> Result<Arc<RuntimeEnv>, Fault> {
    let broken = |e| Fault::caused_by("start a process of the cluster", e);
    let mut builder = RuntimeEnvBuilder::new()
        .with_object_store_registry(Arc::new(files::OnlyLake(place.store()?)));
    if let Some((folder, most)) = spill {
        let disk = DiskManagerBuilder::default().with_max_temp_directory_size(most);
        builder = builder
            .with_disk_manager_builder(disk)
            .with_temp_file_path(folder);
    }
    builder.build_arc().map_err(broken)
}
