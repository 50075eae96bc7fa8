//! Brings the tables of all crates up to date.

use std::{collections::BTreeSet, sync::Arc};

use kernel::Fault;
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, Schema};
use sea_orm_migration::{MigrationTrait, SchemaManager};

use crate::{Db, Tx, db::Isolation, dialect, fault, schema::migration as table};

/// The migrations of this crate's own tables.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    crate::schema::migrations()
}

/// Applies, in the order of their names, those of `all` crates' migrations that the database
/// lacks, and answers their names.
///
/// One transaction: an upgrade happens whole or not at all. Several processes may start at once;
/// one of them migrates while the others wait. A database that was migrated by a newer version is
/// refused.
pub async fn migrate(db: &Db, all: Vec<Box<dyn MigrationTrait>>) -> kernel::Result<Vec<String>> {
    let mut all = all;
    all.sort_by(|a, b| a.name().cmp(b.name()));
    refuse_doubles(&all)?;
    let all = Arc::new(all);
    // Not serializable: its snapshot would be older than the lock it waits for.
    db.write_at(Isolation::ReadCommitted, move |tx| {
        let all = all.clone();
        async move { apply(&tx, &all).await }
    })
    .await
}

/// What a database lacks of this version, and what it has of a newer one. Changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Names of migrations to come.
    pub pending: Vec<String>,
    /// Names that this version does not know.
    pub newer: Vec<String>,
}

/// How a database stands to this version's migrations.
pub async fn standing(db: &Db, all: &[Box<dyn MigrationTrait>]) -> kernel::Result<Standing> {
    use sea_orm::EntityName;
    let manager = SchemaManager::new(db.read());
    let is_new = !manager
        .has_table(table::Entity.table_name())
        .await
        .map_err(|e| fault("look for the migration table", e))?;
    let applied: BTreeSet<String> = if is_new {
        BTreeSet::new()
    } else {
        let rows = table::Entity::find().all(db.read()).await;
        let rows = rows.map_err(|e| fault("list migrations", e))?;
        rows.into_iter().map(|row| row.name).collect()
    };
    let known: BTreeSet<String> = all.iter().map(|m| m.name().to_owned()).collect();
    Ok(Standing {
        pending: known.difference(&applied).cloned().collect(),
        newer: applied.difference(&known).cloned().collect(),
    })
}

fn refuse_doubles(sorted: &[Box<dyn MigrationTrait>]) -> Result<(), Fault> {
    let mut names = BTreeSet::new();
    for migration in sorted {
        if !names.insert(migration.name()) {
            return Err(Fault::new(format!(
                "two migrations are named {}",
                migration.name()
            )));
        }
    }
    Ok(())
}

async fn apply(tx: &Tx, all: &[Box<dyn MigrationTrait>]) -> kernel::Result<Vec<String>> {
    dialect::lock(tx, "migrate").await?;
    let applied = list_applied(tx).await?;
    let known: BTreeSet<_> = all.iter().map(|m| m.name()).collect();
    if let Some(newer) = applied.iter().find(|name| !known.contains(name.as_str())) {
        let what = format!("the database was migrated by a newer version, which knows {newer}");
        return Err(Fault::new(what).into());
    }
    let manager = SchemaManager::new(&**tx);
    let mut done = Vec::new();
    for migration in all.iter().filter(|m| !applied.contains(m.name())) {
        let name = migration.name().to_owned();
        migration
            .up(&manager)
            .await
            .map_err(|e| fault(&format!("apply {name}"), e))?;
        let row = table::ActiveModel {
            name: Set(name.clone()),
            applied_at: Set(kernel::clock::micros(tx.now())),
        };
        table::Entity::insert(row)
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("note a migration", e))?;
        done.push(name);
    }
    Ok(done)
}

async fn list_applied(tx: &Tx) -> kernel::Result<BTreeSet<String>> {
    let schema = Schema::new(tx.get_database_backend());
    let mut create = schema.create_table_from_entity(table::Entity);
    tx.execute(create.if_not_exists())
        .await
        .map_err(|e| fault("create the migration table", e))?;
    let rows = table::Entity::find()
        .all(&**tx)
        .await
        .map_err(|e| fault("list migrations", e))?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}
