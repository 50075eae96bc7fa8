use forms::{
    Known, Offer, Offers, Sheet, Source, Sources, Words, attach_certificates, prefill, render_all,
    render_review, render_step,
};
use kernel::{Clock, Finding};
use serde_json::json;
use store::Db;
use web::Language;

use crate::house::{FIRM, food, form, house};

fn known() -> Known {
    Known::from_register(Words::new("营业执照库", "the registry of businesses"))
        .with("party.name", "示例餐饮有限公司（合成）")
        .with("party.code", FIRM)
        .with("party.phone", "13800138000")
        .with("party.address", "")
}

#[test]
fn a_step_shows_its_group_with_sources_masks_and_errors() {
    store::testing::on_sqlite(Vec::new(), |db, _| async move {
        a_step_shows_its_group_with_sources_masks_and_errors_on(&db);
    });
}

fn a_step_shows_its_group_with_sources_masks_and_errors_on(db: &Db) {
    let house = house(db);
    let form = form(&food());
    let (values, provenances) = prefill::begin(&form, &known(), kernel::SystemClock.now());
    let finding = Finding::new("phone", form.field("phone").unwrap().say("forms-phone"));
    let sheet = Sheet {
        form: &form,
        values: &values,
        answers: &json!({}),
        provenances: &provenances,
        findings: vec![finding],
        offers: &Offers::new(),
    };
    let html = render_step(&house.page(Language::ZhCn), &sheet, "operator").unwrap();
    assert!(html.contains("来自：营业执照库"), "{html}");
    assert!(
        html.contains("138****8000") && !html.contains("13800138000"),
        "{html}"
    );
    assert!(html.contains("手机号码"), "{html}");
    // What may not be changed is no input.
    assert!(!html.contains("name=\"name\"") && html.contains("示例餐饮有限公司（合成）"));
    assert!(!html.contains("面积"));
    let english = render_step(&house.page(Language::En), &sheet, "operator").unwrap();
    assert!(
        english.contains("From the registry of businesses") && english.contains("Operator’s name"),
        "{english}"
    );
}

#[test]
fn all_questions_and_the_review_fit_on_one_page() {
    store::testing::on_sqlite(Vec::new(), |db, _| async move {
        all_questions_and_the_review_fit_on_one_page_on(&db);
    });
}

fn all_questions_and_the_review_fit_on_one_page_on(db: &Db) {
    let house = house(db);
    let form = form(&food());
    let values = json!({"area": 120, "rent": 123_450, "delivery": true, "platform": "own", "phone": "13800138000",
        "plan": [{"file": "0193", "name": "平面图<1>.pdf", "size": 2048}]});
    let sheet = Sheet {
        form: &form,
        values: &values,
        answers: &json!({"cooks": "yes"}),
        provenances: &forms::Provenances::new(),
        findings: Vec::new(),
        offers: &Offers::new(),
    };
    let page = house.page(Language::ZhCn);
    let html = render_all(&page, &sheet).unwrap();
    assert!(html.contains("经营场所") && html.contains("后厨") && html.contains("1234.50"));
    assert!(html.contains("平面图&#60;1&#62;.pdf"), "{html}");
    assert!(html.contains("remove:plan:0193"));
    let review = render_review(&page, &sheet, &|group| format!("/apply/x/{group}")).unwrap();
    assert!(
        review.contains("自营") && review.contains("¥1,234.50") && review.contains("138****8000"),
        "{review}"
    );
    assert!(review.contains("/apply/x/place") && !review.contains("13800138000"));
}

#[test]
fn a_certificate_stands_in_for_files() {
    store::testing::on_sqlite(Vec::new(), |db, _| async move {
        a_certificate_stands_in_for_files_on(&db);
    });
}

fn a_certificate_stands_in_for_files_on(db: &Db) {
    let house = house(db);
    let form = form(&food());
    let offer = Offer {
        zzbs: "1.2.156.3005.2.X".into(),
        title: "健康证 1".into(),
    };
    let offers = Offers::from([("11321000MB0000019N002".to_owned(), vec![offer])]);
    let values = attach_certificates(&form, &json!({}), &offers);
    assert_eq!(
        values,
        json!({"health": [{"certificate": "1.2.156.3005.2.X", "title": "健康证 1"}]})
    );
    let answers = json!({"cooks": "yes"});
    let sheet = Sheet {
        form: &form,
        values: &values,
        answers: &answers,
        provenances: &forms::Provenances::new(),
        findings: Vec::new(),
        offers: &offers,
    };
    let html = render_step(&house.page(Language::ZhCn), &sheet, "kitchen").unwrap();
    assert!(html.contains("免提交"), "{html}");
}

#[test]
fn the_first_source_that_knows_is_asked() {
    let first = Known::default().with("a", "1");
    let second = Known::from_register(Words::new("二", "2"))
        .with("a", "2")
        .with("b", "2");
    let both = Sources(vec![&first, &second]);
    assert_eq!(both.get("a").unwrap().0, "1");
    assert_eq!(both.get("b").unwrap().1.zh, "二");
    assert!(both.get("c").is_none());
}
