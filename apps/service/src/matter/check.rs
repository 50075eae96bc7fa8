//! The eighteen publication checks (发布校验): a matter that fails one is not published.

use std::collections::HashSet;

use kernel::{Finding, Text, code::matter as matter_code};

use super::{DayUnit, DeptType, Limit, Matter, Medium, Necessity, ResultType, Source};

/// Everything that keeps the matter from being published, in the order of the checks.
pub fn checks(matter: &Matter) -> Vec<Finding> {
    let all: [fn(&Matter, &mut Findings); 18] = [
        promise_within_legal,
        instant_is_instant,
        fully_online_needs_no_visit,
        no_visit_offline_needs_mail,
        visits_are_approved,
        fees_have_basis,
        online_has_address,
        has_legal_basis,
        materials_are_described,
        phones_differ,
        result_is_named,
        licence_has_remedies,
        links_fit_promise,
        entrusted_names_principal,
        dates_in_order,
        code_is_right,
        materials_are_distinct,
        low_level_names_place,
    ];
    let mut findings = Findings(Vec::new());
    for check in all {
        check(matter, &mut findings);
    }
    findings.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, field: impl Into<String>, key: &'static str) {
        self.0.push(Finding::new(field, Text::new(key)));
    }

    fn add_with(
        &mut self,
        field: impl Into<String>,
        key: &'static str,
        value: impl std::fmt::Display,
    ) {
        self.0
            .push(Finding::new(field, Text::new(key).with("value", value)));
    }
}

/// The limit in minutes when its unit is one that compares; working days compare with working
/// days only, since how many natural days they are depends on the calendar.
fn comparable(limit: &Limit) -> Option<(bool, u64)> {
    let days = u64::from(limit.days?);
    Some(match limit.unit {
        DayUnit::WorkingDay => (true, days),
        DayUnit::NaturalDay => (false, days * 24 * 60),
        DayUnit::Hour => (false, days * 60),
        DayUnit::Minute => (false, days),
        // One month is shown as 22 working days and compared as such.
        DayUnit::Month => (true, days * 22),
    })
}

/// 1. The promise is no longer than the law allows; a limit of 0 by law must be explained.
fn promise_within_legal(matter: &Matter, findings: &mut Findings) {
    let (Some(legal), Some(promise)) =
        (comparable(&matter.anticipate), comparable(&matter.promise))
    else {
        return findings.add("promise", "service-check-01-missing");
    };
    if legal.1 == 0 {
        if matter.anticipate.explain.is_empty() {
            findings.add("anticipate.explain", "service-check-01-explain");
        }
        return;
    }
    // An instant promise is within any limit, whatever its unit.
    if promise.1 == 0 {
        return;
    }
    if legal.0 != promise.0 {
        findings.add("promise.unit", "service-check-01-unit");
    } else if promise.1 > legal.1 {
        findings.add_with("promise.days", "service-check-01", legal.1);
    }
}

/// 2. What is done on the spot promises at most one working day and has no special procedure.
fn instant_is_instant(matter: &Matter, findings: &mut Findings) {
    if !matter.is_instant() {
        return;
    }
    let is_short = match comparable(&matter.promise) {
        Some((true, days)) => days <= 1,
        Some((false, minutes)) => minutes <= 24 * 60,
        None => false,
    };
    if !is_short || !matter.special_procedures.is_empty() {
        findings.add("project_type", "service-check-02");
    }
}

/// 3. What is wholly online needs no visit.
fn fully_online_needs_no_visit(matter: &Matter, findings: &mut Findings) {
    if matter.is_fully_online() && matter.limit_scene_num != Some(0) {
        findings.add("limit_scene_num", "service-check-03");
    }
}

/// 4. No visit and not online: then both materials and result go by post.
fn no_visit_offline_needs_mail(matter: &Matter, findings: &mut Findings) {
    let is_by_post = matter.is_mail_material && matter.is_mail_result;
    if matter.limit_scene_num == Some(0) && !matter.is_online && !is_by_post {
        findings.add("is_mail_material", "service-check-04");
    }
}

/// 5. The number of visits is stated; more than one was approved by somebody, for a reason.
fn visits_are_approved(matter: &Matter, findings: &mut Findings) {
    let Some(visits) = matter.limit_scene_num else {
        return findings.add("limit_scene_num", "service-check-05-missing");
    };
    if visits >= 1 && matter.limit_scene_explain.is_empty() {
        findings.add("limit_scene_explain", "service-check-05-explain");
    }
    if visits > 1 && matter.limit_scene_approval.is_empty() {
        findings.add("limit_scene_approval", "service-check-05");
    }
}

/// 6. Fees are listed with their basis exactly when fees are taken.
fn fees_have_basis(matter: &Matter, findings: &mut Findings) {
    if matter.is_fee && matter.fees.is_empty() {
        findings.add("fees", "service-check-06-none");
    }
    if !matter.is_fee && !matter.fees.is_empty() {
        findings.add("is_fee", "service-check-06-free");
    }
    for (index, fee) in matter.fees.iter().enumerate() {
        if fee.basis.is_empty() || fee.name.is_empty() || fee.standard.is_empty() {
            findings.add(format!("fees/{index}"), "service-check-06");
        }
    }
}

/// 7. What is online has an address and a depth.
fn online_has_address(matter: &Matter, findings: &mut Findings) {
    if matter.is_online && (matter.online_url.is_empty() || matter.online_depth.is_empty()) {
        findings.add("online_url", "service-check-07");
    }
}

