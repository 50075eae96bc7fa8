//! The quality check (质量检查): every rule that an entry keeps or breaks, so that a pass rate can
//! be told, and for each rule broken the place, the rule and the remedy.

use std::collections::BTreeSet;

use kernel::Text;
use serde::Serialize;

use crate::{
    code,
    metadata::{Item, Metadata},
    profile::{Length, Profile, of_code},
};

/// How much a broken rule weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RuleWeight)]
pub enum Weight {
    /// It cannot be published.
    Error,
    /// Somebody should look.
    Warning,
}

/// A rule that an entry breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Defect {
    /// Element of the metadata: `name`, `items/3/length`.
    pub place: String,
    pub weight: Weight,
    /// The rule and the remedy.
    pub text: Text,
}

/// What the check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Rules that spoke of this entry.
    pub rules: u32,
    pub defects: Vec<Defect>,
}

impl Report {
    pub fn errors(&self) -> impl Iterator<Item = &Defect> {
        self.defects.iter().filter(|d| d.weight == Weight::Error)
    }

    pub fn passes(&self) -> bool {
        self.errors().next().is_none()
    }

    pub fn count(&self, weight: Weight) -> i64 {
        let count = self.defects.iter().filter(|d| d.weight == weight).count();
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    /// Rules kept, in thousandths of those that spoke.
    pub fn rate(&self) -> i64 {
        let rules = i64::from(self.rules.max(1));
        (rules - self.count(Weight::Error)).max(0) * 1000 / rules
    }

    fn rule(&mut self, place: &str, weight: Weight, broken: Option<Text>) {
        self.rules += 1;
        self.defects.extend(broken.map(|text| Defect {
            place: place.to_owned(),
            weight,
            text,
        }));
    }

    fn must(&mut self, place: &str, is_kept: bool, key: &'static str) {
        self.rule(place, Weight::Error, (!is_kept).then(|| Text::new(key)));
    }

    fn should(&mut self, place: &str, is_kept: bool, key: &'static str) {
        self.rule(place, Weight::Warning, (!is_kept).then(|| Text::new(key)));
    }
}

/// What the check knows of the rest of the catalog.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub has_class: bool,
    pub has_provider: bool,
    /// Another entry of this provider has the name.
    pub has_namesake: bool,
    /// Code or name of an entry that describes the same thing.
    pub twin: Option<String>,
    /// Another entry has the code.
    pub has_code_twin: bool,
    pub unknown_related: Vec<String>,
    /// Following the related codes leads back here.
    pub has_circle: bool,
    pub unknown_tables: BTreeSet<String>,
    /// The basis on which it is not shared, where the list of exclusions says so.
    pub excluded: Option<String>,
}

/// Checks one entry.
pub fn check(entry: &Metadata, profile: &Profile, facts: &Facts) -> Report {
    let mut report = Report::default();
    identity(&mut report, entry, facts);
    format(&mut report, entry, profile);
    items(&mut report, entry, profile, facts);
    sharing(&mut report, entry, profile);
    exclusion(&mut report, entry, facts);
    opening(&mut report, entry);
    relations(&mut report, entry, facts);
    report
}

