//! Entities and migrations of the tables `workflow_*`.

pub mod clock;
pub mod external;
mod m20261125_01_workflow_external;
mod m20261125_02_workflow_instance_by_definition;
mod m20261125_11_seeing;
mod m20261125_11_workflow_clock;
mod m20261125_12_workflow_instance_over;
mod m20261125_13_workflow_post;
mod m20261125_14_workflow_signal;
mod m20261126_31_workflow_shared_clock;
mod m20261126_41_workflow_recipe;
mod m20261126_42_workflow_imports;
mod m20261126_51_workflow_state;
mod m20261126_61_workflow_done_by;
mod m20261127_71_workflow_started_by;
mod migration;
pub mod post;
pub mod state;
mod verb;
mod verb_migration;

pub use migration::migrations;
pub use post::{UNKNOWN, mail, signal, wait};
pub use verb::{copy, deed, part, saved, substitute, suspension};

/// A deployed file: BPMN or DMN. `id` is `key:version:tail`; `links` is a JSON list of the definitions
/// whose processes and decisions it uses, as they were when it was deployed.
pub mod definition {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_definition")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub key: String,
        pub version: i64,
        /// `bpmn` or `dmn`.
        pub kind: String,
        /// Processes or decisions in it, as a JSON list of names.
        #[sea_orm(column_type = "Text")]
        pub names: String,
        #[sea_orm(column_type = "Text")]
        pub links: String,
        #[sea_orm(column_type = "Text")]
        pub xml: String,
        /// What it imports, as a JSON object of texts by location; empty where nothing.
        #[sea_orm(column_type = "Text")]
        pub imports: String,
        pub deployed_at: i64,
        /// Who deployed it, as events name actors; empty for the oldest rows.
        pub deployed_by: String,
        /// What the one who deployed it said about it.
        #[sea_orm(column_type = "Text")]
        pub comment: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// `state` is the core's instance as JSON, variables included.
pub mod instance {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_instance")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub definition: String,
        pub process: String,
        pub subject: String,
        pub status: String,
        #[sea_orm(column_type = "Text")]
        pub state: String,
        /// Rises with every step; the step checks it.
        pub version: i64,
        /// Rows of the trail so far.
        pub trail_length: i64,
        /// Tokens that stopped.
        pub incidents: i64,
        pub started_by: String,
        pub started_at: i64,
        pub ended_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A task that a person carries out.
pub mod task {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_task")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub instance: String,
        pub definition: String,
        pub subject: String,
        pub token: i64,
        pub element: String,
        pub name: String,
        pub kind: String,
        /// `open`, `claimed`, `done`, `withdrawn`, or `gone` (no longer needed). Waiting for others:
        /// `pending` (its turn has not come), `signing` (its signers decide), `following` (done,
        /// those added after it are not).
        pub state: String,
        /// Groups as `post@org`, separated by commas.
        pub candidates: String,
        pub org: String,
        pub assignee: Option<String>,
        pub form: String,
        pub outcomes: String,
        pub suspends: String,
        pub officers: i64,
        pub days: Option<i64>,
        pub due_at: Option<i64>,
        /// All attributes of our namespace as JSON.
        #[sea_orm(column_type = "Text")]
        pub attributes: String,
        pub created_at: i64,
        pub claimed_at: Option<i64>,
        pub done_at: Option<i64>,
        pub done_by: Option<String>,
        pub version: i64,
        /// The task of which this is a signer's part.
        pub parent: Option<String>,
        /// Parts that this task ever had.
        pub parts: i64,
        /// Officers to whom it comes back, separated by commas, the next one last.
        pub back_to: String,
        /// What its completion led to, as JSON; empty when that cannot be taken back.
        #[sea_orm(column_type = "Text")]
        pub followed: String,
        /// When somebody first did something to it.
        pub acted_at: Option<i64>,
        pub saved_at: Option<i64>,
        /// Since when its clock stands still.
        pub suspended_at: Option<i64>,
        pub urged_at: Option<i64>,
        /// Days by which it was extended.
        pub extended: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Which groups may take an open task; the rows go when the task is done.
pub mod candidate {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_candidate")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub group_key: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub task: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A service call that was left waiting.
pub mod call {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_call")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub instance: String,
        pub token: i64,
        pub element: String,
        pub name: String,
        /// `waiting`, `done` or `gone`.
        pub state: String,
        pub created_at: i64,
        pub done_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Steps entered and left, in order; written only.
pub mod trail {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_trail")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub instance: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i64,
        pub subject: String,
        pub element: String,
        /// `entered`, `left`, `cancelled` (ended from outside) or `stopped`.
        pub what: String,
        pub at: i64,
        pub by: String,
        /// Why it stopped; empty otherwise.
        #[sea_orm(column_type = "Text")]
        pub note: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
