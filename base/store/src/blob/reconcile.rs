//! Makes the object store agree with the rows.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};
use futures::StreamExt;
use kernel::{Clock, Fault, SystemClock};
use object_store::{ObjectStoreExt, path::Path};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{Blobs, INCOMING, KEPT, place_of, storing};
use crate::{Db, fault, fault::chain_of, schema::blob as table};

/// What a reconciliation found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Objects that nobody kept, removed.
    pub removed: u64,
    /// Digests of kept files whose content is gone; an operator has to restore them.
    pub missing: Vec<String>,
}

const PAGE: usize = 500;
const HOURLY: std::time::Duration = std::time::Duration::from_hours(1);

/// Reconciles every hour until the token fires.
pub async fn reconcile_until(db: &Db, blobs: &Blobs, token: &CancellationToken) {
    while !token.is_cancelled() {
        match blobs.reconcile(db, Duration::days(1)).await {
            Ok(done) if !done.missing.is_empty() => {
                tracing::error!(missing = ?done.missing, "content of kept files is gone");
            }
            Ok(done) => tracing::debug!(removed = done.removed, "files reconciled"),
            Err(error) => tracing::error!(error = %chain_of(&error), "cannot reconcile files"),
        }
        tokio::select! {
            () = token.cancelled() => {}
            () = tokio::time::sleep(HOURLY) => {}
        }
    }
}

impl Blobs {
    /// Removes what nobody has kept within the grace after its upload, and names what is kept but
    /// gone.
    pub async fn reconcile(&self, db: &Db, grace: Duration) -> kernel::Result<Reconciled> {
        // Ages are those of files, whose times are the machine's and not the application's.
        let before = SystemClock.now() - grace;
        let mut done = Reconciled::default();
        done.removed += self.remove_unfinished(before).await?;
        done.removed += self.remove_unkept(db, before).await?;
        done.missing = self.list_missing(db).await?;
        Ok(done)
    }

    async fn remove_unfinished(&self, before: DateTime<Utc>) -> kernel::Result<u64> {
        let old = self.list_older(INCOMING, before).await?;
        for place in &old {
            self.store.delete(place).await.map_err(storing)?;
        }
        let hidden = match &self.folder {
            Some(folder) => remove_old_files(folder.join(INCOMING), before).await?,
            None => 0,
        };
        Ok(old.len() as u64 + hidden)
    }

    async fn list_older(&self, prefix: &str, before: DateTime<Utc>) -> Result<Vec<Path>, Fault> {
        let mut found = self.store.list(Some(&Path::from(prefix)));
        let mut old = Vec::new();
        while let Some(object) = found.next().await {
            let object = object.map_err(storing)?;
            if object.last_modified <= before {
                old.push(object.location);
            }
        }
        Ok(old)
    }

    async fn remove_unkept(&self, db: &Db, before: DateTime<Utc>) -> kernel::Result<u64> {
        let mut removed = 0;
        for places in self.list_older(KEPT, before).await?.chunks(PAGE) {
            let digests: Vec<_> = places.iter().filter_map(Path::filename).collect();
            let kept: Vec<String> = table::Entity::find()
                .select_only()
                .column(table::Column::Digest)
                .filter(table::Column::Digest.is_in(digests))
                .into_tuple()
                .all(db.read())
                .await
                .map_err(|e| fault("list files", e))?;
            let kept: BTreeSet<_> = kept.into_iter().collect();
            let is_kept = |place: &Path| place.filename().is_some_and(|d| kept.contains(d));
            for place in places.iter().filter(|place| !is_kept(place)) {
                // The same content may have arrived again a moment ago.
                let object = self.store.head(place).await.map_err(storing)?;
                if object.last_modified <= before {
                    self.store.delete(place).await.map_err(storing)?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }

    async fn list_missing(&self, db: &Db) -> kernel::Result<Vec<String>> {
        let mut missing = Vec::new();
        let mut after = String::new();
        loop {
            let digests: Vec<String> = table::Entity::find()
                .select_only()
                .column(table::Column::Digest)
                .filter(table::Column::Digest.gt(after.clone()))
                .order_by_asc(table::Column::Digest)
                .limit(PAGE as u64)
                .into_tuple()
                .all(db.read())
                .await
                .map_err(|e| fault("list files", e))?;
            let Some(last) = digests.last() else {
                return Ok(missing);
            };
            after.clone_from(last);
            for digest in digests {
                match self.store.head(&place_of(&digest)).await {
                    Ok(_) => {}
                    Err(object_store::Error::NotFound { .. }) => missing.push(digest),
                    Err(e) => return Err(storing(e).into()),
                }
            }
        }
    }
}

/// Files that a crash left half-written; the object store does not list them.
async fn remove_old_files(folder: std::path::PathBuf, before: DateTime<Utc>) -> Result<u64, Fault> {
    let remove = move || -> std::io::Result<u64> {
        let entries = match std::fs::read_dir(&folder) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            other => other?,
        };
        let mut removed = 0;
        for entry in entries {
            let entry = entry?;
            if DateTime::<Utc>::from(entry.metadata()?.modified()?) <= before {
                std::fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    };
    let removed = tokio::task::spawn_blocking(remove).await;
    removed
        .map_err(|e| Fault::caused_by("remove unfinished files", e))?
        .map_err(|e| Fault::caused_by("remove unfinished files", e))
}
