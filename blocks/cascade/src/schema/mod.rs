//! The tables of the cascade. Moments are microseconds.

mod m20261125_30_cascade_create;
mod m20261126_30_cascade_inferior;

use sea_orm_migration::MigrationTrait;

/// All migrations of this crate.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(m20261125_30_cascade_create::Migration),
        Box::new(m20261126_30_cascade_inferior::Migration),
    ]
}

pub mod superior {
    use sea_orm::entity::prelude::*;

    /// The hub above this one; one row at the most.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "cascade_superior")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// `https://host:port` of its exchange.
        pub hub: String,
        /// How this hub is called there.
        pub node: String,
        /// See `join::Standing`.
        pub state: String,
        pub joined_by: String,
        pub joined_at: i64,
        /// When rows and orders last went both ways without trouble.
        pub seen_at: Option<i64>,
        /// Until when the superior knows our catalog.
        pub reported_at: Option<i64>,
        /// What is in the way; empty for nothing.
        #[sea_orm(column_type = "Text")]
        pub problem: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod inferior {
    use sea_orm::entity::prelude::*;

    /// A hub below this one, which comes as a node.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "cascade_inferior")]
    pub struct Model {
        /// How it is called here.
        #[sea_orm(primary_key, auto_increment = false)]
        pub node: String,
        /// Unified social credit code.
        pub org: String,
        pub title: String,
        /// See `inferior::State`.
        pub state: String,
        pub joined_at: i64,
        pub ended_at: Option<i64>,
        /// Why it was struck off; empty for nothing.
        #[sea_orm(column_type = "Text")]
        pub reason: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
