//! Core metadata of a resource, element by element as the guide of 2017 lists it, and the
//! extensions that are seen in practice.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use kernel::{Error, Finding, Result, Text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Items that a resource has at the most.
pub const MOST_ITEMS: usize = 2_000;

/// What is said of a resource. A draft may lack anything but its provider; what must be there is
/// told by [`crate::check`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = ResourceMetadata)]
pub struct Metadata {
    /// Classification (front part of the code).
    #[schema(example = "101001")]
    pub class: String,
    #[schema(example = "人口基本信息（合成）")]
    pub name: String,
    pub name_en: String,
    /// Assigned when it is published, unless it has one already.
    #[schema(example = "101001/000001")]
    pub code: String,
    /// Unified social credit code of the department that provides it.
    #[schema(example = "11321000990000033R")]
    pub provider: String,
    pub provider_name: String,
    pub inner_department: String,
    #[serde(rename = "abstract")]
    #[schema(example = "全市常住人口的姓名、性别、出生日期和住址，每日更新。")]
    pub summary: String,
    #[schema(example = "3")]
    pub format_class: String,
    #[schema(example = "PostgreSQL")]
    pub format_type: String,
    /// Of formats that describe themselves.
    pub format_description: String,
    pub items: Vec<Item>,
    /// 1 without condition, 2 on a condition, 3 not shared.
    #[schema(example = "2")]
    pub share_type: String,
    /// What it may be used for, the condition, or the legal basis for not sharing.
    #[schema(example = "用于行政审批核验")]
    pub share_condition: String,
    /// Which departments may have it, when shared on a condition.
    #[schema(example = "市级行政审批部门")]
    pub share_scope: String,
    #[schema(example = "1")]
    pub share_mode: String,
    #[schema(example = "1")]
    pub share_mode_type: String,
    /// Why it is not shared by the platform.
    pub share_mode_reason: String,
    pub is_open: bool,
    pub open_condition: String,
    #[schema(example = "2")]
    pub cycle: String,
    /// The day its provider publishes it; today's when it is published without one.
    pub published_on: Option<NaiveDate>,
    /// Codes of resources that belong to it.
    pub related: Vec<String>,
    pub related_matter: String,
    pub theme: String,
    /// Its identifier in an older scheme.
    pub alt_identifier: String,
}

/// One item of a resource (信息项).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = ResourceItem)]
pub struct Item {
    #[schema(example = "姓名")]
    pub name: String,
    /// Name of the column or member.
    #[schema(example = "xm")]
    pub field: String,
    #[serde(rename = "type")]
    #[schema(example = "C")]
    pub kind: String,
    #[schema(example = "100")]
    pub length: String,
    pub is_key: bool,
    /// The code table whose codes it holds.
    pub code_table: String,
    #[schema(example = "3")]
    pub level: String,
    /// Number of the data element in a standard.
    pub standard: String,
}

impl Metadata {
    /// Trims everything, and folds what is a code.
    #[must_use]
    pub fn tidy(mut self) -> Self {
        for (_, text, _) in self.texts_mut() {
            let trimmed = text.trim();
            if trimmed.len() != text.len() {
                *text = trimmed.to_owned();
            }
        }
        self.provider = kernel::code::normalise(&self.provider);
        for item in &mut self.items {
            for (_, text, _) in item.texts_mut() {
                *text = text.trim().to_owned();
            }
        }
        let mut seen = BTreeSet::new();
        self.related = std::mem::take(&mut self.related)
            .into_iter()
            .map(|code| code.trim().to_owned())
            .filter(|code| !code.is_empty() && seen.insert(code.clone()))
            .collect();
        self
    }

