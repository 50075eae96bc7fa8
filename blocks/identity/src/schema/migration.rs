//! Migrations, forward only.

use sea_orm_migration::prelude::*;

/// All migrations of this crate, oldest first.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Tables), Box::new(NoUnread)]
}

struct Tables;

impl MigrationName for Tables {
    fn name(&self) -> &'static str {
        "m20261122_01_identity_tables"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Tables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            organisation(),
            party(),
            user(),
            post(),
            agent(),
            session(),
            token(),
            throttle(),
        ] {
            manager.create_table(table).await?;
        }
        for (table, column, is_unique) in INDEXES {
            let mut index = Index::create();
            index
                .name(format!("{table}_by_{column}"))
                .table(*table)
                .col(*column);
            if *is_unique {
                index.unique();
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

/// `notify` counts unread messages by itself: a counter in the user's row made everybody who tells
/// one user something wait for the others.
struct NoUnread;

impl MigrationName for NoUnread {
    fn name(&self) -> &'static str {
        "m20261125_01_identity_no_unread"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for NoUnread {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::alter()
            .table("identity_user")
            .drop_column("unread")
            .take();
        manager.alter_table(table).await
    }
}

const INDEXES: &[(&str, &str, bool)] = &[
    ("identity_organisation", "code", true),
    ("identity_organisation", "region", false),
    ("identity_organisation", "parent_id", false),
    ("identity_party", "code", true),
    ("identity_user", "login", true),
    ("identity_user", "party_id", true),
    ("identity_post", "user_id", false),
    ("identity_post", "org_id", false),
    ("identity_agent", "user_id", false),
    ("identity_agent", "party_id", false),
    ("identity_session", "secret_hash", true),
    ("identity_session", "user_id", false),
    ("identity_token", "secret_hash", true),
    ("identity_token", "user_id", false),
];

fn organisation() -> TableCreateStatement {
    Table::create()
        .table("identity_organisation")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(ColumnDef::new("code").text().not_null())
        .col(ColumnDef::new("parent_id").text())
        .col(ColumnDef::new("region").text().not_null())
        .col(ColumnDef::new("name_zh").text().not_null())
        .col(ColumnDef::new("name_en").text().not_null())
        .col(ColumnDef::new("short_name").text().not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .take()
}

fn party() -> TableCreateStatement {
    Table::create()
        .table("identity_party")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(ColumnDef::new("kind").text().not_null())
        .col(ColumnDef::new("code").text().not_null())
        .col(ColumnDef::new("name").text().not_null())
        .col(ColumnDef::new("phone").text().not_null())
        .col(ColumnDef::new("address").text().not_null())
        .col(ColumnDef::new("representative").text())
        .col(ColumnDef::new("is_base").boolean().not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .take()
}

fn user() -> TableCreateStatement {
    Table::create()
        .table("identity_user")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(ColumnDef::new("login").text().not_null())
        .col(ColumnDef::new("name").text().not_null())
        .col(ColumnDef::new("party_id").text())
        .col(ColumnDef::new("assurance").integer().not_null())
        .col(ColumnDef::new("password_hash").text().not_null())
        .col(
            ColumnDef::new("password_changed_at")
                .big_integer()
                .not_null(),
        )
        .col(ColumnDef::new("totp_secret").text())
        .col(ColumnDef::new("totp_confirmed_at").big_integer())
        .col(ColumnDef::new("totp_last_step").big_integer().not_null())
        .col(ColumnDef::new("disabled_at").big_integer())
        .col(ColumnDef::new("stamp").big_integer().not_null())
        .col(ColumnDef::new("unread").integer().not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .take()
}

fn post() -> TableCreateStatement {
    Table::create()
        .table("identity_post")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(ColumnDef::new("user_id").text().not_null())
        .col(ColumnDef::new("post").text().not_null())
        .col(ColumnDef::new("org_id").text().not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .take()
}

fn agent() -> TableCreateStatement {
    Table::create()
        .table("identity_agent")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(ColumnDef::new("party_id").text().not_null())
        .col(ColumnDef::new("user_id").text().not_null())
        .col(ColumnDef::new("role").text().not_null())
        .col(ColumnDef::new("scope").text().not_null())
        .col(ColumnDef::new("from_day").text().not_null())
        .col(ColumnDef::new("until_day").text().not_null())
        .col(ColumnDef::new("appointed_by").text().not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .col(ColumnDef::new("dismissed_at").big_integer())
        .take()
}

fn session() -> TableCreateStatement {
    Table::create()
        .table("identity_session")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(ColumnDef::new("secret_hash").text().not_null())
        .col(ColumnDef::new("user_id").text().not_null())
        .col(ColumnDef::new("stage").text().not_null())
        .col(ColumnDef::new("second_factor").boolean().not_null())
        .col(ColumnDef::new("acting_for").text())
        .col(ColumnDef::new("device").text().not_null())
        .col(ColumnDef::new("address").text().not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .col(ColumnDef::new("seen_at").big_integer().not_null())
        .col(ColumnDef::new("ends_at").big_integer().not_null())
        .col(ColumnDef::new("ended_at").big_integer())
        .take()
}

fn token() -> TableCreateStatement {
    Table::create()
        .table("identity_token")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(ColumnDef::new("secret_hash").text().not_null())
        .col(ColumnDef::new("user_id").text().not_null())
        .col(ColumnDef::new("label").text().not_null())
        .col(ColumnDef::new("scope").text().not_null())
        .col(ColumnDef::new("second_factor").boolean().not_null())
        .col(ColumnDef::new("acting_for").text())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .col(ColumnDef::new("ends_at").big_integer().not_null())
        .col(ColumnDef::new("used_at").big_integer())
        .col(ColumnDef::new("revoked_at").big_integer())
        .take()
}

fn throttle() -> TableCreateStatement {
    Table::create()
        .table("identity_throttle")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(ColumnDef::new("failures").integer().not_null())
        .col(ColumnDef::new("failed_at").big_integer().not_null())
        .col(ColumnDef::new("locked_until").big_integer().not_null())
        .take()
}
