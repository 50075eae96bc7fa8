//! The terms under which rows may flow: a block above that knows catalog and grants gives them.
//! A hub without them takes its stewards' word.

use ::store::{Db, Tx};
use async_trait::async_trait;
use chrono::NaiveDate;
use kernel::{Finding, Result};

use crate::data::Shape;

/// A publication with the columns that are to flow.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    pub code: &'a str,
    /// Of the department whose node offers it.
    pub org: &'a str,
    /// Code of the resource in the catalog, as the node's settings name it.
    pub resource: &'a str,
    pub shape: &'a Shape,
}

/// What a grant gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Names of the publication's columns.
    pub columns: Vec<String>,
    pub purpose: String,
    pub basis: String,
    /// Which rows, in words; whoever subscribes puts them into conditions. Empty for all.
    pub rows: String,
    pub expires_on: Option<NaiveDate>,
}

/// Who knows what was published and granted.
#[async_trait]
pub trait Terms: Send + Sync + 'static {
    /// Everything that forbids to open a publication.
    async fn offer(&self, tx: &Tx, offer: &Offer<'_>) -> Result<Vec<Finding>>;

    /// What the grant gives a department of a publication; an error where it gives nothing.
    async fn grant(&self, tx: &Tx, offer: &Offer<'_>, org: &str, grant: &str) -> Result<Granted>;

    /// Whether the grant holds at present. Asked before each chunk goes out.
    async fn holds(&self, db: &Db, grant: &str) -> Result<bool>;
}
