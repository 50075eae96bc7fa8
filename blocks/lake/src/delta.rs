//! Delta tables: opening, writing, keeping small. Knows no rules and no readers.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroU64,
    path::Path,
    sync::Arc,
};

use datafusion::{
    arrow::datatypes::SchemaRef,
    catalog::{TableProvider, streaming::StreamingTable},
    common::Column,
    datasource::provider_as_source,
    error::DataFusionError,
    execution::{SendableRecordBatchStream, TaskContext},
    functions_window::expr_fn::row_number,
    logical_expr::{ExprFunctionExt, LogicalPlan, LogicalPlanBuilder},
    physical_plan::{
        EmptyRecordBatchStream, stream::RecordBatchStreamAdapter, streaming::PartitionStream,
    },
    prelude::{Expr, SessionContext, col, lit},
};
use deltalake::{
    DeltaTable, DeltaTableBuilder, DeltaTableError,
    delta_datafusion::create_session_state_with_spill_config,
    kernel::{Transaction, engine::arrow_conversion::TryIntoKernel, transaction::CommitProperties},
    logstore::ObjectStoreRef,
    operations::{create::CreateBuilder, write::SchemaMode},
    parquet::{basic::Compression, file::properties::WriterProperties},
    protocol::SaveMode,
};
use kernel::{Clock, Fault};
use tokio::sync::mpsc;
use url::Url;

use crate::{Settings, declaration::Table};

/// Where the tables are: each in the folder of its name.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    url: Url,
    /// Absent for a folder, which needs no connection.
    store: Option<ObjectStoreRef>,
}

/// Folder of the rows that broke rules, by table.
pub(crate) const ASIDE: &str = "aside";
/// Folder of the tables themselves.
pub(crate) const TABLES: &str = "tables";

/// Memory that one write may use for sorting and joining before it turns to the disk.
const WRITE_MEMORY: usize = 128 << 20;
/// Bytes of a data file, roughly.
const FILE: NonZeroU64 = match NonZeroU64::new(64 << 20) {
    Some(size) => size,
    None => NonZeroU64::MIN,
};

/// Bytes of a row group, encoded, roughly. It stays in memory until it is whole, is copied to be
/// written, and is written by as many threads as it has parts of 5 MB.
const ROW_GROUP: usize = 8 << 20;
/// Bytes of a column's different values in a row group, beyond which they are written as they come.
/// The format's usual megabyte is more than most columns have in a row group of that size, so that
/// each value would be looked for in vain among those before.
const DICTIONARY: usize = 64 << 10;

pub(crate) fn failed(what: &'static str) -> impl FnOnce(DeltaTableError) -> Fault {
    move |e| Fault::caused_by(what, e)
}

impl Place {
    /// `data` is the data folder, for a lake without a place of its own.
    pub(crate) fn of(settings: &Settings, data: &Path) -> Result<Self, Fault> {
        match settings.place.as_str() {
            "" => Self::folder(&data.join("lake")),
            place if place.starts_with("s3://") => Self::s3(place, &settings.s3_endpoint),
            folder => Self::folder(Path::new(folder)),
        }
    }

    fn folder(folder: &Path) -> Result<Self, Fault> {
        let unusable = |e: std::io::Error| Fault::caused_by(format!("use {}", folder.display()), e);
        std::fs::create_dir_all(folder).map_err(unusable)?;
        let whole = folder.canonicalize().map_err(unusable)?;
        let url = Url::from_directory_path(whole);
        let url = url.map_err(|()| Fault::new(format!("use {}", folder.display())))?;
        Ok(Self { url, store: None })
    }

    /// A bucket `s3://bucket/prefix`. Commits need a service that can write on condition that a
    /// file is not there yet, as those of Amazon and Ceph can.
    fn s3(place: &str, endpoint: &str) -> Result<Self, Fault> {
        let slash = if place.ends_with('/') { "" } else { "/" };
        let url = Url::parse(&format!("{place}{slash}"))
            .map_err(|e| Fault::caused_by("read lake.place", e))?;
        let mut builder = object_store::aws::AmazonS3Builder::from_env().with_url(place);
        if !endpoint.is_empty() {
            builder = builder
                .with_endpoint(endpoint)
                .with_allow_http(endpoint.starts_with("http://"));
        }
        let store = builder
            .build()
            .map_err(|e| Fault::caused_by("open the lake's bucket", e))?;
        Ok(Self {
            url,
            store: Some(Arc::new(store)),
        })
    }

