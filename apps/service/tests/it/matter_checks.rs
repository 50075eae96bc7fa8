//! The eighteen publication checks, each with what it lets pass and what it stops.

use service::matter::{
    DayUnit, DeptType, Fee, Law, Link, Material, Matter, Medium, Necessity, Outcome, ProjectType,
    Remedy, ResultType, Source, SpecialProcedure, TaskType, checks,
};

/// A licence that passes every check.
pub fn a_matter() -> Matter {
    let remedy = Remedy {
        dept: "示范市人民政府（合成）".into(),
        phone: "0514-00000003".into(),
        ..Remedy::default()
    };
    Matter {
        // The vector of the reference with a licence's type.
        task_code: "12441500196720244T3440199806003".into(),
        dept_code: "12441500196720244T".into(),
        dept_name: "示范市市场监督管理局（合成）".into(),
        name: "食品经营许可（新办）".into(),
        task_type: TaskType("01".into()),
        by_law: vec![Law {
            name: "中华人民共和国食品安全法".into(),
            article: "第三十五条".into(),
            ..Law::default()
        }],
        use_level: Some(3),
        anticipate: days(10),
        promise: days(5),
        links: vec![Link {
            name: "审查".into(),
            days: 5,
            ..Link::default()
        }],
        materials: vec![a_material("申请书")],
        result: Outcome {
            kind: ResultType::Certificate,
            name: "食品经营许可证".into(),
            sample: "/samples/food.pdf".into(),
        },
        limit_scene_num: Some(0),
        is_online: true,
        online_depth: vec![1, 5, 7],
        online_url: "/guide".into(),
        consult_phone: "0514-00000001".into(),
        complaint_phone: "0514-00000002".into(),
        review: remedy.clone(),
        litigation: remedy,
        ..Matter::default()
    }
}

fn days(days: u32) -> service::matter::Limit {
    service::matter::Limit {
        days: Some(days),
        ..Default::default()
    }
}

fn a_material(name: &str) -> Material {
    Material {
        name: name.into(),
        format: Medium::Electronic,
        source: Source::Applicant,
        need: Necessity::Required,
        is_form: true,
        blank: "/blank.pdf".into(),
        sample: "/sample.pdf".into(),
        ..Material::default()
    }
}

/// What is found when a passing matter is changed.
fn found(change: impl FnOnce(&mut Matter)) -> Vec<&'static str> {
    let mut matter = a_matter();
    change(&mut matter);
    checks(&matter).into_iter().map(|f| f.text.key).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_complete_matter_passes() {
    assert_eq!(found(|_| ()), NOTHING);
}

#[test]
fn check_01_the_promise_is_within_the_legal_limit() {
    assert_eq!(found(|m| m.promise = days(10)), NOTHING);
    assert_eq!(found(|m| m.promise = days(11)), ["service-check-01"]);
    assert_eq!(
        found(|m| m.promise.days = None),
        ["service-check-01-missing"]
    );
    assert_eq!(
        found(|m| m.promise.unit = DayUnit::NaturalDay),
        ["service-check-01-unit"]
    );
    assert_eq!(
        found(|m| m.anticipate = days(0)),
        ["service-check-01-explain"]
    );
    assert_eq!(
        found(|m| {
            m.anticipate = days(0);
            m.anticipate.explain = "法律未规定".into();
        }),
        NOTHING
    );
}

#[test]
fn check_01_a_month_counts_as_22_working_days() {
    let month = |promise| {
        found(move |m| {
            m.anticipate = days(1);
            m.anticipate.unit = DayUnit::Month;
            m.promise = days(promise);
        })
    };
    assert_eq!(month(22), NOTHING);
    assert_eq!(month(23), ["service-check-01"]);
}

#[test]
fn check_02_an_instant_item_is_done_at_once() {
    let instant = |promise, with_special: bool| {
        found(move |m| {
            m.project_type = ProjectType::Instant;
            m.promise = days(promise);
            m.links.clear();
            if with_special {
                m.special_procedures = vec![SpecialProcedure::default()];
            }
        })
    };
    assert_eq!(instant(0, false), NOTHING);
    assert_eq!(instant(1, false), NOTHING);
    assert_eq!(instant(2, false), ["service-check-02"]);
    assert_eq!(instant(1, true), ["service-check-02"]);
}

