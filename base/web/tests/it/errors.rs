use axum::{
    body::Body,
    http::{Method, StatusCode},
};

use crate::house::House;

#[store::db_test]
async fn an_error_page_says_what_happened_and_what_to_do(db: store::Db) {
    let house = House::new(db);
    let answer = house.get("/nowhere").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert!(answer.body.contains("没有找到这个页面"), "{}", answer.body);
    assert!(answer.body.contains("/sign-in?next=%2Fnowhere"));
    assert!(answer.body.contains(answer.header("x-request-id")));
}

#[store::db_test]
async fn a_fault_is_never_shown_but_has_a_number(db: store::Db) {
    let house = House::new(db);
    for path in ["/fault", "/api/test/fault", "/panic", "/api/test/panic"] {
        let answer = house.get(path).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert!(!answer.body.contains("secret"), "{path}");
        assert!(!answer.body.contains("mistake"), "{path}");
        assert!(
            answer.body.contains(answer.header("x-request-id")),
            "{path}"
        );
    }
}

#[store::db_test]
async fn a_problem_body_names_field_rule_and_remedy(db: store::Db) {
    let house = House::new(db);
    let answer = house
        .send(
            Method::GET,
            "/api/test/invalid",
            &[("accept-language", "en")],
            Body::empty(),
        )
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let body = answer.json();
    assert_eq!(body["errors"][0]["field"], "phone");
    assert_eq!(body["errors"][0]["rule"], "test-digits");
    assert_eq!(
        body["errors"][0]["message"],
        "Must have 11 digits; check the document"
    );
    assert_eq!(body["request_id"], answer.header("x-request-id"));
    assert_eq!(body["instance"], "/api/test/invalid");
}

#[store::db_test]
async fn a_refusal_says_its_reason(db: store::Db) {
    let house = House::new(db);
    let page = house.get("/refused").await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(page.body.contains("已由他人办理，请刷新"));
    let body = house.get("/api/test/refused").await.json();
    assert_eq!(body["rule"], "test-taken");
    assert_eq!(body["title"], "已由他人办理，请刷新");
}

#[store::db_test]
async fn who_must_sign_in_comes_back_to_the_page(db: store::Db) {
    let house = House::new(db);
    let answer = house.get("/private?tab=2").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(
        answer.header("location"),
        "/sign-in?next=%2Fprivate%3Ftab%3D2"
    );
    let origin = ("sec-fetch-site", "same-origin");
    let referer = ("referer", "http://127.0.0.1:8080/apply/7?step=2");
    let answer = house
        .send(Method::POST, "/private", &[origin, referer], Body::empty())
        .await;
    assert_eq!(
        answer.header("location"),
        "/sign-in?next=%2Fapply%2F7%3Fstep%3D2"
    );
    let answer = house.get("/api/test/private").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        answer.header("www-authenticate"),
        "Bearer realm=\"tongban\""
    );
}

#[store::db_test]
async fn a_wrong_method_keeps_its_allow_header(db: store::Db) {
    let house = House::new(db);
    let answer = house.send(Method::GET, "/act", &[], Body::empty()).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.header("allow"), "POST");
    assert!(answer.body.contains("不接受这种操作"));
}

#[store::db_test]
async fn what_is_out_of_reach_asks_to_come_back(db: store::Db) {
    let house = House::new(db);
    let answer = house.get("/away").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), "2");
    // What was under way when the patience ended may be done all the same.
    assert!(
        answer.body.contains("再次提交之前，请先查看"),
        "{}",
        answer.body
    );
    assert!(!answer.body.contains("没有被改动"), "{}", answer.body);
}

#[store::db_test]
async fn a_body_that_cannot_be_read_is_explained_to_programs(db: store::Db) {
    let house = House::new(db);
    let json = ("content-type", "application/json");
    let answer = house
        .send(Method::POST, "/api/test/json", &[json], Body::from("[{}]"))
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains("missing field"), "{detail}");
}
