use sea_orm_migration::prelude::*;

/// What nodes cannot do, as they tell it.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let name = Alias::new;
        let mut table = Table::create();
        let mut key = Index::create();
        key.col(name("node")).col(name("publication"));
        table
            .table(name("exchange_node_trouble"))
            .col(ColumnDef::new(name("node")).text().not_null())
            .col(ColumnDef::new(name("publication")).text().not_null())
            .col(ColumnDef::new(name("problem")).text().not_null())
            .col(ColumnDef::new(name("since")).big_integer().not_null())
            .primary_key(&mut key);
        manager.create_table(table).await
    }
}
