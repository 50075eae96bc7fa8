use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use web::Settings;

use crate::house::House;

#[store::db_test]
async fn every_answer_carries_the_security_headers(db: store::Db) {
    let house = House::new(db);
    for path in [
        "/hello",
        "/nowhere",
        "/healthz",
        "/assets/none.css",
        "/api/test/fault",
    ] {
        let answer = house.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'self';"),
            "{path}: {policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("strict-transport-security"), "", "{path}");
    }
}

#[store::db_test]
async fn https_is_remembered_by_browsers(db: store::Db) {
    let house = House::with(
        db,
        Settings {
            public_url: "https://tongban.example".into(),
            ..Settings::default()
        },
    );
    let answer = house.get("/hello").await;
    assert!(
        answer
            .header("strict-transport-security")
            .starts_with("max-age=")
    );
}

#[store::db_test]
async fn a_write_from_another_site_never_reaches_its_handler(db: store::Db) {
    let house = House::new(db);
    let host = ("host", "127.0.0.1:8080");
    let cookie = ("cookie", "session=1");
    let refused: [&[(&str, &str)]; 4] = [
        &[host, cookie, ("sec-fetch-site", "cross-site")],
        &[host, cookie, ("sec-fetch-site", "same-site")],
        &[host, cookie, ("origin", "https://evil.example")],
        &[host, cookie, ("origin", "null")],
    ];
    for headers in refused {
        let answer = house
            .send(Method::POST, "/act", headers, Body::from("x"))
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert!(answer.body.contains("来自别的网站"), "{headers:?}");
    }
    let taken: [&[(&str, &str)]; 4] = [
        &[host, cookie, ("sec-fetch-site", "same-origin")],
        &[host, cookie, ("origin", "http://127.0.0.1:8080")],
        &[host, ("authorization", "Bearer t")],
        &[("host", "inner:81"), ("origin", "http://127.0.0.1:8080")],
    ];
    for headers in taken {
        let answer = house
            .send(Method::POST, "/act", headers, Body::from("x"))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{headers:?}");
    }
}

#[store::db_test]
async fn a_body_over_the_limit_is_refused_with_the_limit(db: store::Db) {
    let house = House::new(db);
    let much = || Body::from(vec![b'a'; (1 << 20) + 1]);
    let stream = || {
        Body::from_stream(futures::stream::iter(
            (0..3).map(|_| Ok::<_, std::io::Error>(vec![b'a'; 1 << 19])),
        ))
    };
    let length = ("content-length", "1048577");
    let declared = house.send(Method::POST, "/act", &[length], much()).await;
    let streamed = house.send(Method::POST, "/act", &[], stream()).await;
    for answer in [declared, streamed] {
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(answer.body.contains("1 MB"), "{}", answer.body);
    }
    let fits = house
        .send(Method::POST, "/act", &[], Body::from(vec![b'a'; 1 << 20]))
        .await;
    assert_eq!(fits.status, StatusCode::OK);
}

#[store::db_test]
async fn a_full_house_asks_to_come_back_but_stays_healthy(db: store::Db) {
    let house = House::with(
        db,
        Settings {
            concurrent_requests: 0,
            ..Settings::default()
        },
    );
    let answer = house.get("/hello").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), "2");
    assert_eq!(house.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(house.get("/readyz").await.status, StatusCode::OK);
}

#[store::db_test]
async fn requests_are_counted_by_route_not_by_path(db: store::Db) {
    let house = House::new(db);
    house.get("/hello").await;
    house.get("/no/such/path").await;
    let metrics = house.get("/metrics").await;
    assert!(
        metrics.body.contains(r#"route="/hello""#),
        "{}",
        metrics.body
    );
    assert!(!metrics.body.contains("/no/such/path"));
}

#[store::db_test]
async fn a_proxys_request_number_is_kept_when_it_is_tame(db: store::Db) {
    let house = House::new(db);
    for (sent, kept) in [("abc-123456", true), ("<script>", false)] {
        let answer = house
            .send(
                Method::GET,
                "/hello",
                &[("x-request-id", sent)],
                Body::empty(),
            )
            .await;
        assert_eq!(answer.header("x-request-id") == sent, kept, "{sent}");
    }
}