    /// Its files, named from the place on.
    #[cfg(feature = "cluster")]
    pub(crate) fn store(&self) -> Result<ObjectStoreRef, Fault> {
        if let Some(store) = &self.store {
            let prefix = object_store::path::Path::from_url_path(self.url.path());
            let prefix = prefix.map_err(|e| Fault::caused_by("read lake.place", e))?;
            let inside = object_store::prefix::PrefixStore::new(store.clone(), prefix);
            return Ok(Arc::new(inside));
        }
        let folder = self.url.to_file_path();
        let folder = folder.map_err(|()| Fault::new("name the lake's folder"))?;
        let store = object_store::local::LocalFileSystem::new_with_prefix(folder);
        Ok(Arc::new(store.map_err(|e| {
            Fault::caused_by("open the lake's folder", e)
        })?))
    }

    fn builder(&self, kind: &str, table: &str) -> Result<DeltaTableBuilder, Fault> {
        let url = self.url.join(&format!("{kind}/{table}/"));
        let url = url.map_err(|e| Fault::caused_by("name a lake table's place", e))?;
        if url.scheme() == "file" {
            let path = url.to_file_path();
            let path = path.map_err(|()| Fault::new("name a lake table's folder"))?;
            std::fs::create_dir_all(&path)
                .map_err(|e| Fault::caused_by("make a lake table's folder", e))?;
        }
        let builder =
            DeltaTableBuilder::from_url(url.clone()).map_err(failed("name a lake table"))?;
        Ok(match &self.store {
            Some(store) => builder.with_storage_backend(store.clone(), url),
            None => builder,
        })
    }

    /// The table in its newest version, or in that one; `None` before its first batch.
    pub(crate) async fn open(
        &self,
        kind: &str,
        table: &str,
        version: Option<u64>,
    ) -> Result<Option<DeltaTable>, Fault> {
        let mut builder = self.builder(kind, table)?;
        if let Some(version) = version {
            builder = builder.with_version(version);
        }
        match builder.load().await {
            Ok(table) => Ok(Some(table)),
            Err(DeltaTableError::NotATable(_)) => Ok(None),
            Err(error) => Err(Fault::caused_by("open a lake table", error)),
        }
    }

    /// The table in its newest version, made if it is not there.
    pub(crate) async fn create(
        &self,
        kind: &str,
        table: &str,
        schema: &SchemaRef,
        keep_days: u32,
    ) -> Result<DeltaTable, Fault> {
        if let Some(table) = self.open(kind, table, None).await? {
            return Ok(table);
        }
        let log_store = self
            .builder(kind, table)?
            .build_storage()
            .map_err(failed("reach a lake table"))?;
        let schema: deltalake::kernel::StructType = schema
            .as_ref()
            .try_into_kernel()
            .map_err(|e| Fault::caused_by("form a lake table", e))?;
        let kept = |days: u32| Some(format!("interval {days} days"));
        let configuration: HashMap<String, _> = HashMap::from([
            ("delta.deletedFileRetentionDuration".into(), kept(keep_days)),
            ("delta.logRetentionDuration".into(), kept(keep_days)),
            // A batch that comes again later than this is known by its row in the database.
            (
                "delta.setTransactionRetentionDuration".into(),
                kept(keep_days.max(30)),
            ),
        ]);
        CreateBuilder::new()
            .with_log_store(log_store)
            .with_table_name(table)
            .with_columns(schema.fields().cloned())
            .with_configuration(configuration)
            .with_save_mode(SaveMode::Ignore)
            .await
            .map_err(failed("create a lake table"))
    }
}

/// The sending end of rows on their way into a table. Without [`Rows::end`] nothing is committed:
/// a sender that broke off must not look like one that came to its end.
pub(crate) struct Rows(mpsc::Sender<Option<datafusion::arrow::array::RecordBatch>>);

impl Rows {
    /// Answers `false` when the writer gave up; its own result says why.
    pub(crate) async fn send(&self, batch: datafusion::arrow::array::RecordBatch) -> bool {
        self.0.send(Some(batch)).await.is_ok()
    }

    pub(crate) async fn end(self) -> bool {
        self.0.send(None).await.is_ok()
    }
}

