//! Entities and migrations of the tables `notify_*`. Moments are microseconds.

mod migration;

pub use migration::migrations;

pub mod message {
    use sea_orm::entity::prelude::*;

    /// One message to one reader; `args` is a JSON object of texts.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "notify_message")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub user_id: String,
        /// On whose behalf the reader reads, when it is not himself.
        pub party_id: Option<String>,
        pub key: String,
        #[sea_orm(column_type = "Text")]
        pub args: String,
        pub link: String,
        pub created_at: i64,
        pub read_at: Option<i64>,
        pub mailed_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod preference {
    use sea_orm::entity::prelude::*;

    /// How a user wants to be told; no row means in the house only.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "notify_preference")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: String,
        pub wants_mail: bool,
        pub address: String,
        pub language: String,
        /// What was mailed to the address and has not been typed here yet.
        pub code: Option<String>,
        /// Wrong codes so far.
        pub tries: i32,
        pub confirmed_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
