use sea_orm_migration::prelude::*;

/// Keys of a node are kept when it enrols again: what they signed stays provable.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let name = Alias::new;
        let mut table = Table::create();
        let mut key = Index::create();
        key.col(name("node")).col(name("since"));
        table
            .table(name("exchange_node_key"))
            .col(ColumnDef::new(name("node")).text().not_null())
            .col(ColumnDef::new(name("since")).big_integer().not_null())
            .col(ColumnDef::new(name("signing_key")).text().not_null())
            .col(ColumnDef::new(name("until")).big_integer())
            .primary_key(&mut key);
        manager.create_table(table).await?;
        let sql = "INSERT INTO exchange_node_key (node, since, signing_key, until) \
                   SELECT code, enrolled_at, signing_key, revoked_at FROM exchange_node";
        let done = manager.get_connection().execute_unprepared(sql).await;
        done.map(drop)
    }
}