fn identity(report: &mut Report, entry: &Metadata, facts: &Facts) {
    report.must(
        "class",
        code::is_class(&entry.class),
        "catalog-rule-class-form",
    );
    if code::is_class(&entry.class) {
        report.must("class", facts.has_class, "catalog-rule-class-unknown");
    }
    report.must("name", !entry.name.is_empty(), "catalog-rule-name");
    report.must("name", !facts.has_namesake, "catalog-rule-name-twice");
    let twin = facts.twin.as_ref().filter(|_| !facts.has_namesake);
    let twin = twin.map(|other| Text::new("catalog-rule-twin").with("other", other));
    report.rule("name", Weight::Error, twin);
    if !entry.code.is_empty() {
        let parsed = code::parse(&entry.code);
        report.rule("code", Weight::Error, parsed.as_ref().err().cloned());
        if let Ok(parsed) = parsed {
            report.must(
                "code",
                parsed.front == entry.class,
                "catalog-rule-code-class",
            );
            report.must("code", !facts.has_code_twin, "catalog-rule-code-twice");
        }
    }
    let wrong = kernel::code::uscc::parse(&entry.provider).err();
    report.rule("provider", Weight::Error, wrong.map(|e| e.text()));
    report.must("provider", facts.has_provider, "catalog-rule-provider");
    report.must(
        "abstract",
        !entry.summary.is_empty(),
        "catalog-rule-abstract",
    );
    let is_telling = entry.summary.chars().count() >= 10 && entry.summary != entry.name;
    report.should(
        "abstract",
        entry.summary.is_empty() || is_telling,
        "catalog-rule-abstract-short",
    );
}

fn format(report: &mut Report, entry: &Metadata, profile: &Profile) {
    let format = of_code(&profile.formats, &entry.format_class);
    report.must(
        "format_class",
        format.is_some(),
        "catalog-rule-format-class",
    );
    let Some(format) = format else { return };
    if format.needs_description {
        let is_told = !entry.format_description.is_empty();
        report.must(
            "format_description",
            is_told,
            "catalog-rule-format-description",
        );
        return;
    }
    report.must(
        "format_type",
        !entry.format_type.is_empty(),
        "catalog-rule-format-type",
    );
    let is_usual = format
        .types
        .iter()
        .any(|t| t.eq_ignore_ascii_case(&entry.format_type));
    let is_silent = format.types.is_empty() || entry.format_type.is_empty();
    report.should(
        "format_type",
        is_silent || is_usual,
        "catalog-rule-format-unusual",
    );
}

fn items(report: &mut Report, entry: &Metadata, profile: &Profile, facts: &Facts) {
    let format = of_code(&profile.formats, &entry.format_class);
    if format.is_some_and(|format| format.needs_items) {
        report.must("items", !entry.items.is_empty(), "catalog-rule-items");
        let has_key = entry.items.is_empty() || entry.items.iter().any(|item| item.is_key);
        report.should("items", has_key, "catalog-rule-items-key");
    }
    let (mut names, mut fields) = (BTreeSet::new(), BTreeSet::new());
    for (place, item) in entry.items.iter().enumerate() {
        let at = |field: &str| format!("items/{place}/{field}");
        report.must(&at("name"), !item.name.is_empty(), "catalog-rule-item-name");
        let is_first = item.name.is_empty() || names.insert(&item.name);
        report.must(&at("name"), is_first, "catalog-rule-item-name-twice");
        let field = item.field.to_ascii_lowercase();
        let is_first = field.is_empty() || fields.insert(field);
        report.must(&at("field"), is_first, "catalog-rule-item-field-twice");
        length(report, item, place, profile);
        if !item.code_table.is_empty() {
            let is_known = !facts.unknown_tables.contains(&item.code_table);
            report.must(&at("code_table"), is_known, "catalog-rule-item-table");
        }
        if !item.level.is_empty() {
            let is_known = of_code(&profile.levels, &item.level).is_some();
            report.must(&at("level"), is_known, "catalog-rule-item-level");
        }
    }
}

fn length(report: &mut Report, item: &Item, place: usize, profile: &Profile) {
    let kind = of_code(&profile.item_types, &item.kind);
    let at = format!("items/{place}/type");
    report.must(&at, kind.is_some(), "catalog-rule-item-type");
    let Some(kind) = kind else { return };
    let at = format!("items/{place}/length");
    match kind.length {
        Length::None => {}
        Length::Whole => report.must(&at, is_count(&item.length), "catalog-rule-item-length"),
        Length::Decimal => report.must(&at, is_decimal(&item.length), "catalog-rule-item-digits"),
    }
}

fn is_count(text: &str) -> bool {
    text.parse::<u32>().is_ok_and(|n| n > 0)
}

