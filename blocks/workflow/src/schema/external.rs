//! A service task that a worker outside fetches, carries out and reports back.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "workflow_external")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub instance: String,
    pub definition: String,
    /// Key of the definition.
    pub key: String,
    pub subject: String,
    pub token: i64,
    pub element: String,
    pub topic: String,
    /// Higher is fetched first.
    pub priority: i64,
    /// `open`, `done`, `failed` (an incident took its place) or `gone` (no longer needed).
    pub state: String,
    /// Who locked it last; empty after it was given back.
    pub worker: Option<String>,
    /// When it may be fetched: the end of its lock, or of the pause after a failure.
    pub available_at: i64,
    /// Tries that are left; unknown until a worker or the model says.
    pub retries: Option<i64>,
    pub error_message: String,
    #[sea_orm(column_type = "Text")]
    pub error_details: String,
    /// Mapped inputs as a JSON object; they come before the variables of the process.
    #[sea_orm(column_type = "Text")]
    pub inputs: String,
    pub created_at: i64,
    pub ended_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
