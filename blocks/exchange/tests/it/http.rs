//! HTTP APIs as sources, with a real server.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use exchange::node::{
    config::{Config, Source},
    source::{Plan, http},
};
use exchange::wire::BatchKind;
use kernel::ManualClock;
use serde_json::{Value, json};
use store::{Db, db_test};

use crate::house::{CIVIL, House, POLICE, migrations, rows, sqlite};

/// A department's API: rows by page, since a mark.
struct Api {
    url: String,
    rows: Arc<Mutex<Vec<Value>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

type Rows = State<Arc<Mutex<Vec<Value>>>>;

async fn page(
    State(rows): Rows,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let key = format!("Bearer {}", std::env::var("PATH").unwrap());
    if headers
        .get("authorization")
        .is_none_or(|own| own != key.as_str())
    {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let text = |name: &str| query.get(name).map_or("0", String::as_str);
    let since: i64 = text("since").parse().unwrap();
    let from: usize = text("from").parse().unwrap();
    let all = rows.lock().unwrap();
    let fitting: Vec<&Value> = all
        .iter()
        .filter(|row| row["changed"].as_i64().unwrap() >= since)
        .collect();
    let some = &fitting[from.min(fitting.len())..];
    let next = (some.len() > 2).then(|| format!("?since={since}&from={}", from + 2));
    let some: Vec<_> = some.iter().take(2).collect();
    Json(json!({"total": fitting.len(), "items": some, "next": next})).into_response()
}

/// An endless array, piece by piece; nobody can hold it.
async fn large(Query(query): Query<HashMap<String, u64>>) -> Body {
    let count = query["n"];
    let rows = (0..count).map(move |id| {
        let open = if id == 0 { "[" } else { "," };
        let close = if id + 1 == count { "]" } else { "" };
        let row = json!({"id": id, "name": "示范".repeat(20), "more": {"deep": [1, 2, 3]}});
        Ok::<_, std::io::Error>(Bytes::from(format!("{open}{row}{close}")))
    });
    Body::from_stream(futures::stream::iter(rows))
}

impl Api {
    async fn start() -> Self {
        let rows = Arc::new(Mutex::new(Vec::new()));
        let routes = Router::new()
            .route("/rows", get(page))
            .route("/large", get(large))
            .route("/broken", get(|| async { "[{\"id\": 1}, {\"id\"" }))
            .route("/other", get(|| async { Json(json!({"data": []})) }))
            .route(
                "/moved",
                get(|State(rows): Rows| async move {
                    // Where the key would go if it were followed.
                    let to = rows.lock().unwrap()[0]["url"].as_str().unwrap().to_owned();
                    (StatusCode::FOUND, [("location", to)])
                }),
            )
            .route("/away", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
            .route(
                "/elsewhere",
                get(|| async { Json(json!({"items": [], "next": "http://127.0.0.1:9/rows"})) }),
            )
            .route(
                "/itself",
                get(|| async { Json(json!({"items": [], "next": "/itself"})) }),
            )
            .with_state(rows.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, rows, serving }
    }

    fn settings(&self, path: &str, more: &str) -> String {
        format!(
            r#"
            [[publication]]
            code = "member"
            title = "会员（合成）"
            key = ["id"]
            every_seconds = 0
            source = {{ kind = "http", url = "{}{path}", headers = {{ Authorization = "Bearer ${{PATH}}" }}{more} }}
            columns = [
                {{ name = "id", type = "integer", required = true }},
                {{ name = "name", required = true, from = "full_name" }},
            ]
            "#,
            self.url
        )
    }
}

#[db_test(migrations = migrations)]
async fn pages_of_an_api_flow_in_full_then_in_increments(db: Db, clock: Arc<ManualClock>) {
    let house = House::open(db, &clock).await;
    let api = Api::start().await;
    let row = |id: i64, name: &str, changed: i64| json!({"id": id, "full_name": name, "changed": changed});
    *api.rows.lock().unwrap() = vec![
        row(1, "甲（合成）", 9),
        row(2, "乙（合成）", 10),
        row(3, "丙（合成）", 11),
        json!({"id": 4, "changed": 12}),
        row(5, "戊（合成）", 13),
    ];
    let more = ", watermark = \"changed\", deleted = \"gone\"";
    let settings = api.settings("/rows", more);
    let target = format!(
        "[[target]]\npublication = \"member\"\nconnection = \"{}\"\ntable = \"member\"\ncreate = true\n",
        sqlite(&house.file("target.db"))
    );
    let mut provider = house.node("club", POLICE, &settings).await;
    let mut subscriber = house.node("civil", CIVIL, &target).await;
    provider.round(false).await.unwrap();
    house.publish("member").await;
    house.subscribe("member", "civil").await;
    assert_eq!(provider.round(false).await.unwrap().sent, 1);
    subscriber.round(false).await.unwrap();
    let to = sqlite(&house.file("target.db"));
    let all = "SELECT id, name FROM member ORDER BY id";
    // The row without a name was set aside.
    assert_eq!(
        rows(&to, all),
        [
            "1|甲（合成）",
            "2|乙（合成）",
            "3|丙（合成）",
            "5|戊（合成）"
        ]
    );

    // The mark is a number: 9 came before 10. What is asked again and is the same is not sent.
    assert_eq!(provider.round(true).await.unwrap().sent, 1);
    assert_eq!(provider.round(true).await.unwrap().sent, 0);
    {
        let mut all = api.rows.lock().unwrap();
        all[0] = row(1, "甲甲（合成）", 14);
        all[1] = json!({"id": 2, "changed": 15, "gone": true});
    }
    assert_eq!(provider.round(true).await.unwrap().sent, 1);
    while subscriber.round(false).await.unwrap().delivered > 0 {}
    assert_eq!(
        rows(&to, all),
        ["1|甲甲（合成）", "3|丙（合成）", "5|戊（合成）"]
    );
}

fn source(
    text: &str,
) -> (
    exchange::node::config::Publication,
    exchange::node::config::HttpSource,
) {
    let config = Config::parse(text).unwrap();
    let publication = config.publications[0].clone();
    let Source::Http(source) = publication.source.clone() else {
        panic!("not an HTTP source");
    };
    (publication, source)
}

/// Rows that were handed on, the most at once, and the fault if there was one.
async fn read(text: &str) -> (usize, usize, Option<String>) {
    let (publication, source) = source(text);
    let reading = tokio::task::spawn_blocking(move || {
        let plan = Plan {
            kind: BatchKind::Full,
            since: None,
        };
        let (mut count, mut most) = (0, 0);
        let outcome = http::read(&publication, &source, &plan, &mut |_, batch| {
            count += batch.num_rows();
            most = most.max(batch.num_rows());
            Ok(())
        });
        (count, most, outcome.err().map(|fault| fault.chain()))
    });
    reading.await.unwrap()
}

#[tokio::test]
async fn an_answer_of_any_size_is_read_row_by_row() {
    let api = Api::start().await;
    let (count, most, fault) = read(
        &api.settings("/large?n=50000", "")
            .replace("full_name", "name"),
    )
    .await;
    assert_eq!((count, fault), (50_000, None));
    assert!(most <= 8192, "{most} rows were held at once");
}

#[tokio::test]
async fn what_is_wrong_with_an_answer_is_told() {
    let api = Api::start().await;
    for (path, told) in [
        ("/broken", "EOF"),
        ("/other", "no field items"),
        ("/away", "503"),
        ("/elsewhere", "another address"),
        ("/itself", "itself"),
        ("/nothing", "404"),
    ] {
        let (_, _, fault) = read(&api.settings(path, "")).await;
        let fault = fault.unwrap_or_default();
        assert!(fault.contains(told), "{path}: {fault}");
    }
    // A redirect is not followed, so the key stays here.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let elsewhere = format!("http://{}/rows", listener.local_addr().unwrap());
    *api.rows.lock().unwrap() = vec![json!({"url": elsewhere})];
    let (_, _, fault) = read(&api.settings("/moved", "")).await;
    assert!(fault.unwrap().contains("names another address"));
    let asked = tokio::time::timeout(std::time::Duration::from_millis(200), listener.accept());
    assert!(asked.await.is_err(), "the other address was asked");
    let missing = api.settings("/large?n=1", ", watermark = \"changed\"");
    let (_, _, fault) = read(&missing).await;
    assert!(fault.unwrap().contains("no changed"));
    let unset = api
        .settings("/large?n=1", "")
        .replace("${PATH}", "${NO_SUCH_VARIABLE}");
    let (_, _, fault) = read(&unset).await;
    assert!(fault.unwrap().contains("NO_SUCH_VARIABLE"));
}
