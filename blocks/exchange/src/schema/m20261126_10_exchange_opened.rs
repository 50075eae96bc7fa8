use sea_orm_migration::prelude::*;

/// A publication tells which resource its columns were opened as, so that it opens again by itself
/// as nothing else.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let name = Alias::new;
        let mut opened = ColumnDef::new(name("opened_as"));
        opened.text();
        let mut change = Table::alter();
        change
            .table(name("exchange_publication"))
            .add_column(opened);
        manager.alter_table(change).await?;
        let sql = "UPDATE exchange_publication SET opened_as = resource WHERE state = 'open'";
        let done = manager.get_connection().execute_unprepared(sql).await;
        done.map(drop)
    }
}
