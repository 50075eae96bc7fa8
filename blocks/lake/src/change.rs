//! What changed in a table between two of its versions, for those who carry it on.

use datafusion::{
    arrow::array::RecordBatch,
    common::{JoinType, ScalarValue},
    dataframe::DataFrame,
    error::DataFusionError,
    execution::SendableRecordBatchStream,
    prelude::{SessionContext, ident, lit},
};
use deltalake::DeltaTable;
use futures::{StreamExt, stream::BoxStream};
use identity::{Actor, Gate};
use kernel::{Error, Fault, Result};
use sea_orm::ConnectionTrait;
use web::App;

use crate::{
    Lake, Table,
    declaration::store as declarations,
    delta::{self, TABLES},
    resource,
};

/// The difference of two versions, each part in the order of the key, so that it is the same
/// however often it is asked for.
pub struct Changes {
    /// Rows that are new, or differ in one of the columns.
    pub rows: BoxStream<'static, Result<RecordBatch>>,
    /// Rows whose key is no more, as they were.
    pub gone: BoxStream<'static, Result<RecordBatch>>,
}

/// What changed in these columns of a table after the version `from` up to the version `to`;
/// everything that is there where no earlier version is named. Values are whole: it is for parts
/// of the program that carry them on, as a system or a steward of the department.
///
/// Only files that one of the versions has and the other has not are read: a file never changes,
/// and a key is in one of them only, so that a row of a file that both have is in both. What this
/// costs grows with the files that were written between, which are those with a row that changed;
/// after a night's maintenance that is as many as it put together. They are sorted and joined with
/// the disk's help, so that memory stays bounded. The format's own change data would name the rows
/// themselves, and was left: each merge would write them a second time, and tables that are there
/// have none.
pub async fn changes(
    app: &App,
    actor: &Actor,
    table: &str,
    columns: &[String],
    (from, to): (Option<u64>, u64),
) -> Result<Changes> {
    let lake = app.part::<Lake>()?;
    let declared = declarations::get(app.db().read(), table).await?;
    actor.may(&*app.part::<Gate>()?, "lake.unmask", &resource(&declared))?;
    let mut names = declared.key.clone();
    names.extend(
        columns
            .iter()
            .filter(|c| !declared.key.contains(c))
            .cloned(),
    );
    let key = declared.key.clone();
    let new = version(&lake, &declared, to).await?;
    let Some(from) = from else {
        let now = rows_of(&new, &declared, &names, None).await?;
        return Ok(Changes {
            rows: run(sorted(now, &key)?).await?,
            gone: futures::stream::empty().boxed(),
        });
    };
    let old = version(&lake, &declared, from).await?;
    let (had, has) = (delta::files(&old)?, delta::files(&new)?);
    let added = has.difference(&had).cloned().collect();
    let removed = had.difference(&has).cloned().collect();
    let now = rows_of(&new, &declared, &names, Some(added)).await?;
    let then = rows_of(&old, &declared, &names, Some(removed)).await?;
    let broken = |e: DataFusionError| Fault::caused_by("compare versions of a lake table", e);
    let left: Vec<_> = key.iter().map(String::as_str).collect();
    let renamed: Vec<String> = key.iter().map(|name| format!("_now_{name}")).collect();
    let right: Vec<_> = renamed.iter().map(String::as_str).collect();
    let there = key.iter().zip(&renamed);
    let there = there.map(|(name, other)| ident(name).alias(other));
    let there = now.clone().select(there.collect::<Vec<_>>());
    let gone = then
        .clone()
        .join(
            there.map_err(broken)?,
            JoinType::LeftAnti,
            &left,
            &right,
            None,
        )
        .map_err(broken)?;
    let rows = now.except(then).map_err(broken)?;
    Ok(Changes {
        rows: run(sorted(rows, &key)?).await?,
        gone: run(sorted(gone, &key)?).await?,
    })
}

async fn version(lake: &Lake, declared: &Table, of: u64) -> Result<DeltaTable> {
    let open = lake.0.place.open(TABLES, &declared.id, Some(of)).await?;
    open.ok_or(Error::NotFound {
        what: "version of a lake table",
    })
}

/// The columns of a table in one of its versions, of some of its files where they are named; a
/// column that was added later is empty.
async fn rows_of(
    open: &DeltaTable,
    declared: &Table,
    names: &[String],
    files: Option<Vec<String>>,
) -> Result<DataFrame> {
    let broken = |e: DataFusionError| Fault::caused_by("read a version of a lake table", e);
    let context = SessionContext::new_with_state(delta::spilling());
    open.update_datafusion_session(&context.state())
        .map_err(delta::failed("read a version of a lake table"))?;
    let frame = context
        .read_table(delta::provider(open, files).await?)
        .map_err(broken)?;
    let mut columns = Vec::new();
    for name in names {
        if frame.schema().has_column_with_unqualified_name(name) {
            columns.push(ident(name).alias(name));
        } else {
            let column = declared.column(name);
            let kind = column.map(crate::Column::data_type);
            let kind = kind.ok_or_else(|| Fault::new("a lake table has no such column"))?;
            let nothing = ScalarValue::try_from(&kind).map_err(broken)?;
            columns.push(lit(nothing).alias(name));
        }
    }
    Ok(frame.select(columns).map_err(broken)?)
}

fn sorted(frame: DataFrame, key: &[String]) -> Result<DataFrame, Fault> {
    let order = key.iter().map(|name| ident(name).sort(true, false));
    frame
        .sort(order.collect())
        .map_err(|e| Fault::caused_by("sort rows of a lake table", e))
}

async fn run(frame: DataFrame) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let broken = |e: DataFusionError| Fault::caused_by("compare versions of a lake table", e);
    let stream: SendableRecordBatchStream = frame.execute_stream().await.map_err(broken)?;
    Ok(stream
        .map(move |batch| batch.map_err(|e| broken(e).into()))
        .boxed())
}

/// A table as it is declared now, if it is; for blocks above.
pub async fn declared(db: &impl ConnectionTrait, table: &str) -> Result<Option<Table>> {
    declarations::lookup(db, table).await
}
