//! Workers look for the jobs of their kinds, and pass over none of another's.

use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261127_01_store_job_waiting"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let index = "CREATE INDEX store_job_waiting ON store_job (kind, due_at, id) WHERE state IN ('waiting', 'running')";
        db.execute_unprepared(index).await.map(drop)
    }
}
