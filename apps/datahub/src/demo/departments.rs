//! What the departments of the made-up city keep of its people and firms: one CSV file for each, with
//! the slips of who wrote it, and the truth beside them for scoring.

use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

use chrono::{Datelike, Days};
use kernel::{Fault, Result};
use synthetic::{City, Dice, Habits, Household, Mention, Person, Settings, firm, mention, today};

/// How many rows each file got.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    pub people: u64,
    pub firms: u64,
    pub rows: std::collections::BTreeMap<&'static str, u64>,
}

const README: &str = "合成数据 Synthetic data\n\n\
    Everybody and everything in these files is made up (合成). Citizen numbers have the prefixes of \
    whole provinces, which were given to nobody; telephones begin with 1990; no street or firm is \
    called so. The same --people and --seed give the same files.\n\n\
    truth.csv says for each row of the other files whom it is about, and what slipped when it was \
    written.\n";

/// Writes the files of all departments into a folder, telling how many people were written.
pub fn write(settings: Settings, dir: &Path, progress: &dyn Fn(u64)) -> Result<Written> {
    std::fs::create_dir_all(dir).map_err(unwritten)?;
    std::fs::write(dir.join("README.md"), README).map_err(unwritten)?;
    let mut files = Files::open(settings, dir)?;
    for household in City::new(settings) {
        files.household(&household)?;
        progress(files.written.people);
    }
    files.finish()
}

fn unwritten(error: impl std::error::Error + Send + Sync + 'static) -> Fault {
    Fault::caused_by("write a department's file", error)
}

/// One department's file, and where each of its rows is noted.
struct Sheet {
    name: &'static str,
    out: csv::Writer<BufWriter<File>>,
    rows: u64,
}

impl Sheet {
    fn open(dir: &Path, name: &'static str, head: &[&str]) -> Result<Self> {
        let path: PathBuf = dir.join(format!("{name}.csv"));
        let file = File::create(path).map_err(unwritten)?;
        let mut out = csv::Writer::from_writer(BufWriter::with_capacity(1 << 16, file));
        out.write_record(head).map_err(unwritten)?;
        Ok(Self { name, out, rows: 0 })
    }

    fn row(&mut self, cells: &[&str]) -> Result<()> {
        self.rows += 1;
        self.out.write_record(cells).map_err(unwritten)?;
        Ok(())
    }
}

struct Files {
    settings: Settings,
    /// Of each department its own, so that one's slips do not depend on another's rows.
    dice: [Dice; 6],
    police: Sheet,
    human_resources: Sheet,
    market: Sheet,
    tax: Sheet,
    housing: Sheet,
    community: Sheet,
    truth: Sheet,
    written: Written,
}

impl Files {
    fn open(settings: Settings, dir: &Path) -> Result<Self> {
        let open = |name, head: &[&str]| Sheet::open(dir, name, head);
        let dice = |place: u64| Dice::new(settings.seed, 0x8000_0000_0000_0000 + place);
        Ok(Self {
            settings,
            dice: [dice(0), dice(1), dice(2), dice(3), dice(4), dice(5)],
            police: open(
                "police",
                &[
                    "gmsfhm", "xm", "xbdm", "csrq", "hh", "yhzgx", "hjdz", "lxdh", "hyzk",
                ],
            )?,
            human_resources: open(
                "human-resources",
                &["gmsfhm", "xzlx", "jfdw", "jfdwdm", "jfjs", "ksny"],
            )?,
            market: open(
                "market-regulation",
                &[
                    "uniscid", "entname", "entkind", "regstate", "estdate", "regcap", "dom", "tel",
                    "name", "cerno",
                ],
            )?,
            tax: open(
                "tax",
                &["uniscid", "taxkind", "period", "amount", "paidon", "ly"],
            )?,
            housing: open(
                "housing",
                &["bdcdyh", "qlr", "zjhm", "zl", "mj", "djrq", "ly"],
            )?,
            community: open(
                "community",
                &["bh", "gmsfhm", "xm", "xbdm", "csrq", "lxdh", "jzdz", "ly"],
            )?,
            truth: open("truth", &["file", "row", "subject", "slips"])?,
            written: Written::default(),
        })
    }

