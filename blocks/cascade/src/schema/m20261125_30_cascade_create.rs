use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let text = |name: &'static str| {
            let mut column = ColumnDef::new(Alias::new(name));
            column.text().not_null();
            column
        };
        let mut joined = ColumnDef::new(Alias::new("joined_at"));
        joined.big_integer().not_null();
        let moment = |name: &'static str| {
            let mut column = ColumnDef::new(Alias::new(name));
            column.big_integer();
            column
        };
        let mut id = text("id");
        id.primary_key();
        let mut table = Table::create();
        table
            .table(Alias::new("cascade_superior"))
            .col(id)
            .col(text("hub"))
            .col(text("node"))
            .col(text("state"))
            .col(text("joined_by"))
            .col(joined)
            .col(moment("seen_at"))
            .col(moment("reported_at"))
            .col(text("problem"));
        manager.create_table(table).await
    }
}
