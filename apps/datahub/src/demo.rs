//! The base registries of the demo city: what its departments would deliver of the people and firms
//! of the pack `demo-city`. Everything is made up.

mod departments;

use std::{io::Write, path::Path};

use chrono::Datelike;
use identity::Actor;
use kernel::{Error, Fault, Result, code::citizen};
use registry::batch::{
    Mode,
    act::{self, Loading},
};
use serde::Deserialize;
use web::App;

pub use departments::{Written, write};

/// Packs that the registries come with, in the order of installing, after `demo-city`.
pub const PACKS: [&str; 8] = [
    "base-departments",
    "base-population",
    "base-entity",
    "base-credit",
    "base-economy",
    "base-place",
    "base-catalog",
    "demo-data",
];

#[derive(Deserialize)]
struct Parties {
    citizen: Vec<Citizen>,
    firm: Vec<Firm>,
}

#[derive(Deserialize)]
struct Citizen {
    code: String,
    name: String,
    phone: String,
    address: String,
}

#[derive(Deserialize)]
struct Firm {
    code: String,
    name: String,
    phone: String,
    address: String,
    representative: String,
}

/// Loads what the departments deliver; does nothing where it was loaded before.
pub async fn populate(app: &App) -> Result<()> {
    let source = pack::Source::embedded("demo-city")?;
    let file = source
        .file("parties/city.toml")
        .ok_or(Error::NotFound { what: "demo city" })?;
    let parties: Parties =
        toml::from_str(file.text()?).map_err(|e| Fault::caused_by("read the demo city", e))?;
    deliver(app, "population", "police", &people(app, &parties)?).await?;
    deliver(app, "population", "human-resources", &employed(&parties)).await?;
    deliver(app, "legal_entity", "market-regulation", &firms(&parties)).await?;
    pay(app, &parties).await
}

/// A year of social insurance of the people, one of them with a wrong number.
async fn pay(app: &App, parties: &Parties) -> Result<()> {
    let heads = ["gmsfhm", "xm", "xzqh", "jfny", "jfjs", "jfje"];
    let mut rows = Vec::new();
    for (place, person) in parties.citizen.iter().enumerate() {
        let number = match place {
            3 => person.code.replace(['0', '1'], "2"),
            _ => person.code.clone(),
        };
        let region = if place % 3 == 0 { "321003" } else { "321002" };
        let base = 4_250 + 310 * (place % 17);
        for month in 1..=12 {
            rows.push(vec![
                number.clone(),
                person.name.clone(),
                region.to_owned(),
                format!("2025-{month:02}-01"),
                format!("{base}.00"),
                format!("{}.{:02}", base * 8 / 100, base * 8 % 100),
            ]);
        }
    }
    let rows = lake::text_rows(&heads, &rows)?;
    let delivery = lake::Delivery {
        table: "social_insurance".into(),
        id: "demo-2025".into(),
        mode: lake::Mode::Merge,
        on_bad: lake::OnBad::SetAside,
        source: "synthetic".into(),
    };
    let schema = rows.schema();
    let rows = futures::stream::iter([Ok(rows)]);
    lake::take(app, &Actor::system(), &delivery, schema, rows).await?;
    Ok(())
}

fn people(app: &App, parties: &Parties) -> Result<Vec<Vec<String>>> {
    let head = ["gmsfhm", "xm", "xbdm", "csrq", "hjdz", "lxdh", "hyzk"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for person in &parties.citizen {
        let number = citizen::parse(&person.code, app.clock().today())
            .map_err(|e| Fault::caused_by("read the demo city", e))?;
        let birth = number.birth();
        let is_married = birth.year() < 1995;
        rows.push(vec![
            person.code.clone(),
            person.name.clone(),
            number.sex().code().to_owned(),
            birth.to_string(),
            person.address.clone(),
            person.phone.clone(),
            if is_married { "20" } else { "10" }.to_owned(),
        ]);
    }
    Ok(rows)
}

/// A second source that knows some of the people, one of them under another name.
fn employed(parties: &Parties) -> Vec<Vec<String>> {
    let head = ["gmsfhm", "xm", "cyzk", "lxdh"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (place, person) in parties.citizen.iter().take(12).enumerate() {
        let name = match place {
            2 => format!("{}儿", person.name),
            _ => person.name.clone(),
        };
        rows.push(vec![
            person.code.clone(),
            name,
            "24".to_owned(),
            person.phone.clone(),
        ]);
    }
    rows
}

fn firms(parties: &Parties) -> Vec<Vec<String>> {
    let head = [
        "uniscid", "entname", "entkind", "regstate", "dom", "tel", "name", "cerno",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for firm in &parties.firm {
        let holder = parties
            .citizen
            .iter()
            .find(|c| c.code == firm.representative);
        let kind = if firm.code.starts_with("92") {
            "11"
        } else {
            "10"
        };
        rows.push(vec![
            firm.code.clone(),
            firm.name.clone(),
            kind.to_owned(),
            "1".to_owned(),
            firm.address.clone(),
            firm.phone.clone(),
            holder.map(|h| h.name.clone()).unwrap_or_default(),
            firm.representative.clone(),
        ]);
    }
    rows
}

async fn deliver(app: &App, registry: &str, source: &str, rows: &[Vec<String>]) -> Result<()> {
    let unwritten = |e| Fault::caused_by("write a demo delivery", e);
    let mut file = tempfile::NamedTempFile::new().map_err(unwritten)?;
    for row in rows {
        let cells: Vec<_> = row
            .iter()
            .map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")))
            .collect();
        writeln!(file, "{}", cells.join(",")).map_err(unwritten)?;
    }
    file.flush().map_err(unwritten)?;
    load(app, registry, source, file.path()).await
}

/// A whole city's people and firms, loaded as their departments deliver them: rows with slips are
/// refused one by one, as they would be. Does nothing where the same city was loaded before.
pub async fn populate_city(app: &App, settings: synthetic::Settings) -> Result<()> {
    let folder = tempfile::tempdir().map_err(|e| Fault::caused_by("make a folder", e))?;
    let dir = folder.path().to_owned();
    let written = tokio::task::spawn_blocking(move || write(settings, &dir, &|_| ()));
    written
        .await
        .map_err(|e| Fault::caused_by("make up a city", e))??;
    let deliveries = [
        ("population", "police"),
        ("legal_entity", "market-regulation"),
        ("social_insurance", "human-resources"),
    ];
    for (registry, source) in deliveries {
        let loading = Loading {
            registry: registry.to_owned(),
            source: source.to_owned(),
            batch: format!("city-{}-{}", settings.people, settings.seed),
            mode: Mode::KeepGood,
            valid_from: None,
        };
        let file = folder.path().join(format!("{source}.csv"));
        act::load(app, &Actor::system(), &loading, &file).await?;
    }
    Ok(())
}

async fn load(app: &App, registry: &str, source: &str, file: &Path) -> Result<()> {
    let loading = Loading {
        registry: registry.to_owned(),
        source: source.to_owned(),
        batch: format!("demo-{source}"),
        mode: Mode::AllOrNothing,
        valid_from: None,
    };
    let batch = act::load(app, &Actor::system(), &loading, file).await?;
    if batch.refused > 0 {
        let what = format!(
            "{} rows of the demo delivery {} are bad",
            batch.refused, batch.id
        );
        return Err(Fault::new(what).into());
    }
    Ok(())
}