    /// Name, text, longest.
    fn texts_mut(&mut self) -> [(&'static str, &mut String, usize); 22] {
        [
            ("class", &mut self.class, 26),
            ("name", &mut self.name, 200),
            ("name_en", &mut self.name_en, 200),
            ("code", &mut self.code, crate::code::LONGEST),
            ("provider", &mut self.provider, 18),
            ("provider_name", &mut self.provider_name, 200),
            ("inner_department", &mut self.inner_department, 200),
            ("abstract", &mut self.summary, 2000),
            ("format_class", &mut self.format_class, 20),
            ("format_type", &mut self.format_type, 100),
            ("format_description", &mut self.format_description, 1000),
            ("share_type", &mut self.share_type, 20),
            ("share_condition", &mut self.share_condition, 1000),
            ("share_scope", &mut self.share_scope, 1000),
            ("share_mode", &mut self.share_mode, 50),
            ("share_mode_type", &mut self.share_mode_type, 50),
            ("share_mode_reason", &mut self.share_mode_reason, 1000),
            ("open_condition", &mut self.open_condition, 1000),
            ("cycle", &mut self.cycle, 50),
            ("related_matter", &mut self.related_matter, 500),
            ("theme", &mut self.theme, 100),
            ("alt_identifier", &mut self.alt_identifier, 100),
        ]
    }

    /// What no draft may have: texts that are too long or unreadable, too many items.
    pub fn mistakes(&self) -> Vec<Finding> {
        let mut copy = self.clone();
        let mut findings = Vec::new();
        for (field, text, longest) in copy.texts_mut() {
            findings.extend(unfit(text, longest).map(|text| Finding::new(field, text)));
        }
        for (place, item) in copy.items.iter_mut().enumerate() {
            for (field, text, longest) in item.texts_mut() {
                let wrong = unfit(text, longest);
                findings.extend(wrong.map(|t| Finding::new(format!("items/{place}/{field}"), t)));
            }
        }
        if self.items.len() > MOST_ITEMS {
            let text = Text::new("catalog-items-many").with("most", MOST_ITEMS);
            findings.push(Finding::new("items", text));
        }
        if self.related.len() > 200 || self.related.iter().any(|c| c.len() > crate::code::LONGEST) {
            findings.push(Finding::new("related", Text::new("catalog-code-form")));
        }
        findings
    }

    /// Refuses what no draft may have.
    pub fn need_fit(&self) -> Result<()> {
        let mistakes = self.mistakes();
        if mistakes.is_empty() {
            return Ok(());
        }
        Err(Error::Invalid(mistakes))
    }

    /// What a search looks into, in small letters.
    pub(crate) fn words(&self) -> String {
        let mut words = vec![
            self.name.as_str(),
            &self.name_en,
            &self.summary,
            &self.code,
            &self.provider_name,
            &self.theme,
        ];
        for item in &self.items {
            words.push(&item.name);
            words.push(&item.field);
        }
        words.join("\n").to_ascii_lowercase()
    }

    /// The same for two entries that describe one thing: provider, name, names of items.
    pub(crate) fn fingerprint(&self) -> String {
        let fold = |text: &str| kernel::code::normalise(text).replace(char::is_whitespace, "");
        let mut items: Vec<_> = self.items.iter().map(|item| fold(&item.name)).collect();
        items.sort();
        let whole = format!(
            "{}\n{}\n{}",
            self.provider,
            fold(&self.name),
            items.join("\n")
        );
        hex::encode(kernel::crypto::sm3(whole.as_bytes()))
    }
}

impl Item {
    fn texts_mut(&mut self) -> [(&'static str, &mut String, usize); 7] {
        [
            ("name", &mut self.name, 200),
            ("field", &mut self.field, 100),
            ("type", &mut self.kind, 20),
            ("length", &mut self.length, 20),
            ("code_table", &mut self.code_table, 100),
            ("level", &mut self.level, 20),
            ("standard", &mut self.standard, 100),
        ]
    }
}

/// Why a text cannot be kept; line ends and tabs are welcome.
pub(crate) fn unfit(text: &str, longest: usize) -> Option<Text> {
    let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if text.contains(char::REPLACEMENT_CHARACTER) || text.contains(is_odd) {
        return Some(Text::new("catalog-text-unreadable"));
    }
    let length = text.chars().count();
    (length > longest).then(|| {
        Text::new("catalog-text-long")
            .with("length", length)
            .with("longest", longest)
    })
}
