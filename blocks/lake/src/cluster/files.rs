//! A table's version as a plain list of Parquet files.
//!
//! The scan of the Delta library is known to no other process, so the list is made here and sent.
//! Files are named from the lake's place on: each process finds that place by its own settings.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::SchemaRef,
    catalog::{Session, TableProvider},
    common::{DataFusionError, Result, Statistics, stats::Precision},
    datasource::{
        listing::PartitionedFile,
        physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource},
        source::DataSourceExec,
    },
    execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl},
    logical_expr::{Expr, TableType},
    physical_plan::ExecutionPlan,
};
use deltalake::{DeltaTable, kernel::LogicalFileView};
use kernel::{Error, Fault, Text};
use object_store::{ObjectMeta, ObjectStore, path::Path};
use url::Url;

use crate::delta::{TABLES, failed};

/// Name of the lake's place in plans.
const LAKE: &str = "lake://place/";

/// One version of a table.
#[derive(Debug)]
struct Version {
    schema: SchemaRef,
    files: Vec<PartitionedFile>,
    rows: Option<usize>,
}

/// What a table gives to a plan that leaves this process. Partitions, deletion vectors and renamed
/// columns, which none of our own writes make, need more than a list of files and are refused.
pub(crate) fn provider(id: &str, table: &DeltaTable) -> kernel::Result<Arc<dyn TableProvider>> {
    let state = table.snapshot().map_err(failed("read a lake table"))?;
    let snapshot = state.snapshot();
    let metadata = snapshot.metadata();
    let renames = metadata.configuration().get("delta.columnMapping.mode");
    let mut is_plain =
        metadata.partition_columns().is_empty() && renames.is_none_or(|mode| mode == "none");
    let mut files = Vec::new();
    let mut rows = Some(0);
    for view in snapshot.log_data().iter() {
        is_plain &= view.deletion_vector_descriptor().is_none() && !view.path().contains("://");
        rows = rows.zip(view.num_records()).map(|(sum, more)| sum + more);
        files.push(PartitionedFile::new_from_meta(meta(id, &view)?));
    }
    if !is_plain {
        let text = Text::new("lake-query-not-plain").with("table", id);
        return Err(Error::Refused(text));
    }
    Ok(Arc::new(Version {
        schema: snapshot.arrow_schema(),
        files,
        rows,
    }))
}

fn meta(id: &str, view: &LogicalFileView) -> Result<ObjectMeta, Fault> {
    let broken = |what| Fault::new(format!("{what} of a file of a lake table"));
    let folder = Path::from_iter([TABLES, id]);
    let inside = view.object_store_path();
    let size = u64::try_from(view.size()).map_err(|_| broken("read the size"))?;
    let last_modified = view.modification_datetime();
    Ok(ObjectMeta {
        location: folder.parts().chain(inside.parts()).collect(),
        last_modified: last_modified.map_err(|_| broken("read the time"))?,
        size,
        e_tag: None,
        version: None,
    })
}

#[async_trait]
impl TableProvider for Version {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut known = Statistics::new_unknown(&self.schema);
        known.num_rows = self.rows.map_or(Precision::Absent, Precision::Inexact);
        let groups = FileGroup::new(self.files.clone());
        let groups = groups.split_files(state.config().target_partitions());
        let source = Arc::new(ParquetSource::new(self.schema.clone()));
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(LAKE)?, source)
            .with_file_groups(groups)
            .with_statistics(known)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// Knows the lake's files and no others.
#[derive(Debug)]
pub(super) struct OnlyLake(pub(super) Arc<dyn ObjectStore>);

impl ObjectStoreRegistry for OnlyLake {
    fn register_store(&self, _: &Url, _: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        if url.as_str().trim_end_matches('/') == LAKE.trim_end_matches('/') {
            return Ok(self.0.clone());
        }
        Err(DataFusionError::Plan(
            "only the lake's files can be read".into(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lake_is_read() {
        let store = OnlyLake(Arc::new(object_store::memory::InMemory::new()));
        let knows = |url: &str| store.get_store(&Url::parse(url).unwrap()).is_ok();
        assert!(knows(LAKE));
        assert!(knows(ObjectStoreUrl::parse(LAKE).unwrap().as_str()));
        for other in [
            "file:///",
            "file:///etc/passwd",
            "s3://bucket",
            "lake://other/",
        ] {
            assert!(!knows(other), "{other}");
        }
    }
}