#[test]
fn check_03_wholly_online_needs_no_visit() {
    let one_visit = |m: &mut Matter| {
        m.limit_scene_num = Some(1);
        m.limit_scene_explain = "核验原件".into();
    };
    assert_eq!(found(one_visit), ["service-check-03"]);
    assert_eq!(
        found(|m| {
            one_visit(m);
            m.online_depth = vec![5];
        }),
        NOTHING
    );
}

#[test]
fn check_04_no_visit_offline_goes_by_post() {
    let offline = |by_post| {
        found(move |m| {
            m.is_online = false;
            m.is_mail_material = by_post;
            m.is_mail_result = by_post;
        })
    };
    assert_eq!(offline(true), NOTHING);
    assert_eq!(offline(false), ["service-check-04"]);
}

#[test]
fn check_05_more_than_one_visit_is_approved() {
    let visits = |count, approval: &'static str| {
        found(move |m| {
            m.online_depth = vec![5];
            m.limit_scene_num = Some(count);
            m.limit_scene_explain = "现场核验".into();
            m.limit_scene_approval = approval.into();
        })
    };
    assert_eq!(visits(1, ""), NOTHING);
    assert_eq!(visits(2, "市政府办公室批准"), NOTHING);
    assert_eq!(visits(2, ""), ["service-check-05"]);
    let unsaid = found(|m| {
        m.online_depth = vec![5];
        m.limit_scene_num = None;
    });
    assert_eq!(unsaid, ["service-check-05-missing"]);
}

#[test]
fn check_06_fees_have_a_basis_exactly_when_charged() {
    let fee = |basis: &str| Fee {
        name: "工本费".into(),
        standard: "10 元".into(),
        basis: basis.into(),
        ..Fee::default()
    };
    let charged = |is_fee, fees: Vec<Fee>| {
        found(move |m| {
            m.is_fee = is_fee;
            m.fees = fees;
        })
    };
    assert_eq!(charged(true, vec![fee("发改价格〔2020〕1号")]), NOTHING);
    assert_eq!(charged(true, vec![]), ["service-check-06-none"]);
    assert_eq!(charged(true, vec![fee("")]), ["service-check-06"]);
    assert_eq!(charged(false, vec![fee("有")]), ["service-check-06-free"]);
}

#[test]
fn check_07_online_has_an_address_and_a_depth() {
    assert_eq!(found(|m| m.online_url.clear()), ["service-check-07"]);
    assert_eq!(found(|m| m.online_depth.clear()), ["service-check-07"]);
}

#[test]
fn check_08_a_legal_basis_names_its_article() {
    assert_eq!(found(|m| m.by_law.clear()), ["service-check-08"]);
    assert_eq!(found(|m| m.by_law[0].article.clear()), ["service-check-08"]);
}

#[test]
fn check_09_materials_are_described() {
    assert_eq!(
        found(|m| m.materials[0].need = Necessity::Unset),
        ["service-check-09"]
    );
    assert_eq!(
        found(|m| m.materials[0].source = Source::Unset),
        ["service-check-09"]
    );
    assert_eq!(
        found(|m| m.materials[0].format = Medium::Unset),
        ["service-check-09"]
    );
    assert_eq!(
        found(|m| m.materials[0].sample.clear()),
        ["service-check-09-form"]
    );
    let not_a_form = found(|m| {
        m.materials[0].is_form = false;
        m.materials[0].blank.clear();
    });
    assert_eq!(not_a_form, NOTHING);
}

#[test]
fn check_10_the_two_phones_differ() {
    assert_eq!(
        found(|m| m.complaint_phone = m.consult_phone.clone()),
        ["service-check-10"]
    );
    assert_eq!(
        found(|m| m.consult_phone.clear()),
        ["service-check-10-missing"]
    );
}

#[test]
fn check_11_a_result_has_name_and_sample() {
    assert_eq!(found(|m| m.result.sample.clear()), ["service-check-11"]);
    assert_eq!(
        found(|m| m.result.kind = ResultType::Unset),
        ["service-check-11-missing"]
    );
    let nothing = found(|m| {
        m.result = Outcome {
            kind: ResultType::Nothing,
            ..Outcome::default()
        };
    });
    assert_eq!(nothing, NOTHING);
}