/// Rows on their way, as a partition that can be read once.
struct Once {
    schema: SchemaRef,
    rows: std::sync::Mutex<Option<mpsc::Receiver<Option<datafusion::arrow::array::RecordBatch>>>>,
}

impl std::fmt::Debug for Once {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Once")
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self
            .rows
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        let Some(rows) = rows else {
            // Delta looks at a plan more than once; rows flow once only.
            return Box::pin(EmptyRecordBatchStream::new(self.schema.clone()));
        };
        let stream = futures::stream::try_unfold(rows, |mut rows| async move {
            match rows.recv().await {
                Some(Some(batch)) => Ok(Some((batch, rows))),
                Some(None) => Ok(None),
                None => Err(DataFusionError::Execution("the rows broke off".into())),
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), stream))
    }
}

fn channel(schema: &SchemaRef) -> Result<(Rows, LogicalPlan), Fault> {
    let (sender, receiver) = mpsc::channel(4);
    let once = Once {
        schema: schema.clone(),
        rows: std::sync::Mutex::new(Some(receiver)),
    };
    let broken = |e| Fault::caused_by("plan a write", e);
    let table = StreamingTable::try_new(schema.clone(), vec![Arc::new(once)]).map_err(broken)?;
    let plan = LogicalPlanBuilder::scan("arriving", provider_as_source(Arc::new(table)), None)
        .and_then(LogicalPlanBuilder::build)
        .map_err(broken)?;
    Ok((Rows(sender), plan))
}

/// Name of a batch in a table's log, which keeps what was committed with it.
fn mark(batch: &str) -> String {
    format!("tongban:{batch}")
}

/// Whether the log knows the batch: its rows are there, whoever was told what.
pub(crate) async fn holds(table: &DeltaTable, batch: &str) -> Result<bool, Fault> {
    let what = "look for a batch in a lake table";
    let state = table.snapshot().map_err(failed(what))?;
    let version = state
        .transaction_version(table.log_store().as_ref(), mark(batch))
        .await
        .map_err(failed(what))?;
    Ok(version.is_some())
}

fn properties(batch: &str) -> CommitProperties {
    // The log lets marks go by the machine's clock, as all its times are.
    let now = kernel::SystemClock.now().timestamp_millis();
    let mark = Transaction::new_with_last_update(mark(batch), 1, Some(now));
    CommitProperties::default().with_application_transaction(mark)
}

fn session() -> datafusion::execution::session_state::SessionState {
    create_session_state_with_spill_config(Some(WRITE_MEMORY), Some(64 << 30))
}

/// A session whose joins go to the disk before they fill the memory.
pub(crate) fn spilling() -> datafusion::execution::session_state::SessionState {
    let mut state = session();
    let options = state.config_mut().options_mut();
    // Of the engine's joins only this one can put rows aside.
    options.optimizer.prefer_hash_join = false;
    state
}

/// A write that runs; ends with the table's version after it.
pub(crate) type Writing = tokio_util::task::AbortOnDropHandle<Result<u64, Fault>>;

fn start(
    write: impl Future<Output = Result<DeltaTable, DeltaTableError>> + Send + 'static,
) -> Writing {
    let run = async move {
        let table = write.await.map_err(failed("write into a lake table"))?;
        Ok(table.version().unwrap_or_default())
    };
    tokio_util::task::AbortOnDropHandle::new(tokio::spawn(run))
}

/// How rows that arrive lie in a file.
fn layout() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_bytes(Some(ROW_GROUP))
        .set_dictionary_page_size_limit(DICTIONARY)
        .build()
}

/// Starts to add rows, or to put them in place of all that are there.
pub(crate) fn write(
    table: DeltaTable,
    schema: &SchemaRef,
    batch: &str,
    is_overwrite: bool,
) -> Result<(Rows, Writing), Fault> {
    let (rows, plan) = channel(schema)?;
    let mode = if is_overwrite {
        SaveMode::Overwrite
    } else {
        SaveMode::Append
    };
    let write = table
        .write(Vec::new())
        .with_input_plan(plan)
        .with_save_mode(mode)
        .with_schema_mode(SchemaMode::Merge)
        .with_session_state(Arc::new(session()))
        .with_target_file_size(Some(FILE))
        .with_writer_properties(layout())
        .with_commit_properties(properties(batch));
    Ok((rows, start(write.into_future())))
}

