//! What a country's or region's guide leaves open, as a pack says it: code lists of formats,
//! types, modes and cycles, and working days of the clocks. The centre that reviews is named by
//! the city's own pack.

use std::collections::BTreeMap;

use kernel::{Error, Fault, Result};
use sea_orm::{ConnectionTrait, EntityTrait, sea_query::OnConflict};
use serde::{Deserialize, Serialize};
use store::{Tx, fault};

use crate::schema::setting;

/// The lists by which metadata is read and checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    pub formats: Vec<Format>,
    pub item_types: Vec<ItemType>,
    pub share_modes: Vec<Code>,
    pub share_mode_types: Vec<Code>,
    pub cycles: Vec<Cycle>,
    /// Sensitivity of items, the least first.
    pub levels: Vec<Code>,
    /// Working days by the name that processes use: `review`, `conditional`…
    pub days: BTreeMap<String, u32>,
    /// Social credit code of the body that reviews entries and checks requests.
    pub centre: String,
}

/// A code with its names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Code {
    pub code: String,
    pub zh: String,
    pub en: String,
}

/// A class of formats.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Format {
    pub code: String,
    pub zh: String,
    pub en: String,
    /// Usual types; others are allowed.
    pub types: Vec<String>,
    pub needs_items: bool,
    pub needs_description: bool,
}

/// A type of an item and what its length means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ItemType {
    pub code: String,
    pub zh: String,
    pub en: String,
    pub length: Length,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Length {
    /// The type has its own length.
    #[default]
    None,
    /// A number of characters.
    Whole,
    /// Digits, or digits and decimal places: `18,2`.
    Decimal,
}

/// How often a resource is renewed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cycle {
    pub code: String,
    pub zh: String,
    pub en: String,
    /// ISO 8601 duration after which data is late; empty for no fixed cycle.
    pub interval: String,
    /// Name in the EU vocabulary of frequencies, for DCAT.
    pub frequency: String,
}

/// Anything of the lists above: found by its code or by a name.
pub trait Named {
    fn code(&self) -> &str;
    fn zh(&self) -> &str;
    fn en(&self) -> &str;
}

macro_rules! named {
    ($($kind:ty),*) => {$(
        impl Named for $kind {
            fn code(&self) -> &str { &self.code }
            fn zh(&self) -> &str { &self.zh }
            fn en(&self) -> &str { &self.en }
        }
    )*};
}
named!(Code, Format, ItemType, Cycle);

/// The entry of this code.
pub fn of_code<'a, T: Named>(list: &'a [T], code: &str) -> Option<&'a T> {
    list.iter().find(|one| one.code() == code)
}

/// The code that a cell means: a code, also with leading zeros, or a name in either language.
/// What is unknown stays as it is, so that the check can name it.
pub fn code_of<T: Named>(list: &[T], cell: &str) -> String {
    let plain = cell.trim();
    let short = plain.trim_start_matches('0');
    let found = list.iter().find(|one| {
        one.code() == plain
            || (!short.is_empty() && one.code() == short)
            || one.zh() == plain
            || one.en().eq_ignore_ascii_case(plain)
            || plain
                .strip_prefix(one.code())
                .and_then(|rest| rest.strip_prefix(' '))
                == Some(one.zh())
    });
    found.map_or(plain, |one| one.code()).to_owned()
}

/// The name of a code in one of the languages; the code itself where it is unknown.
pub fn name_of<T: Named>(list: &[T], code: &str, is_chinese: bool) -> String {
    of_code(list, code).map_or_else(
        || code.to_owned(),
        |one| {
            if is_chinese || one.en().is_empty() {
                one.zh()
            } else {
                one.en()
            }
            .to_owned()
        },
    )
}

impl Profile {
    pub fn days(&self, name: &str) -> u32 {
        self.days.get(name).copied().unwrap_or(10)
    }

    /// Takes over every list that the other one has.
    fn take(&mut self, other: Self) {
        fn put<T>(mine: &mut Vec<T>, other: Vec<T>) {
            if !other.is_empty() {
                *mine = other;
            }
        }
        put(&mut self.formats, other.formats);
        put(&mut self.item_types, other.item_types);
        put(&mut self.share_modes, other.share_modes);
        put(&mut self.share_mode_types, other.share_mode_types);
        put(&mut self.cycles, other.cycles);
        put(&mut self.levels, other.levels);
        self.days.extend(other.days);
        if !other.centre.is_empty() {
            self.centre = other.centre;
        }
    }
}

/// Keeps a part of the profile under a name; the parts are put together in the order of names.
pub async fn install(tx: &Tx, name: &str, part: &Profile) -> Result<()> {
    let document =
        serde_json::to_string(part).map_err(|e| Fault::caused_by("write a profile", e))?;
    let row = setting::ActiveModel {
        id: sea_orm::ActiveValue::Set(name.to_owned()),
        document: sea_orm::ActiveValue::Set(document),
    };
    let replace = OnConflict::column(setting::Column::Id)
        .update_column(setting::Column::Document)
        .to_owned();
    setting::Entity::insert(row)
        .on_conflict(replace)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("write a profile", e))?;
    Ok(())
}

/// The profile of this installation; refused where no pack brings one.
pub async fn get(db: &impl ConnectionTrait) -> Result<Profile> {
    let profile = lookup(db).await?;
    profile.ok_or_else(|| Error::refused("catalog-no-profile"))
}

/// Social credit code of the centre; empty where no pack names one.
pub async fn centre(db: &impl ConnectionTrait) -> Result<String> {
    Ok(lookup(db).await?.unwrap_or_default().centre)
}

async fn lookup(db: &impl ConnectionTrait) -> Result<Option<Profile>> {
    use sea_orm::QueryOrder;
    let rows = setting::Entity::find()
        .order_by_asc(setting::Column::Id)
        .all(db)
        .await
        .map_err(|e| fault("read the profile", e))?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut profile = Profile::default();
    for row in rows {
        let part = serde_json::from_str(&row.document)
            .map_err(|e| Fault::caused_by("read the profile", e))?;
        profile.take(part);
    }
    Ok(Some(profile))
}
