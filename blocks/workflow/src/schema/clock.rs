//! The table `workflow_clock`: deadlines of tasks and processes, and timers in working days.

use sea_orm::entity::prelude::*;

/// One clock. `id` is `instance:number` with the number of the token or timer in the instance,
/// or the instance alone for the deadline of the whole process.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "workflow_clock")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub instance: String,
    /// `task`, `timer` or `process`.
    pub kind: String,
    pub number: i64,
    pub subject: String,
    pub element: String,
    /// Whose calendar and office hours count.
    pub region: String,
    /// `days` or `hours`.
    pub unit: String,
    pub amount: i64,
    /// What an extension added, in the same unit.
    pub extended: i64,
    pub started_at: i64,
    /// None while the clock stands.
    pub due_at: Option<i64>,
    /// When it stood, as JSON.
    #[sea_orm(column_type = "Text")]
    pub pauses: String,
    /// Marks before the end as `2d,4h`.
    pub remind: String,
    /// Groups as `post@org`, separated by commas, that hear when it is late.
    pub escalate: String,
    /// Marks that have fired, `due` among them.
    pub fired: String,
    /// Rises whenever the clock is set anew; a job with another number does nothing.
    pub epoch: i64,
    /// `running`, `standing` or `over`.
    pub state: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