/// Column that numbers rows on their way into a merge.
pub(crate) const PLACE: &str = "_place";
/// Column that says that a row of the source is gone.
pub(crate) const GONE: &str = "_gone";

/// Starts to merge rows by key: the last of several with one key counts; what is there is
/// replaced, or removed where [`GONE`] says so.
pub(crate) fn merge(
    table: DeltaTable,
    declared: &Table,
    arriving: &SchemaRef,
    batch: &str,
) -> Result<(Rows, Writing), Fault> {
    let (rows, plan) = channel(arriving)?;
    let broken = |e| Fault::caused_by("plan a merge", e);
    let context = SessionContext::new_with_state(session());
    let key: Vec<Expr> = declared.key.iter().map(|id| named(None, id)).collect();
    let last = row_number()
        .partition_by(key)
        .order_by(vec![col(PLACE).sort(false, false)])
        .build()
        .map_err(broken)?
        .alias("_last");
    let source = datafusion::dataframe::DataFrame::new(context.state(), plan)
        .window(vec![last])
        .and_then(|frame| frame.filter(col("_last").eq(lit(1_u64))))
        .and_then(|frame| frame.drop_columns(&["_last", PLACE]))
        .map_err(broken)?;
    let same = declared.key.iter().map(|id| {
        let (new, old) = (named(Some("source"), id), named(Some("target"), id));
        old.eq(new)
    });
    let same = same.reduce(Expr::and);
    let same = same.ok_or_else(|| Fault::new("merge a table without a key"))?;
    let gone = || named(Some("source"), GONE);
    let write = table
        .merge(source, same)
        .with_source_alias("source")
        .with_target_alias("target")
        .with_streaming(true)
        .with_merge_schema(true)
        .with_session_state(Arc::new(context.state()))
        .with_writer_properties(layout())
        .with_commit_properties(properties(batch))
        .when_matched_delete(|delete| delete.predicate(gone().eq(lit(true))))
        .and_then(|merge| {
            merge.when_matched_update(|mut update| {
                for column in &declared.columns {
                    update = update.update(bare(&column.id), named(Some("source"), &column.id));
                }
                update
            })
        })
        .and_then(|merge| {
            merge.when_not_matched_insert(|mut insert| {
                insert = insert.predicate(gone().eq(lit(false)));
                for column in &declared.columns {
                    insert = insert.set(bare(&column.id), named(Some("source"), &column.id));
                }
                insert
            })
        })
        .map_err(failed("plan a merge"))?;
    let run = async move { write.await.map(|(table, _)| table) };
    Ok((rows, start(run)))
}

fn bare(id: &str) -> Column {
    Column::from_name(id)
}

fn named(relation: Option<&str>, id: &str) -> Expr {
    match relation {
        Some(relation) => Expr::Column(Column::new(Some(relation), id)),
        None => Expr::Column(bare(id)),
    }
}

/// What a table gives to a plan; only what is in these files where some are named.
pub(crate) async fn provider(
    table: &DeltaTable,
    files: Option<Vec<String>>,
) -> Result<Arc<dyn TableProvider>, Fault> {
    let provider = match files {
        Some(files) => table.table_provider().with_file_paths(files),
        None => table.table_provider(),
    };
    provider
        .await
        .map_err(|e| Fault::caused_by("read a lake table", e))
}

/// The data files of a table's version, as its log names them.
pub(crate) fn files(table: &DeltaTable) -> Result<HashSet<String>, Fault> {
    let state = table
        .snapshot()
        .map_err(failed("list files of a lake table"))?;
    let files = state.log_data().into_iter();
    Ok(files.map(|file| file.path().into_owned()).collect())
}

/// Puts small files together and removes those that no kept version needs. Answers how many of
/// each.
pub(crate) async fn maintain(table: DeltaTable, keep_days: u32) -> Result<(u64, u64), Fault> {
    let (table, metrics) = table
        .optimize()
        .with_target_size(FILE)
        .with_max_concurrent_tasks(1)
        .with_session_state(Arc::new(session()))
        .await
        .map_err(failed("put files of a lake table together"))?;
    let (_, removed) = table
        .vacuum()
        .with_retention_period(chrono::TimeDelta::days(keep_days.into()))
        .with_enforce_retention_duration(false)
        .await
        .map_err(failed("remove old files of a lake table"))?;
    Ok((
        metrics.num_files_removed,
        removed.files_deleted.len() as u64,
    ))
}