/// 8. At least one legal basis names its article.
fn has_legal_basis(matter: &Matter, findings: &mut Findings) {
    let has_article = |law: &super::Law| !law.name.is_empty() && !law.article.is_empty();
    if !matter.by_law.iter().any(has_article) {
        findings.add("by_law", "service-check-08");
    }
}

/// 9. Every material says whether it is needed, where it comes from and in which form; forms have
///    a blank and a sample.
fn materials_are_described(matter: &Matter, findings: &mut Findings) {
    for (index, material) in matter.materials.iter().enumerate() {
        let is_described = material.need != Necessity::Unset
            && material.source != Source::Unset
            && material.format != Medium::Unset
            && (material.source != Source::Other || !material.source_explain.is_empty());
        if !is_described {
            findings.add_with(
                format!("materials/{index}"),
                "service-check-09",
                &material.name,
            );
        }
        if material.is_form && (material.blank.is_empty() || material.sample.is_empty()) {
            findings.add_with(
                format!("materials/{index}/blank"),
                "service-check-09-form",
                &material.name,
            );
        }
    }
}

/// 10. There are a number to ask and another number to complain.
fn phones_differ(matter: &Matter, findings: &mut Findings) {
    if matter.consult_phone.is_empty() || matter.complaint_phone.is_empty() {
        return findings.add("consult_phone", "service-check-10-missing");
    }
    if matter.consult_phone == matter.complaint_phone {
        findings.add("complaint_phone", "service-check-10");
    }
}

/// 11. A result, if there is one, has a name and a sample.
fn result_is_named(matter: &Matter, findings: &mut Findings) {
    match matter.result.kind {
        ResultType::Nothing => {}
        ResultType::Unset => findings.add("result.kind", "service-check-11-missing"),
        _ if matter.result.name.is_empty() || matter.result.sample.is_empty() => {
            findings.add("result", "service-check-11");
        }
        _ => {}
    }
}

/// 12. A licence says where to seek review and where to sue.
fn licence_has_remedies(matter: &Matter, findings: &mut Findings) {
    if matter.task_type.is_licence() && !(matter.review.is_known() && matter.litigation.is_known())
    {
        findings.add("review", "service-check-12");
    }
}

/// 13. The steps, special procedures aside, fit into the promise.
fn links_fit_promise(matter: &Matter, findings: &mut Findings) {
    let Some(promise) = comparable(&matter.promise) else {
        return;
    };
    let counted = matter.links.iter().filter(|link| !link.is_special);
    let spent: u64 = counted
        .filter_map(|link| {
            let limit = Limit {
                days: Some(link.days),
                unit: link.unit,
                ..Limit::default()
            };
            comparable(&limit)
        })
        .filter(|(is_working, _)| *is_working == promise.0)
        .map(|(_, amount)| amount)
        .sum();
    if spent > promise.1 {
        findings.add_with("links", "service-check-13", spent);
    }
}

/// 14. Who acts for another body names it.
fn entrusted_names_principal(matter: &Matter, findings: &mut Findings) {
    if matter.dept_type == DeptType::Entrusted && matter.entrust_name.is_empty() {
        findings.add("entrust_name", "service-check-14");
    }
}

/// 15. It takes effect no later than it ends.
fn dates_in_order(matter: &Matter, findings: &mut Findings) {
    if let (Some(start), Some(end)) = (matter.plan_effective_date, matter.plan_cancel_date)
        && start > end
    {
        findings.add("plan_cancel_date", "service-check-15");
    }
}

/// 16. The implementation code has its pattern, a right credit code in front, and agrees with the
///     item's own fields.
fn code_is_right(matter: &Matter, findings: &mut Findings) {
    let is_whole = matter.task_code.len() == 31;
    let Some(code) = matter_code::parse(&matter.task_code)
        .ok()
        .filter(|_| is_whole)
    else {
        return findings.add_with("task_code", "service-check-16", &matter.task_code);
    };
    let basic = code.basic();
    if !matter.dept_code.is_empty() && matter.dept_code != code.body() {
        findings.add_with("dept_code", "service-check-16-body", code.body());
    }
    if matter.task_type.0 != basic.kind() {
        findings.add_with("task_type", "service-check-16-type", basic.kind());
    }
    if !matter.catalog_code.is_empty() && matter.catalog_code != basic.as_str() {
        findings.add_with("catalog_code", "service-check-16-catalog", basic.as_str());
    }
    let item = &matter.task_handle_item;
    let is_of_this = item.starts_with(&matter.task_code) && item.len() == 33;
    let is_right = is_of_this && matter_code::parse(item).is_ok();
    if !item.is_empty() && !is_right {
        findings.add_with("task_handle_item", "service-check-16-item", item);
    }
}

/// 17. Two materials never have the same name, and none is a catch-all.
fn materials_are_distinct(matter: &Matter, findings: &mut Findings) {
    let mut seen = HashSet::new();
    for (index, material) in matter.materials.iter().enumerate() {
        let name = material.name.trim();
        if !seen.insert(name) {
            findings.add_with(format!("materials/{index}"), "service-check-17", name);
        }
        // Simplification rules forbid asking for "whatever else the law says".
        if name.is_empty() || name.contains("其他材料") {
            findings.add_with(
                format!("materials/{index}"),
                "service-check-17-catch-all",
                name,
            );
        }
    }
}

/// 18. A matter of a town or village says which.
fn low_level_names_place(matter: &Matter, findings: &mut Findings) {
    let is_missing = match matter.use_level {
        Some(5) => matter.town_code.is_empty(),
        Some(6) => matter.village_code.is_empty(),
        _ => false,
    };
    if is_missing {
        findings.add("town_code", "service-check-18");
    }
}
