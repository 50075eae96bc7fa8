//! Pictures of cases, cards, and what two flow rules count.

use sea_orm_migration::prelude::*;

use super::{card, closing, matter, picture};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261122_01_supervise_create"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_picture(manager).await?;
        create_card(manager).await?;
        create_counts(manager).await
    }
}

async fn create_picture(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    use picture::Column as C;
    let table = Table::create()
        .table(picture::Entity)
        .col(ColumnDef::new(C::CaseId).string().primary_key())
        .col(ColumnDef::new(C::CaseNo).string().not_null())
        .col(ColumnDef::new(C::Org).string().not_null())
        .col(ColumnDef::new(C::OrgName).string().not_null())
        .col(ColumnDef::new(C::Region).string().not_null())
        .col(ColumnDef::new(C::IsRunning).boolean().not_null())
        .col(ColumnDef::new(C::IsPaused).boolean().not_null())
        .col(ColumnDef::new(C::Light).string().not_null())
        .col(ColumnDef::new(C::PromiseDue).string())
        .col(ColumnDef::new(C::NextChange).string())
        .col(ColumnDef::new(C::Data).text().not_null())
        .to_owned();
    manager.create_table(table).await?;
    // The board counts running cases by region, organisation and light; the list below a count
    // pages by due date and case.
    let board = Index::create()
        .name("supervise_picture_board")
        .table(picture::Entity)
        .col(C::IsRunning)
        .col(C::Region)
        .col(C::Org)
        .col(C::Light)
        .col(C::IsPaused)
        .to_owned();
    manager.create_index(board).await?;
    let due = Index::create()
        .name("supervise_picture_due")
        .table(picture::Entity)
        .col(C::IsRunning)
        .col(C::PromiseDue)
        .col(C::CaseId)
        .to_owned();
    manager.create_index(due).await
}

async fn create_card(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    use card::Column as C;
    let table = Table::create()
        .table(card::Entity)
        .col(ColumnDef::new(C::Id).string().primary_key())
        .col(ColumnDef::new(C::Breach).string().not_null().unique_key())
        .col(ColumnDef::new(C::CaseId).string().not_null())
        .col(ColumnDef::new(C::CaseNo).string().not_null())
        .col(ColumnDef::new(C::MatterName).string().not_null())
        .col(ColumnDef::new(C::Org).string().not_null())
        .col(ColumnDef::new(C::OrgName).string().not_null())
        .col(ColumnDef::new(C::Region).string().not_null())
        .col(ColumnDef::new(C::Rule).string().not_null())
        .col(ColumnDef::new(C::Level).string().not_null())
        .col(ColumnDef::new(C::Evidence).text().not_null())
        .col(ColumnDef::new(C::Person).string().not_null())
        .col(ColumnDef::new(C::PersonName).string().not_null())
        .col(ColumnDef::new(C::OpenedAt).big_integer().not_null())
        .col(ColumnDef::new(C::ReplyDue).string())
        .col(ColumnDef::new(C::State).string().not_null())
        .col(ColumnDef::new(C::Reply).text())
        .col(ColumnDef::new(C::RepliedBy).string())
        .col(ColumnDef::new(C::RepliedAt).big_integer())
        .col(ColumnDef::new(C::IsLate).boolean().not_null())
        .col(ColumnDef::new(C::Verdict).text())
        .col(ColumnDef::new(C::VerifiedBy).string())
        .col(ColumnDef::new(C::VerifiedAt).big_integer())
        .col(ColumnDef::new(C::Version).big_integer().not_null())
        .to_owned();
    manager.create_table(table).await?;
    for (name, columns) in [
        ("supervise_card_case", vec![C::CaseId, C::Id]),
        ("supervise_card_org", vec![C::Org, C::State, C::Id]),
        ("supervise_card_region", vec![C::Region, C::State, C::Id]),
    ] {
        let mut index = Index::create().name(name).table(card::Entity).to_owned();
        for column in columns {
            index.col(column);
        }
        manager.create_index(index).await?;
    }
    Ok(())
}

async fn create_counts(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let closings = Table::create()
        .table(closing::Entity)
        .col(ColumnDef::new(closing::Column::Person).string().not_null())
        .col(
            ColumnDef::new(closing::Column::Minute)
                .big_integer()
                .not_null(),
        )
        .col(
            ColumnDef::new(closing::Column::Closings)
                .integer()
                .not_null(),
        )
        .primary_key(
            Index::create()
                .col(closing::Column::Person)
                .col(closing::Column::Minute),
        )
        .to_owned();
    manager.create_table(closings).await?;
    let matters = Table::create()
        .table(matter::Entity)
        .col(ColumnDef::new(matter::Column::Code).string().not_null())
        .col(ColumnDef::new(matter::Column::Version).integer().not_null())
        .col(ColumnDef::new(matter::Column::Since).string().not_null())
        .primary_key(
            Index::create()
                .col(matter::Column::Code)
                .col(matter::Column::Version),
        )
        .to_owned();
    manager.create_table(matters).await
}