/// `18` or `18,2`, with not more places than digits.
fn is_decimal(text: &str) -> bool {
    match text.split_once([',', '，']) {
        None => is_count(text),
        Some((digits, places)) => {
            let places = places.trim().parse::<u32>();
            let digits = digits.trim().parse::<u32>();
            matches!((digits, places), (Ok(d), Ok(p)) if d > 0 && p <= d)
        }
    }
}

fn sharing(report: &mut Report, entry: &Metadata, profile: &Profile) {
    let is_known = matches!(entry.share_type.as_str(), "1" | "2" | "3");
    report.must("share_type", is_known, "catalog-rule-share-type");
    let has_condition = !entry.share_condition.is_empty();
    match entry.share_type.as_str() {
        "1" => report.should("share_condition", has_condition, "catalog-rule-share-usage"),
        "2" => {
            report.must(
                "share_condition",
                has_condition,
                "catalog-rule-share-condition",
            );
            report.must(
                "share_scope",
                !entry.share_scope.is_empty(),
                "catalog-rule-share-scope",
            );
        }
        "3" => report.must("share_condition", has_condition, "catalog-rule-share-basis"),
        _ => {}
    }
    if entry.share_type == "1" {
        let is_mild = entry
            .items
            .iter()
            .all(|item| !matches!(item.level.as_str(), "4" | "5" | "6"));
        report.should("share_type", is_mild, "catalog-rule-share-sensitive");
    }
    if entry.share_type != "3" {
        let mode = of_code(&profile.share_modes, &entry.share_mode);
        report.must("share_mode", mode.is_some(), "catalog-rule-share-mode");
        // The first mode is the platform, by which sharing goes in principle.
        let is_platform = profile
            .share_modes
            .first()
            .is_some_and(|m| m.code == entry.share_mode);
        if is_platform {
            let kind = of_code(&profile.share_mode_types, &entry.share_mode_type);
            report.must(
                "share_mode_type",
                kind.is_some(),
                "catalog-rule-share-mode-type",
            );
        } else {
            let has_reason = !entry.share_mode_reason.is_empty();
            report.must(
                "share_mode_reason",
                has_reason,
                "catalog-rule-share-mode-reason",
            );
        }
    }
    let is_known = of_code(&profile.cycles, &entry.cycle).is_some();
    report.must("cycle", is_known, "catalog-rule-cycle");
}

/// What is not shared by law is described as not shared.
fn exclusion(report: &mut Report, entry: &Metadata, facts: &Facts) {
    let Some(basis) = &facts.excluded else {
        return;
    };
    let text = Text::new("catalog-rule-excluded").with("basis", basis);
    report.rule(
        "share_type",
        Weight::Error,
        (entry.share_type != "3").then_some(text),
    );
}

fn opening(report: &mut Report, entry: &Metadata) {
    if entry.is_open {
        report.must(
            "is_open",
            entry.share_type != "3",
            "catalog-rule-open-not-shared",
        );
        let has_condition = !entry.open_condition.is_empty();
        report.should(
            "open_condition",
            has_condition,
            "catalog-rule-open-condition",
        );
        let is_mild = entry
            .items
            .iter()
            .all(|item| !matches!(item.level.as_str(), "3" | "4" | "5" | "6"));
        report.must("is_open", is_mild, "catalog-rule-open-sensitive");
    }
}

fn relations(report: &mut Report, entry: &Metadata, facts: &Facts) {
    if entry.related.is_empty() {
        return;
    }
    let is_other = entry.code.is_empty() || !entry.related.contains(&entry.code);
    report.must("related", is_other, "catalog-rule-related-self");
    let unknown = facts.unknown_related.join("、");
    let unknown =
        (!unknown.is_empty()).then(|| Text::new("catalog-rule-related").with("codes", unknown));
    report.rule("related", Weight::Error, unknown);
    report.must("related", !facts.has_circle, "catalog-rule-related-circle");
}