#[test]
fn check_12_a_licence_names_remedies() {
    assert_eq!(
        found(|m| m.litigation = Remedy::default()),
        ["service-check-12"]
    );
    let public_service = found(|m| {
        m.task_type = TaskType("20".into());
        m.task_code = "12441500196720244T3442099806003".into();
        m.review = Remedy::default();
    });
    assert_eq!(public_service, NOTHING);
}

#[test]
fn check_13_the_steps_fit_into_the_promise() {
    assert_eq!(found(|m| m.links[0].days = 6), ["service-check-13"]);
    let special = found(|m| {
        m.links[0].days = 6;
        m.links[0].is_special = true;
    });
    assert_eq!(special, NOTHING);
}

#[test]
fn check_14_an_entrusted_body_names_its_principal() {
    assert_eq!(
        found(|m| m.dept_type = DeptType::Entrusted),
        ["service-check-14"]
    );
    let named = found(|m| {
        m.dept_type = DeptType::Entrusted;
        m.entrust_name = "省局".into();
    });
    assert_eq!(named, NOTHING);
}

#[test]
fn check_15_it_takes_effect_before_it_ends() {
    let between = |start: &str, end: &str| {
        let (start, end) = (start.parse().unwrap(), end.parse().unwrap());
        found(move |m| {
            m.plan_effective_date = Some(start);
            m.plan_cancel_date = Some(end);
        })
    };
    assert_eq!(between("2026-01-01", "2026-01-01"), NOTHING);
    assert_eq!(between("2026-01-02", "2026-01-01"), ["service-check-15"]);
}

#[test]
fn check_16_the_code_is_right() {
    let coded = |code: &'static str| found(move |m| m.task_code = code.into());
    // Too short; level 7; a letter in the basic code; a wrong credit code in front.
    for wrong in [
        "12441500196720244T344019980600",
        "12441500196720244T7440199806003",
        "12441500196720244T34401998060A3",
        "12441500196720245T3440199806003",
    ] {
        assert_eq!(coded(wrong), ["service-check-16"], "{wrong}");
    }
    // The type inside is not the item's.
    assert_eq!(
        coded("12441500196720244T3442199806003"),
        ["service-check-16-type"]
    );
    assert_eq!(
        found(|m| m.catalog_code = "440199806004".into()),
        ["service-check-16-catalog"]
    );
    assert_eq!(
        found(|m| m.dept_code = "12441500196720245T".into()),
        ["service-check-16-body"]
    );
    let item = |serial: &'static str| {
        found(move |m| m.task_handle_item = format!("{}{serial}", m.task_code))
    };
    assert_eq!(item("01"), NOTHING);
    assert_eq!(item("00"), ["service-check-16-item"]);
    assert_eq!(item("1"), ["service-check-16-item"]);
}

#[test]
fn check_17_materials_are_distinct_and_no_catch_all() {
    assert_eq!(
        found(|m| m.materials.push(a_material(" 申请书 "))),
        ["service-check-17"]
    );
    assert_eq!(
        found(|m| m.materials.push(a_material("法律法规规定的其他材料"))),
        ["service-check-17-catch-all"]
    );
}

#[test]
fn check_18_a_low_level_names_its_place() {
    assert_eq!(found(|m| m.use_level = Some(5)), ["service-check-18"]);
    let town = found(|m| {
        m.use_level = Some(5);
        m.town_code = "321002001".into();
    });
    assert_eq!(town, NOTHING);
    assert_eq!(found(|m| m.use_level = Some(6)), ["service-check-18"]);
}

#[test]
fn what_a_matter_says_survives_toml_and_json() {
    let matter = a_matter();
    let toml = toml::to_string(&matter).unwrap();
    assert_eq!(toml::from_str::<Matter>(&toml).unwrap(), matter);
    let json = serde_json::to_string(&matter).unwrap();
    assert_eq!(serde_json::from_str::<Matter>(&json).unwrap(), matter);
}
