//! Whom a question named, so that they can be told.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut named = Table::create();
        named.table(Alias::new("lake_query_subject"));
        let mut key = Index::create();
        for name in ["query", "subject"] {
            let mut column = ColumnDef::new(Alias::new(name));
            named.col(column.text().not_null());
            key.col(Alias::new(name));
        }
        named.primary_key(&mut key);
        manager.create_table(named).await?;
        let mut index = Index::create();
        index
            .name("lake_query_subject_subject")
            .table(Alias::new("lake_query_subject"))
            .col(Alias::new("subject"))
            .col(Alias::new("query"));
        manager.create_index(index).await?;
        let mut narrow = ColumnDef::new(Alias::new("is_narrow"));
        let mut questions = Table::alter();
        questions
            .table(Alias::new("lake_query"))
            .add_column(narrow.boolean().not_null().default(false));
        manager.alter_table(questions).await
    }
}
