//! Values that are there already, as hashes: sixty-four bits each, and not their text. Of ten
//! million keys, two fall together by chance once in some hundred thousand loads.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use datafusion::arrow::{
    array::{ArrayRef, RecordBatch},
    compute::cast,
    datatypes::DataType,
    row::{RowConverter, SortField},
};
use futures::{Stream, StreamExt};
use kernel::Fault;

use super::seen::Seen;

/// Hashes of the rows of these columns, and for each whether some column of it is empty.
pub(crate) fn hashes(columns: &[ArrayRef], kinds: &[DataType]) -> Result<Vec<Option<u64>>, Fault> {
    let broken = |e| Fault::caused_by("compare rows", e);
    let cast_all = columns
        .iter()
        .zip(kinds)
        .map(|(array, kind)| cast(array, kind));
    let columns: Vec<_> = cast_all.collect::<Result<_, _>>().map_err(broken)?;
    let fields = kinds.iter().cloned().map(SortField::new).collect();
    let converter = RowConverter::new(fields).map_err(broken)?;
    let rows = converter.convert_columns(&columns).map_err(broken)?;
    let hash = |(place, row): (usize, datafusion::arrow::row::Row<'_>)| {
        let is_whole = columns.iter().all(|array| array.is_valid(place));
        let mut hasher = DefaultHasher::new();
        row.as_ref().hash(&mut hasher);
        is_whole.then(|| hasher.finish())
    };
    Ok(rows.iter().enumerate().map(hash).collect())
}

/// Adds the hashes of everything that a query gives.
pub(crate) async fn add_stream<E>(
    mut seen: Seen,
    mut batches: impl Stream<Item = Result<RecordBatch, E>> + Unpin,
    kinds: &Arc<[DataType]>,
) -> Result<Seen, Fault>
where
    E: std::error::Error + Send + Sync + 'static,
{
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|e| Fault::caused_by("read known values", e))?;
        let kinds = kinds.clone();
        // It waits for the disk now and then.
        let adding = tokio::task::spawn_blocking(move || {
            for hash in hashes(batch.columns(), &kinds)?.into_iter().flatten() {
                seen.insert(hash)?;
            }
            Ok(seen)
        });
        let added = adding.await;
        seen = added.map_err(|e| Fault::caused_by("keep known values", e))??;
    }
    Ok(seen)
}
