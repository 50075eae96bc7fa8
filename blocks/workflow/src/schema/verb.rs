//! Entities of the verbs: who works on a task besides the one who has it, and what was done.

/// A signer's share in a task: `task` is a row of `workflow_task` of its own, `parent` the task
/// that waits for it (`sign`, `before`) or that it follows (`after`).
pub mod part {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_part")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub task: String,
        pub parent: String,
        /// `sign`, `before` or `after`.
        pub role: String,
        pub weight: i64,
        /// `agree`, `refuse` or `abstain`; none while it is not answered.
        pub vote: Option<String>,
        /// Variables of the answer as JSON.
        #[sea_orm(column_type = "Text")]
        pub vars: String,
        pub answered_by: Option<String>,
        pub answered_at: Option<i64>,
        /// Officer who added it; `process` where the model did.
        pub added_by: String,
        pub added_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What somebody filled in without completing, or completed before those who come after.
pub mod saved {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_saved")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub task: String,
        #[sea_orm(column_type = "Text")]
        pub vars: String,
        /// Officer chosen for the next step.
        pub next: Option<String>,
        pub by: String,
        pub at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// One verb done to a task or an instance; written only.
pub mod deed {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_deed")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub instance: String,
        /// Empty where it concerns the instance as a whole.
        pub task: String,
        pub verb: String,
        pub by: String,
        /// The absent officer for whom it was done.
        pub on_behalf: Option<String>,
        /// Whom or what it concerns: an officer, a step, a number of days.
        pub other: String,
        #[sea_orm(column_type = "Text")]
        pub reason: String,
        pub at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A copy of a task for reading.
pub mod copy {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_copy")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub task: String,
        pub instance: String,
        pub subject: String,
        /// Name of the step.
        pub name: String,
        pub reader: String,
        pub sent_by: String,
        pub sent_at: i64,
        #[sea_orm(column_type = "Text")]
        pub note: String,
        pub read_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A time in which the clock of a task stands still, with the legal ground for it.
pub mod suspension {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_suspension")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub task: String,
        pub instance: String,
        pub ground: String,
        #[sea_orm(column_type = "Text")]
        pub reason: String,
        pub by: String,
        pub from_at: i64,
        /// None while it lasts.
        pub until_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Who stands in for an absent officer, from one day to another, both included.
pub mod substitute {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_substitute")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// The absent officer.
        pub officer: String,
        pub substitute: String,
        /// `post@org` separated by commas; all where empty.
        pub posts: String,
        pub from_day: Date,
        pub until_day: Date,
        #[sea_orm(column_type = "Text")]
        pub reason: String,
        pub created_by: String,
        pub created_at: i64,
        /// When it was ended before its time.
        pub ended_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
