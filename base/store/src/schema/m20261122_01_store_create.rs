//! Events and their seal, consumers, jobs, files.

use sea_orm_migration::prelude::*;

use super::{blob, blob_holder, consumer, event, head, job, key, parked, tile};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261122_01_store_create"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_event(manager).await?;
        create_seal(manager).await?;
        create_consumer(manager).await?;
        create_job(manager).await?;
        create_blob(manager).await
    }
}

async fn create_event(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(event::Entity)
        .col(
            ColumnDef::new(event::Column::Seq)
                .big_integer()
                .auto_increment()
                .primary_key(),
        )
        .col(
            ColumnDef::new(event::Column::Id)
                .string()
                .not_null()
                .unique_key(),
        )
        .col(ColumnDef::new(event::Column::At).big_integer().not_null())
        .col(ColumnDef::new(event::Column::Kind).string().not_null())
        .col(ColumnDef::new(event::Column::Subject).string().not_null())
        .col(ColumnDef::new(event::Column::Actor).string().not_null())
        .col(ColumnDef::new(event::Column::Data).text().not_null())
        .col(
            ColumnDef::new(event::Column::Position)
                .big_integer()
                .unique_key(),
        )
        .to_owned();
    manager.create_table(table).await?;
    let subject = Index::create()
        .name("store_event_subject")
        .table(event::Entity)
        .col(event::Column::Subject)
        .col(event::Column::Seq)
        .to_owned();
    manager.create_index(subject).await?;
    // The sealer looks for these all the time, and they are few.
    let unsealed = "CREATE INDEX store_event_unsealed ON store_event (seq) WHERE position IS NULL";
    manager
        .get_connection()
        .execute_unprepared(unsealed)
        .await?;
    Ok(())
}

async fn create_seal(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(tile::Entity)
        .col(ColumnDef::new(tile::Column::Level).integer().not_null())
        .col(
            ColumnDef::new(tile::Column::Number)
                .big_integer()
                .not_null(),
        )
        .col(ColumnDef::new(tile::Column::Hashes).binary().not_null())
        .primary_key(
            Index::create()
                .col(tile::Column::Level)
                .col(tile::Column::Number),
        )
        .to_owned();
    manager.create_table(table).await?;
    let table = Table::create()
        .table(head::Entity)
        .col(
            ColumnDef::new(head::Column::Size)
                .big_integer()
                .not_null()
                .primary_key(),
        )
        .col(ColumnDef::new(head::Column::Root).string().not_null())
        .col(ColumnDef::new(head::Column::At).big_integer().not_null())
        .col(ColumnDef::new(head::Column::KeyId).string().not_null())
        .col(ColumnDef::new(head::Column::Signature).text().not_null())
        .to_owned();
    manager.create_table(table).await?;
    let table = Table::create()
        .table(key::Entity)
        .col(
            ColumnDef::new(key::Column::Id)
                .string()
                .not_null()
                .primary_key(),
        )
        .col(ColumnDef::new(key::Column::Algorithm).string().not_null())
        .col(ColumnDef::new(key::Column::PublicKey).text().not_null())
        .to_owned();
    manager.create_table(table).await
}

async fn create_consumer(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(consumer::Entity)
        .col(
            ColumnDef::new(consumer::Column::Name)
                .string()
                .not_null()
                .primary_key(),
        )
        .col(
            ColumnDef::new(consumer::Column::Position)
                .big_integer()
                .not_null(),
        )
        .col(
            ColumnDef::new(consumer::Column::Failures)
                .integer()
                .not_null(),
        )
        .col(
            ColumnDef::new(consumer::Column::RetryAt)
                .big_integer()
                .not_null(),
        )
        .col(ColumnDef::new(consumer::Column::LastError).text())
        .to_owned();
    manager.create_table(table).await?;
    let table = Table::create()
        .table(parked::Entity)
        .col(ColumnDef::new(parked::Column::Consumer).string().not_null())
        .col(
            ColumnDef::new(parked::Column::Position)
                .big_integer()
                .not_null(),
        )
        .col(ColumnDef::new(parked::Column::Subject).string().not_null())
        .col(ColumnDef::new(parked::Column::Reason).text().not_null())
        .col(ColumnDef::new(parked::Column::At).big_integer().not_null())
        .primary_key(
            Index::create()
                .col(parked::Column::Consumer)
                .col(parked::Column::Position),
        )
        .to_owned();
    manager.create_table(table).await
}

async fn create_job(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(job::Entity)
        .col(
            ColumnDef::new(job::Column::Id)
                .string()
                .not_null()
                .primary_key(),
        )
        .col(ColumnDef::new(job::Column::Kind).string().not_null())
        .col(ColumnDef::new(job::Column::Payload).text().not_null())
        .col(ColumnDef::new(job::Column::DueAt).big_integer().not_null())
        .col(ColumnDef::new(job::Column::State).string().not_null())
        .col(ColumnDef::new(job::Column::Attempts).integer().not_null())
        .col(ColumnDef::new(job::Column::Epoch).big_integer().not_null())
        .col(ColumnDef::new(job::Column::LeaseUntil).big_integer())
        .col(ColumnDef::new(job::Column::LastError).text())
        .col(ColumnDef::new(job::Column::UniqueKey).string())
        .col(
            ColumnDef::new(job::Column::CreatedAt)
                .big_integer()
                .not_null(),
        )
        .to_owned();
    manager.create_table(table).await?;
    let due = Index::create()
        .name("store_job_due")
        .table(job::Entity)
        .col(job::Column::State)
        .col(job::Column::DueAt)
        .col(job::Column::Id)
        .to_owned();
    manager.create_index(due).await?;
    let unique = Index::create()
        .name("store_job_unique")
        .table(job::Entity)
        .col(job::Column::Kind)
        .col(job::Column::UniqueKey)
        .unique()
        .to_owned();
    manager.create_index(unique).await
}

async fn create_blob(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(blob::Entity)
        .col(
            ColumnDef::new(blob::Column::Digest)
                .string()
                .not_null()
                .primary_key(),
        )
        .col(ColumnDef::new(blob::Column::Size).big_integer().not_null())
        .col(ColumnDef::new(blob::Column::MediaType).string().not_null())
        .col(
            ColumnDef::new(blob::Column::CreatedAt)
                .big_integer()
                .not_null(),
        )
        .to_owned();
    manager.create_table(table).await?;
    let table = Table::create()
        .table(blob_holder::Entity)
        .col(
            ColumnDef::new(blob_holder::Column::Digest)
                .string()
                .not_null(),
        )
        .col(
            ColumnDef::new(blob_holder::Column::Holder)
                .string()
                .not_null(),
        )
        .primary_key(
            Index::create()
                .col(blob_holder::Column::Digest)
                .col(blob_holder::Column::Holder),
        )
        .to_owned();
    manager.create_table(table).await
}