    fn household(&mut self, household: &Household) -> Result<()> {
        for person in &household.people {
            self.written.people += 1;
            self.police(person)?;
            self.insured(person)?;
            self.housing(person)?;
            self.community(person)?;
        }
        // Firms are founded as the city grows, each by somebody of the household that is written.
        let due = self.written.people * self.settings.firms() / self.settings.people.max(1);
        while self.written.firms < due {
            if let Some(founder) = household.people.first() {
                self.firm(founder)?;
            }
        }
        Ok(())
    }

    fn police(&mut self, person: &Person) -> Result<()> {
        let [dice, ..] = &mut self.dice;
        let careful = mention(dice, person, &Habits::careful());
        let again = person.second_number.as_ref().map(|number| {
            let habits = Habits {
                number_missing: 0,
                number_of_old: 0,
                number_typo: 0,
                other_form: 0,
                ..Habits::careless()
            };
            let mention = mention(dice, person, &habits);
            Mention {
                number: number.clone(),
                ..mention
            }
        });
        for told in std::iter::once(careful).chain(again) {
            let household = format!("3210{:08}", person.household);
            let marital = if person.is_married { "20" } else { "10" };
            let relation = person.relation.code(person.sex);
            self.police.row(&[
                &told.number,
                &told.name,
                &told.sex,
                &told.birth,
                &household,
                relation,
                &told.address,
                &told.phone,
                marital,
            ])?;
            note(&mut self.truth, &self.police, "person", person.index, &told)?;
        }
        Ok(())
    }

    /// Social insurance of who works.
    fn insured(&mut self, person: &Person) -> Result<()> {
        let Some(employer) = person.employer else {
            return Ok(());
        };
        let [_, dice, ..] = &mut self.dice;
        let told = mention(dice, person, &Habits::careful());
        let firm = firm(&self.settings, employer);
        // Who changed jobs is still insured by the former employer, for some.
        let begun = today()
            .checked_sub_days(Days::new(30 + dice.below(3_000)))
            .unwrap_or_default();
        for kind in ["养老", "工伤"] {
            self.human_resources.row(&[
                &told.number,
                kind,
                &firm.name,
                &firm.code,
                &format!("{}.00", person.wage),
                &begun.to_string(),
            ])?;
            note(
                &mut self.truth,
                &self.human_resources,
                "person",
                person.index,
                &told,
            )?;
        }
        Ok(())
    }

    /// The flat that a household owns.
    fn housing(&mut self, person: &Person) -> Result<()> {
        if person.owned_area == 0 {
            return Ok(());
        }
        let [_, _, dice, ..] = &mut self.dice;
        let habits = Habits {
            number_of_old: 80,
            address_stale: 0,
            ..Habits::careful()
        };
        let told = mention(dice, person, &habits);
        let years = u32::try_from(dice.below(20)).unwrap_or_default();
        let day = today().with_year(today().year() - i32::try_from(years).unwrap_or_default());
        // District, cadastral zones, parcel, building, unit: 28 characters.
        let unit = format!(
            "321002001001GB{:05}F{:08}",
            person.household % 100_000,
            person.index % 100_000_000
        );
        self.housing.row(&[
            &unit,
            &told.name,
            &told.number,
            &told.address,
            &format!("{}.00", person.owned_area),
            &day.unwrap_or_default().to_string(),
            "合成",
        ])?;
        note(
            &mut self.truth,
            &self.housing,
            "person",
            person.index,
            &told,
        )
    }

