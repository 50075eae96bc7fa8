use sea_orm_migration::prelude::*;

/// A comparison that was given up says why.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut problem = ColumnDef::new(Alias::new("problem"));
        problem.text().not_null().default("");
        let mut change = Table::alter();
        change
            .table(Alias::new("registry_match_run"))
            .add_column(problem);
        manager.alter_table(change).await
    }
}
