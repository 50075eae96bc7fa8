//! The one table of the cascade. Moments are microseconds.

mod m20261125_30_cascade_create;

use sea_orm_migration::MigrationTrait;

/// All migrations of this crate.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m20261125_30_cascade_create::Migration)]
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
        /// `joined` or `left`.
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
