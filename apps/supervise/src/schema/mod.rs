//! Entities and migrations of the tables `supervise_*`.

mod m20261122_01_supervise_create;

use sea_orm_migration::MigrationTrait;

pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m20261122_01_supervise_create::Migration)]
}

pub mod picture {
    use sea_orm::entity::prelude::*;

    /// `data` holds the whole [`crate::picture::Picture`] as JSON; the columns are what lists and
    /// counts select by.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "supervise_picture")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub case_id: String,
        pub case_no: String,
        pub org: String,
        pub org_name: String,
        pub region: String,
        /// Running, that is accepted and not decided.
        pub is_running: bool,
        pub is_paused: bool,
        pub light: String,
        pub promise_due: Option<String>,
        pub next_change: Option<String>,
        #[sea_orm(column_type = "Text")]
        pub data: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod card {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "supervise_card")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// Case, rule and occurrence: one breach gives one card.
        #[sea_orm(unique)]
        pub breach: String,
        pub case_id: String,
        pub case_no: String,
        pub matter_name: String,
        pub org: String,
        pub org_name: String,
        pub region: String,
        pub rule: String,
        pub level: String,
        #[sea_orm(column_type = "Text")]
        pub evidence: String,
        pub person: String,
        pub person_name: String,
        pub opened_at: i64,
        pub reply_due: Option<String>,
        /// `notice`, `open`, `replied`, `upheld`, `withdrawn`.
        pub state: String,
        #[sea_orm(column_type = "Text", nullable)]
        pub reply: Option<String>,
        pub replied_by: Option<String>,
        pub replied_at: Option<i64>,
        pub is_late: bool,
        #[sea_orm(column_type = "Text", nullable)]
        pub verdict: Option<String>,
        pub verified_by: Option<String>,
        pub verified_at: Option<i64>,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod closing {
    use sea_orm::entity::prelude::*;

    /// Closings by person and minute, for F03.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "supervise_closing")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub person: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub minute: i64,
        pub closings: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod matter {
    use sea_orm::entity::prelude::*;

    /// Since when a version of a matter is in force, for F07.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "supervise_matter")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub code: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub version: i32,
        pub since: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
