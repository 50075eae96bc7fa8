//! What the guide page shows of a matter, in plain words.

use web::Page;

use crate::matter::{
    DayUnit, Limit, MaterialType, Matter, Medium, Necessity, ResultType, Source, State,
};

/// A material as a reader sees it.
pub struct MaterialLine {
    pub name: String,
    /// "original, paper or electronic, required"
    pub facts: String,
    pub notes: String,
    pub blank: String,
    pub sample: String,
    /// The office has it already; nothing is to be handed in.
    pub is_free: bool,
}

pub fn materials(p: &Page, matter: &Matter) -> Vec<MaterialLine> {
    let lines = matter.materials.iter().map(|m| {
        let kind = p.t(match m.kind {
            MaterialType::Original => "service-material-original",
            MaterialType::Copy => "service-material-copy",
            MaterialType::Both => "service-material-both",
        });
        let mut facts = vec![kind];
        facts.extend(match m.format {
            Medium::Paper => Some(p.t("service-material-paper")),
            Medium::Electronic => Some(p.t("service-material-electronic")),
            Medium::Either => Some(p.t("service-material-either")),
            Medium::Unset => None,
        });
        if m.copies > 0 {
            facts.push(p.t1("service-material-copies", "count", m.copies));
        }
        facts.extend(match m.source {
            Source::Applicant => Some(p.t("service-material-by-applicant")),
            Source::Government => Some(p.t("service-material-by-government")),
            Source::Other | Source::Unset => None,
        });
        facts.extend(match m.need {
            Necessity::Required => Some(p.t("service-material-required")),
            Necessity::Optional => Some(p.t("service-material-optional")),
            Necessity::Deferred => Some(p.t("service-material-deferred")),
            Necessity::Unset => None,
        });
        MaterialLine {
            name: p.zh(&m.name),
            facts: facts.join(" · "),
            notes: p.zh(if m.notes.is_empty() {
                &m.standard
            } else {
                &m.notes
            }),
            blank: m.blank.clone(),
            sample: m.sample.clone(),
            is_free: m.licence.is_some(),
        }
    });
    lines.collect()
}

/// A limit in words; a dash when nobody has said.
pub fn limit(p: &Page, limit: &Limit) -> String {
    let Some(days) = limit.days else {
        return "—".to_owned();
    };
    if days == 0 {
        return p.t("service-limit-none");
    }
    duration(p, days, limit.unit)
}

pub fn duration(p: &Page, days: u32, unit: DayUnit) -> String {
    let key = match unit {
        DayUnit::WorkingDay => "service-limit-working-days",
        DayUnit::NaturalDay => "service-limit-natural-days",
        DayUnit::Hour => "service-limit-hours",
        DayUnit::Minute => "service-limit-minutes",
        DayUnit::Month => "service-limit-months",
    };
    p.t1(key, "count", days)
}

/// The promise in words.
pub fn promise(p: &Page, matter: &Matter) -> String {
    if matter.is_instant() && matter.promise.days.unwrap_or_default() == 0 {
        return p.t("service-limit-instant");
    }
    limit(p, &matter.promise)
}

pub fn audiences(p: &Page, matter: &Matter) -> String {
    let names = matter.server_type.iter().map(|code| {
        p.t(match code {
            1 => "service-audience-person",
            2 => "service-audience-firm",
            3 => "service-audience-institution",
            4 => "service-audience-social",
            5 => "service-audience-unincorporated",
            6 => "service-audience-administration",
            _ => "service-audience-other",
        })
    });
    names.collect::<Vec<_>>().join(" · ")
}

pub fn ways(p: &Page, matter: &Matter) -> String {
    let names = matter.handle_type.iter().map(|code| {
        p.t(match code {
            1 => "service-way-window",
            2 => "service-way-online",
            _ => "service-way-post",
        })
    });
    names.collect::<Vec<_>>().join(" · ")
}

/// The message key of an item type.
pub fn type_key(task_type: &str) -> &'static str {
    match task_type {
        "01" => "service-type-01",
        "02" => "service-type-02",
        "03" => "service-type-03",
        "04" => "service-type-04",
        "05" => "service-type-05",
        "06" => "service-type-06",
        "07" => "service-type-07",
        "08" => "service-type-08",
        "09" => "service-type-09",
        "10" => "service-type-10",
        "20" => "service-type-20",
        _ => "service-type-local",
    }
}

pub fn state_key(state: State) -> &'static str {
    match state {
        State::Draft => "service-matter-state-draft",
        State::Listed => "service-matter-state-listed",
        State::Published => "service-matter-state-published",
        State::Suspended => "service-matter-state-suspended",
        State::Cancelled => "service-matter-state-cancelled",
        State::Superseded => "service-matter-state-superseded",
    }
}

pub fn result_key(kind: ResultType) -> &'static str {
    match kind {
        ResultType::Certificate => "service-result-certificate",
        ResultType::Decision => "service-result-decision",
        ResultType::Other => "service-result-other",
        ResultType::Nothing | ResultType::Unset => "service-result-nothing",
    }
}