    /// Who was met at the door, some of them twice or thrice.
    fn community(&mut self, person: &Person) -> Result<()> {
        let [_, _, _, dice, ..] = &mut self.dice;
        let times = match dice.below(100) {
            0..13 => 2,
            13..15 => 3,
            _ => 1,
        };
        for _ in 0..times {
            let [_, _, _, dice, ..] = &mut self.dice;
            let told = mention(dice, person, &Habits::careless());
            let number = format!("C{:09}", self.community.rows + 1);
            self.community.row(&[
                &number,
                &told.number,
                &told.name,
                &told.sex,
                &told.birth,
                &told.phone,
                &told.address,
                "合成",
            ])?;
            note(
                &mut self.truth,
                &self.community,
                "person",
                person.index,
                &told,
            )?;
        }
        Ok(())
    }

    fn firm(&mut self, founder: &Person) -> Result<()> {
        let own = firm(&self.settings, self.written.firms);
        self.written.firms += 1;
        let [.., dice, _] = &mut self.dice;
        // Of the dissolved some still pay taxes, and some others never did.
        let state = if dice.happens(930) { "1" } else { "4" };
        self.market.row(&[
            &own.code,
            &own.name,
            "10",
            state,
            &own.founded.to_string(),
            &own.capital.to_string(),
            &own.address,
            &own.phone,
            &founder.name,
            &founder.number,
        ])?;
        let none = Mention::default();
        note(&mut self.truth, &self.market, "firm", own.index, &none)?;
        let [.., dice] = &mut self.dice;
        let months = if dice.happens(60) { 0 } else { 12 };
        let usual = own.capital * 40 + dice.below(3_000);
        for month in 1..=months {
            let cents = dice.below(100);
            let amount = format!("{}.{cents:02}", usual + dice.below(usual / 4 + 1));
            let paid = format!("2025-{month:02}-15");
            let period = format!("2025{month:02}");
            self.tax
                .row(&[&own.code, "增值税", &period, &amount, &paid, "合成"])?;
            note(&mut self.truth, &self.tax, "firm", own.index, &none)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Written> {
        let sheets = [
            self.police,
            self.human_resources,
            self.market,
            self.tax,
            self.housing,
            self.community,
            self.truth,
        ];
        for mut sheet in sheets {
            sheet.out.flush().map_err(unwritten)?;
            self.written.rows.insert(sheet.name, sheet.rows);
        }
        Ok(self.written)
    }
}

/// Notes of the row that was just written whom it is about.
fn note(truth: &mut Sheet, sheet: &Sheet, kind: &str, subject: u64, told: &Mention) -> Result<()> {
    let slips: Vec<&str> = told.slips.iter().map(|slip| slip.name()).collect();
    let (row, subject) = (sheet.rows.to_string(), format!("{kind}-{subject}"));
    truth.row(&[sheet.name, &row, &subject, &slips.join(" ")])
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_files_are_the_same_every_time_and_the_truth_counts_every_row() {
        let settings = Settings {
            people: 2_000,
            seed: 5,
        };
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let written = write(settings, one.path(), &|_| ()).unwrap();
        assert_eq!(write(settings, two.path(), &|_| ()).unwrap(), written);
        assert_eq!((written.people, written.firms), (2_000, 50));
        let mut rows = 0;
        for (name, count) in &written.rows {
            let read = |dir: &Path| std::fs::read(dir.join(format!("{name}.csv"))).unwrap();
            assert_eq!(read(one.path()), read(two.path()), "{name}");
            assert!(*count > 0, "{name}");
            if *name != "truth" {
                rows += count;
            }
        }
        assert_eq!(written.rows["truth"], rows);
        let mut reader = csv::Reader::from_path(one.path().join("truth.csv")).unwrap();
        let mut twice: HashMap<String, u32> = HashMap::new();
        for row in reader.records() {
            let row = row.unwrap();
            if &row[0] == "community" {
                *twice.entry(row[2].to_owned()).or_default() += 1;
            }
        }
        let again = twice.values().map(|n| n - 1).sum::<u32>();
        assert!((250..450).contains(&again), "{again} of 2,000 met again");
    }
}
