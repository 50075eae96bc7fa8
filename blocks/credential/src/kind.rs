//! Types of certificates, as packs define them.

use chrono::{Days, Months, NaiveDate};
use kernel::{Error, Fault, Finding, Result, Text, clock::micros, code};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, QueryOrder, sea_query::OnConflict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::{Tx, fault};

use crate::schema::{definition as definition_table, kind as table};

/// The face of a type without a template of its own.
const USUAL_FACE: &str = "#import \"/tongban/certificate.typ\": *\n#face(json(\"/data.json\"))\n";

/// The day that stands for a term without end.
pub const FOR_EVER: NaiveDate = match NaiveDate::from_ymd_opt(9999, 12, 31) {
    Some(day) => day,
    None => NaiveDate::MAX,
};

/// A type of certificate. Reads from a pack's TOML or JSON as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CertificateType {
    /// 21 characters: the defining body's social credit code and three digits.
    pub code: String,
    /// Chinese name, as `食品经营许可证`.
    #[schema(example = "食品经营许可证")]
    pub name: String,
    #[serde(default)]
    pub name_en: String,
    /// Typst source; empty for the house's usual face.
    #[serde(default)]
    pub template: String,
    /// What stands on the face, in order.
    #[serde(default)]
    pub face: Vec<FaceItem>,
    /// Months that a certificate is valid; none for certificates without end.
    #[serde(default)]
    pub valid_months: Option<u32>,
    /// Capital letters and digits in front of printed numbers, as `JY`.
    #[serde(default)]
    pub number_prefix: String,
}

/// An item of a certificate's face.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FaceItem {
    pub key: String,
    pub title: String,
    #[serde(default)]
    pub title_en: String,
    /// Refuse to issue without it.
    #[serde(default)]
    pub required: bool,
}

impl CertificateType {
    pub(crate) fn source(&self) -> &str {
        if self.template.is_empty() {
            USUAL_FACE
        } else {
            &self.template
        }
    }

    /// The last day of a term that begins on that day, when nobody says otherwise.
    pub(crate) fn last_day(&self, valid_from: NaiveDate) -> NaiveDate {
        self.valid_months
            .and_then(|months| valid_from.checked_add_months(Months::new(months)))
            .and_then(|day| day.checked_sub_days(Days::new(1)))
            .unwrap_or(FOR_EVER)
    }

    /// What is wrong with the definition, each at its key.
    pub fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut wrong = |field: &str, key| {
            findings.push(Finding::new(field, Text::new(key).with("code", &self.code)));
        };
        let definer = self.code.get(..18).unwrap_or_default();
        if code::certificate::build(&self.code, definer, "1", 1).is_err() {
            wrong("code", "credential-type-code");
        }
        if self.name.trim().is_empty() {
            wrong("name", "credential-type-name");
        }
        if !self
            .number_prefix
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        {
            wrong("number_prefix", "credential-type-prefix");
        }
        for item in &self.face {
            if item.key.is_empty() || item.title.is_empty() {
                wrong("face", "credential-type-face");
            }
        }
        findings
    }

    pub(crate) fn check_face(&self, face: &Map<String, Value>) -> Result<()> {
        let is_missing = |item: &&FaceItem| {
            let value = face.get(&item.key);
            item.required
                && value
                    .is_none_or(|v| v.is_null() || v.as_str().is_some_and(|t| t.trim().is_empty()))
        };
        let findings: Vec<_> = self
            .face
            .iter()
            .filter(is_missing)
            .map(|item| {
                let text = Text::new("credential-face-missing").with("title", &item.title);
                Finding::new(format!("face.{}", item.key), text)
            })
            .collect();
        if findings.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(findings))
        }
    }
}

/// Installs or replaces types in the caller's transaction; certificates already issued keep the
/// definition they were issued under.
pub async fn install(tx: &Tx, kind: &CertificateType) -> Result<()> {
    let findings = kind.check();
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    let row = table::ActiveModel {
        code: Set(kind.code.clone()),
        name_zh: Set(kind.name.clone()),
        name_en: Set(kind.name_en.clone()),
        definition: Set(text(kind)?),
        updated_at: Set(micros(tx.now())),
    };
    let columns = [
        table::Column::NameZh,
        table::Column::NameEn,
        table::Column::Definition,
        table::Column::UpdatedAt,
    ];
    table::Entity::insert(row)
        .on_conflict(
            OnConflict::column(table::Column::Code)
                .update_columns(columns)
                .to_owned(),
        )
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("install a certificate type", e))?;
    Ok(())
}

/// The type of that code as it is now.
pub async fn get(connection: &impl ConnectionTrait, code: &str) -> Result<CertificateType> {
    let row = table::Entity::find_by_id(code.to_owned())
        .one(connection)
        .await
        .map_err(|e| fault("read a certificate type", e))?
        .ok_or(Error::NotFound {
            what: "certificate type",
        })?;
    json(&row.definition)
}

/// All types, by code.
pub async fn list(connection: &impl ConnectionTrait) -> Result<Vec<CertificateType>> {
    let rows = table::Entity::find()
        .order_by_asc(table::Column::Code)
        .all(connection)
        .await
        .map_err(|e| fault("list certificate types", e))?;
    rows.iter().map(|row| json(&row.definition)).collect()
}

/// Keeps the definition that a certificate is issued under; its id.
pub(crate) async fn keep(tx: &Tx, kind: &CertificateType) -> Result<String> {
    let content = text(kind)?;
    let id = hex::encode(kernel::crypto::sm3(content.as_bytes()));
    let row = definition_table::ActiveModel {
        id: Set(id.clone()),
        content: Set(content),
    };
    definition_table::Entity::insert(row)
        .on_conflict(
            OnConflict::column(definition_table::Column::Id)
                .do_nothing()
                .to_owned(),
        )
        .try_insert()
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("keep a certificate type", e))?;
    Ok(id)
}

/// The definition that a certificate was issued under.
pub(crate) async fn kept(connection: &impl ConnectionTrait, id: &str) -> Result<CertificateType> {
    let row = definition_table::Entity::find_by_id(id.to_owned())
        .one(connection)
        .await
        .map_err(|e| fault("read a kept certificate type", e))?
        .ok_or_else(|| Fault::new("the definition of a certificate is gone"))?;
    json(&row.content)
}

fn text(kind: &CertificateType) -> Result<String> {
    serde_json::to_string(kind).map_err(|e| Fault::caused_by("write a certificate type", e).into())
}

fn json(text: &str) -> Result<CertificateType> {
    serde_json::from_str(text).map_err(|e| Fault::caused_by("read a certificate type", e).into())
}
