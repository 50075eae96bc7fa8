//! Cases and the processes that handle them.
use kernel::Result;
use store::Tx;
use web::App;

use super::{act::Desk, store::Case};

pub type Engine = ();

pub fn engine(_app: &App) -> Result<Engine> {
    Ok(())
}

pub(crate) async fn begin(_tx: &Tx, _desk: &Desk, _case: &mut Case) -> Result<()> {
    Ok(())
}

pub(crate) async fn cancel(_tx: &Tx, _desk: &Desk, _case: &Case, _reason: &str) -> Result<()> {
    Ok(())
}

pub(crate) async fn part_ended(_tx: &Tx, _desk: &Desk, _case: &Case) -> Result<()> {
    Ok(())
}
