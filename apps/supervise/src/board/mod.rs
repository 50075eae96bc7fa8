//! The board: how every organisation stands now, with the cases behind every number.

pub mod api;
pub mod page;
pub mod store;

use ::store::Db;
use identity::{Actor, Gate, Resource};
use kernel::{Error, Result};
use serde::Serialize;

use crate::{card, light::Light, picture::Picture};

/// One organisation's line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = BoardLine)]
pub struct Line {
    pub org: String,
    #[schema(example = "云港市消防救援队（合成）")]
    pub org_name: String,
    pub region: String,
    pub green: u32,
    pub yellow: u32,
    pub red: u32,
    /// Standing still in a special procedure; also counted under its light.
    pub paused: u32,
    pub yellow_cards: u32,
    pub red_cards: u32,
    pub score: u32,
}

impl Line {
    pub fn running(&self) -> u32 {
        self.green + self.yellow + self.red
    }
}

/// Regions whose cases the actor supervises; the code's trailing zeros mean all below.
fn regions(actor: &Actor) -> Vec<String> {
    let mut regions: Vec<_> = actor
        .posts
        .iter()
        .filter(|p| p.post == "supervisor")
        .map(|p| p.region.clone())
        .collect();
    regions.sort();
    regions.dedup();
    regions
}

/// The beginning that codes of a region and of all regions in it share.
fn prefix(region: &str) -> &str {
    let code = region.get(..6).unwrap_or(region);
    let mut prefix = code;
    while let Some(shorter) = prefix.strip_suffix("00") {
        prefix = shorter;
    }
    prefix
}

/// What a supervisor sees, organisation by organisation.
pub async fn lines(db: &Db, gate: &Gate, actor: &Actor) -> Result<Vec<Line>> {
    gate.check(actor, "supervise.board", &Resource::system())?;
    let regions = regions(actor);
    let prefixes: Vec<_> = regions.iter().map(|r| prefix(r)).collect();
    let mut lines = store::lines(db.read(), &prefixes).await?;
    let tallies = card::store::tallies(db.read(), None).await?;
    for line in &mut lines {
        if let Some(tally) = tallies.get(&line.org) {
            line.yellow_cards = tally.yellow;
            line.red_cards = tally.red;
        }
        let late = tallies.get(&line.org).map_or(0, |t| t.late);
        line.score = card::score(line.yellow_cards, line.red_cards, late);
    }
    lines.sort_by(|a, b| {
        (b.red, b.yellow, &a.region, &a.org).cmp(&(a.red, a.yellow, &b.region, &b.org))
    });
    Ok(lines)
}

/// Which cases stand behind a number.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub org: Option<String>,
    pub light: Option<Light>,
    pub is_paused: Option<bool>,
}

/// The running cases behind a number, soonest due first. `after` is `due,case_id` of the last one
/// before.
pub async fn cases(
    db: &Db,
    gate: &Gate,
    actor: &Actor,
    filter: &Filter,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Picture>> {
    gate.check(actor, "supervise.board", &Resource::system())?;
    let regions = regions(actor);
    let prefixes: Vec<_> = regions.iter().map(|r| prefix(r)).collect();
    store::cases(db.read(), &prefixes, filter, after, limit).await
}

/// One case as supervision sees it.
pub async fn case(db: &Db, gate: &Gate, actor: &Actor, id: &str) -> Result<Picture> {
    let case = store::find(db.read(), id)
        .await?
        .ok_or(Error::NotFound { what: "case" })?;
    let resource = Resource::new("Case", id)
        .org(&case.org)
        .region(&case.region);
    gate.check(actor, "supervise.card.see", &resource)
        .map_err(|_| Error::NotFound { what: "case" })?;
    Ok(case)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_city_covers_its_districts() {
        assert_eq!(super::prefix("321000"), "3210");
        assert_eq!(super::prefix("321002"), "321002");
        assert_eq!(super::prefix("320000"), "32");
        assert_eq!(super::prefix("321000000000"), "3210");
    }
}
