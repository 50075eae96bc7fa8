//! Rows of the post between instances.

/// `wait.heard` of an instance from before there was such a table: nobody has looked at it yet.
pub const UNKNOWN: &str = "unknown";

/// A place of a running instance that waits: `heard` is `message` or `signal`, `key` the value of
/// its correlation as JSON, empty if it takes every message of the name. `recipe` says how a
/// message carries a key of its conversation, as a JSON list of expressions; empty for others. A
/// place with several such keys has a row for each.
pub mod wait {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_wait")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub instance: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub heard: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub element: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
        pub recipe: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A message on its way: `target` is the element at the end of its message flow, `key` what its
/// sender correlates by as JSON, `vars` a JSON object, `problem` why it is still here; all but the
/// sender's columns may be empty.
pub mod mail {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_mail")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub name: String,
        pub target: String,
        pub key: String,
        #[sea_orm(column_type = "Text")]
        pub vars: String,
        /// Who sent it.
        pub instance: String,
        pub definition: String,
        pub element: String,
        pub subject: String,
        pub problem: String,
        pub sent_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A thrown signal that others have not heard yet.
pub mod signal {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_signal")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
