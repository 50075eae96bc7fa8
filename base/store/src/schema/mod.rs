//! Entities and migrations of the tables `store_*`.

pub mod event {
    use sea_orm::entity::prelude::*;

    /// `data` is JSON text that no query depends on; `position` is empty until sealed.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "store_event")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub at: i64,
        pub kind: String,
        pub subject: String,
        pub actor: String,
        #[sea_orm(column_type = "Text")]
        pub data: String,
        pub position: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod job {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "store_job")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub kind: String,
        #[sea_orm(column_type = "Text")]
        pub payload: String,
        pub due_at: i64,
        /// `waiting`, `running`, or `failed`; finished jobs are removed.
        pub state: String,
        pub attempts: i32,
        pub epoch: i64,
        pub lease_until: Option<i64>,
        pub last_error: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
