use sea_orm_migration::prelude::*;

/// A subscription names the grant that it rests on; a batch may be kept for a reader of the hub.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let name = Alias::new;
        let mut granted = ColumnDef::new(name("granted_by"));
        granted.text().not_null().default("");
        let mut change = Table::alter();
        change
            .table(name("exchange_subscription"))
            .add_column(granted);
        manager.alter_table(change).await?;
        let mut held = ColumnDef::new(name("is_held"));
        held.boolean().not_null().default(false);
        let mut change = Table::alter();
        change.table(name("exchange_batch")).add_column(held);
        manager.alter_table(change).await?;
        let mut index = Index::create();
        index
            .name("exchange_subscription_grant")
            .table(name("exchange_subscription"))
            .col(name("granted_by"));
        manager.create_index(index).await
    }
}
