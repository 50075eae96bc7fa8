//! Lock-out with back-off: failures are counted per account name and per address, whether or not
//! the account exists.

use kernel::{Error, Result, Text};
use sea_orm::{ActiveValue::Set, EntityTrait, sea_query::OnConflict};
use store::{Tx, fault};

use crate::{Settings, schema::throttle as table};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// One counter.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    id: String,
    allowed: i32,
    /// An address that nobody knows is everybody's, and would lock everybody out.
    is_counted: bool,
}

impl Key {
    pub(crate) fn account(settings: &Settings, login: &str) -> Self {
        // Names are typed by strangers: the digest bounds the length and keeps passwords that
        // were typed into the wrong field out of the table.
        let id = format!("account:{}", crate::secret::digest(login));
        Self {
            id,
            allowed: settings.account_failures,
            is_counted: true,
        }
    }

    pub(crate) fn address(settings: &Settings, address: &str) -> Self {
        Self {
            id: format!("address:{address}"),
            allowed: settings.address_failures,
            is_counted: !address.is_empty(),
        }
    }
}

/// How long to wait after so many failures, in seconds.
pub(crate) fn wait_seconds(settings: &Settings, failures: i32, allowed: i32) -> i64 {
    if failures < allowed {
        return 0;
    }
    let doublings = u32::try_from(failures - allowed)
        .unwrap_or_default()
        .min(30);
    let wait = settings.first_wait_seconds.saturating_mul(1 << doublings);
    wait.min(settings.longest_wait_minutes * 60)
}

/// Counts an attempt as failed before it is judged, so that many at once cannot slip through;
/// [`forgive`] takes it back. Refuses, counting nothing, while a wait lasts.
pub(crate) async fn begin(tx: &Tx, settings: &Settings, keys: &[Key]) -> Result<i32> {
    let now = kernel::clock::micros(tx.now());
    let mut counts = Vec::new();
    for key in keys.iter().filter(|key| key.is_counted) {
        let row = table::Entity::find_by_id(&key.id)
            .one(&**tx)
            .await
            .map_err(|e| fault("read failed attempts", e))?;
        if let Some(row) = &row
            && row.locked_until > now
        {
            // Rounded up: telling people to come back too early costs them another wait.
            let minutes = (row.locked_until - now + MINUTE - 1) / MINUTE;
            return Err(Error::Refused(
                Text::new("identity-sign-in-locked").with("minutes", minutes),
            ));
        }
        let kept = row.filter(|row| row.failed_at > now - settings.forget_failures_hours * HOUR);
        counts.push(kept.map_or(0, |row| row.failures) + 1);
    }
    for (key, failures) in keys.iter().filter(|key| key.is_counted).zip(&counts) {
        let wait = wait_seconds(settings, *failures, key.allowed);
        let row = table::ActiveModel {
            id: Set(key.id.clone()),
            failures: Set(*failures),
            failed_at: Set(now),
            locked_until: Set(now + wait * SECOND),
        };
        let columns = [
            table::Column::Failures,
            table::Column::FailedAt,
            table::Column::LockedUntil,
        ];
        table::Entity::insert(row)
            .on_conflict(
                OnConflict::column(table::Column::Id)
                    .update_columns(columns)
                    .to_owned(),
            )
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("count a failed attempt", e))?;
    }
    Ok(counts.first().copied().unwrap_or_default())
}

/// The attempt succeeded: the account starts anew, the address loses this attempt only, or else
/// somebody with one good account could try all others for ever.
pub(crate) async fn forgive(
    tx: &Tx,
    settings: &Settings,
    account: &Key,
    address: &Key,
) -> Result<()> {
    table::Entity::delete_by_id(&account.id)
        .exec(&**tx)
        .await
        .map_err(|e| fault("forget failed attempts", e))?;
    let row = table::Entity::find_by_id(&address.id)
        .one(&**tx)
        .await
        .map_err(|e| fault("read failed attempts", e))?;
    if let Some(row) = row {
        let failures = (row.failures - 1).max(0);
        let locked_until = if failures < settings.address_failures {
            0
        } else {
            row.locked_until
        };
        let row = table::ActiveModel {
            id: Set(row.id),
            failures: Set(failures),
            locked_until: Set(locked_until),
            ..table::ActiveModel::default()
        };
        table::Entity::update(row)
            .exec(&**tx)
            .await
            .map_err(|e| fault("forget a failed attempt", e))?;
    }
    Ok(())
}
