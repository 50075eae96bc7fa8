//! Migrations, forward only.

use sea_orm_migration::prelude::*;

/// All migrations of this crate, oldest first.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Tables), Box::new(Confirmation), Box::new(Unread)]
}

struct Tables;

impl MigrationName for Tables {
    fn name(&self) -> &'static str {
        "m20261122_01_notify_tables"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Tables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(message()).await?;
        manager.create_table(preference()).await?;
        let by_reader = Index::create()
            .name("notify_message_by_user_id")
            .table("notify_message")
            .col("user_id")
            .col("id")
            .take();
        manager.create_index(by_reader).await
    }
}

/// Addresses that their owners confirmed.
struct Confirmation;

impl MigrationName for Confirmation {
    fn name(&self) -> &'static str {
        "m20261122_02_notify_confirmation"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Confirmation {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for mut column in [
            ColumnDef::new("code").text().take(),
            ColumnDef::new("tries")
                .integer()
                .not_null()
                .default(0)
                .take(),
            ColumnDef::new("confirmed_at").big_integer().take(),
        ] {
            let table = Table::alter()
                .table("notify_preference")
                .add_column(&mut column)
                .take();
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}

/// Unread messages are few and are counted for the head of every page.
struct Unread;

impl MigrationName for Unread {
    fn name(&self) -> &'static str {
        "m20261125_01_notify_unread"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Unread {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let unread = Index::create()
            .name("notify_message_unread")
            .table("notify_message")
            .col("user_id")
            .cond_where(Expr::col("read_at").is_null())
            .take();
        manager.create_index(unread).await
    }
}

fn message() -> TableCreateStatement {
    Table::create()
        .table("notify_message")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(ColumnDef::new("user_id").text().not_null())
        .col(ColumnDef::new("party_id").text())
        .col(ColumnDef::new("key").text().not_null())
        .col(ColumnDef::new("args").text().not_null())
        .col(ColumnDef::new("link").text().not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .col(ColumnDef::new("read_at").big_integer())
        .col(ColumnDef::new("mailed_at").big_integer())
        .take()
}

fn preference() -> TableCreateStatement {
    Table::create()
        .table("notify_preference")
        .col(ColumnDef::new("user_id").text().not_null().primary_key())
        .col(ColumnDef::new("wants_mail").boolean().not_null())
        .col(ColumnDef::new("address").text().not_null())
        .col(ColumnDef::new("language").text().not_null())
        .take()
}
