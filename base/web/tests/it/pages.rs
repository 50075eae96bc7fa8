use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{Method, Request, StatusCode},
};
use chrono::NaiveDate;
use web::{Fields, Language, Page, component::Pager};

use crate::house::House;

/// A page as a handler gets it for this address.
async fn page(house: &House, language: Language) -> Page {
    let request = Request::builder()
        .uri("/guide/a?q=1&lang=en")
        .extension(language);
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    let app = house.app.clone();
    Page::from_request_parts(&mut parts, &app).await.unwrap()
}

#[store::db_test]
async fn the_gallery_draws_every_component(db: store::Db) {
    let house = House::new(db);
    for tag in ["zh-CN", "en", "zh-TW"] {
        let answer = house.get(&format!("/gallery?lang={tag}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert!(answer.body.contains(&format!("<html lang=\"{tag}\"")));
        for class in [
            "tb-alert",
            "tb-light-red",
            "tb-steps",
            "tb-timeline",
            "tb-pager",
            "tb-empty",
            "tb-error",
        ] {
            assert!(answer.body.contains(class), "{class}");
        }
        assert!(!answer.body.contains(" style="), "inline style");
        assert!(!answer.body.contains("web-"), "a key without words");
    }
}

#[store::db_test]
async fn the_menu_shows_what_the_viewer_may_use_in_order(db: store::Db) {
    let house = House::new(db);
    let mut page = page(&house, Language::En).await;
    let links = |page: &Page| {
        page.menu_public()
            .iter()
            .map(|l| (l.href, l.is_current))
            .collect::<Vec<_>>()
    };
    assert_eq!(links(&page), [("/gallery", false), ("/guide", true)]);
    page.viewer.may = std::sync::Arc::new(["test.secret".to_owned()].into());
    assert_eq!(links(&page).len(), 3);
}

#[store::db_test]
async fn dates_moments_and_money_are_written_as_the_language_does(db: store::Db) {
    let house = House::new(db);
    let chinese = page(&house, Language::ZhCn).await;
    let english = page(&house, Language::En).await;
    let day = NaiveDate::from_ymd_opt(2026, 3, 2);
    assert_eq!(chinese.date(day), "2026年3月2日");
    assert_eq!(english.date(day), "2 March 2026");
    assert_eq!(english.date(None::<NaiveDate>), "—");
    let at = store::testing::a_working_morning();
    assert_eq!(chinese.moment(at), "2026年3月2日 09:00");
    assert_eq!(english.stamp(kernel::clock::micros(at)), "2026-03-02 09:00");
    for (fen, shown) in [
        (0, "¥0.00"),
        (5, "¥0.05"),
        (123_456_789, "¥1,234,567.89"),
        (-100_000, "-¥1,000.00"),
    ] {
        assert_eq!(english.money(fen), shown);
    }
    assert_eq!(
        english.in_language(&Language::ZhTw),
        "/guide/a?lang=zh-TW&q=1"
    );
}

#[store::db_test]
async fn a_form_is_read_with_all_values_of_a_name(db: store::Db) {
    let house = House::new(db);
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let answer = house
        .send(
            Method::POST,
            "/form",
            &[kind],
            Body::from("name=%E5%90%8D+a&name=b"),
        )
        .await;
    assert_eq!(answer.body, "名 a");
    let fields = Fields::new().with("kind", "a").with("kind", "b");
    assert!(fields.has("kind", "b"));
    assert_eq!(fields.value("kind"), "a");
    assert_eq!(fields.value("none"), "");
}

#[test]
fn a_pager_keeps_the_filters_and_escapes_the_key() {
    let pager = Pager::new("/work", "status=open", Some("x"), Some("a b&c"));
    assert_eq!(pager.first, "/work?status=open");
    assert_eq!(pager.next, "/work?status=open&after=a%20b%26c");
    assert_eq!(Pager::new("/work", "", None, None), Pager::default());
}

#[store::db_test]
async fn the_description_of_the_api_has_security_and_the_problem(db: store::Db) {
    let house = House::new(db);
    let answer = house.get("/api/openapi.json").await;
    let api = answer.json();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(
        api["components"]["securitySchemes"]["bearer"]["scheme"],
        "bearer"
    );
    assert_eq!(api["components"]["schemas"]["Problem"]["type"], "object");
    assert_eq!(house.get("/api").await.status, StatusCode::OK);
}

#[store::db_test]
async fn bundles_are_kept_by_browsers_for_good(db: store::Db) {
    let house = House::new(db);
    let href = web::asset::href("app.css");
    let answer = house.get(&href).await;
    // Before `npm run build` there is nothing to serve, and pages say so by their looks only.
    if answer.status == StatusCode::OK {
        assert!(href.starts_with("/assets/app-"), "{href}");
        assert_eq!(
            answer.header("cache-control"),
            "public, max-age=31536000, immutable"
        );
        assert_eq!(answer.header("content-type"), "text/css; charset=utf-8");
        let zipped = house
            .send(
                Method::GET,
                &href,
                &[("accept-encoding", "gzip")],
                Body::empty(),
            )
            .await;
        assert_eq!(zipped.header("content-encoding"), "gzip");
    }
    assert_eq!(
        house.get("/assets/..%2Fpackage.json").await.status,
        StatusCode::NOT_FOUND
    );
}
