//! Pages and doors of processes through the router, on both databases.

use std::sync::Arc;

use axum::{Extension, Router, body::Body, http::Request};
use http_body_util::BodyExt;
use identity::{Actor, Gate, Post, UserId};
use sea_orm::{ConnectionTrait, Statement};
use sea_orm_migration::MigrationTrait;
use serde_json::{Value, json};
use store::Db;
use tower::ServiceExt;
use web::{App, Texts};
use workflow::{Engine, InstanceId};

use crate::model::{flows, process, vars};

pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    let mut all = identity::migrations();
    all.extend(workflow::migrations());
    all
}

pub struct House {
    pub db: Db,
    pub engine: Arc<Engine>,
    pub gate: Arc<Gate>,
    routes: Router,
}

pub fn house(db: Db) -> House {
    let (own, web, identity) = (
        workflow::foundation(),
        web::foundation(),
        identity::foundation(),
    );
    let words = [own.texts, web.texts, identity.texts]
        .into_iter()
        .flatten()
        .chain(kernel::TEXTS.iter())
        .copied();
    let app = App::new(db.clone(), web::Settings::default(), Texts::new(words));
    let gate = app.put(Gate::default());
    let module = workflow::module(&app).unwrap();
    gate.load(module.policies.clone()).unwrap();
    let engine = app.part::<Engine>().unwrap();
    let routes = web::server::router(&app, vec![module], |router| router);
    House {
        db,
        engine,
        gate,
        routes,
    }
}

pub fn officer(post: &str) -> Actor {
    Actor {
        user: UserId::new(&kernel::SystemClock),
        name: "李雷".into(),
        posts: vec![Post {
            post: post.into(),
            org: "11330000000000000A".into(),
            org_name: "示范局（合成）".into(),
            region: "321002".into(),
            held_for: None,
        }],
        ..Actor::system()
    }
}

impl House {
    async fn ask(&self, actor: &Actor, request: Request<Body>) -> (u16, String, String) {
        let router = self.routes.clone().layer(Extension(actor.clone()));
        let response = router.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let location = response.headers().get("location");
        let location = location.map_or("", |v| v.to_str().unwrap()).to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (
            status,
            String::from_utf8_lossy(&body).into_owned(),
            location,
        )
    }

    pub async fn get(&self, actor: &Actor, path: &str) -> (u16, String) {
        let request = Request::get(path)
            .header("accept-language", "zh-CN")
            .body(Body::empty())
            .unwrap();
        let (status, body, _) = self.ask(actor, request).await;
        (status, body)
    }

    pub async fn post(
        &self,
        actor: &Actor,
        path: &str,
        kind: &str,
        body: impl Into<Body>,
    ) -> (u16, String, String) {
        let request = Request::post(path)
            .header("accept-language", "zh-CN")
            .header("content-type", kind)
            .body(body.into())
            .unwrap();
        self.ask(actor, request).await
    }

    pub async fn form(&self, actor: &Actor, path: &str, body: &str) -> (u16, String, String) {
        let kind = "application/x-www-form-urlencoded";
        self.post(actor, path, kind, body.to_owned()).await
    }

    pub async fn deploy(&self, key: &'static str, xml: String) {
        self.db
            .write(move |tx| {
                let xml = xml.clone();
                async move { workflow::deploy(&tx, key, &xml).await }
            })
            .await
            .unwrap();
    }

    pub async fn start(&self, key: &'static str, variables: Value) -> InstanceId {
        let engine = self.engine.clone();
        self.db
            .write(move |tx| {
                let (engine, variables) = (engine.clone(), vars(variables.clone()));
                async move { workflow::start(&tx, &engine, key, "case:7", variables).await }
            })
            .await
            .unwrap()
    }

    pub async fn events(&self, kind: &str) -> Vec<Value> {
        let sql = format!("SELECT data FROM store_event WHERE kind = '{kind}' ORDER BY seq");
        let statement = Statement::from_string(self.db.read().get_database_backend(), sql);
        let rows = self.db.read().query_all_raw(statement).await.unwrap();
        rows.iter()
            .map(|row| serde_json::from_str(&row.try_get::<String>("", "data").unwrap()).unwrap())
            .collect()
    }
}

fn review() -> String {
    process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/>
        <userTask id="review" name="审查" tongban:candidates="examiner@A" camunda:formKey="f" camunda:asyncAfter="true"/>
        <userTask id="decide" name="决定" tongban:candidates="approver@A"/>{}"#,
        flows("s>review>decide>e")
    ))
}

/// Stops at once: nobody registered such a service.
fn stopping() -> String {
    process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/><serviceTask id="ask" name="询问" tongban:call="nobody"/>{}"#,
        flows("s>ask>e")
    ))
}

#[store::db_test(migrations = migrations)]
async fn processes_are_listed_found_and_shown(db: Db) {
    let house = house(db);
    let steward = officer("steward");
    let (status, empty) = house.get(&steward, "/processes").await;
    assert_eq!(status, 200);
    assert!(empty.contains("还没有部署任何流程"));
    house.deploy("review", review()).await;
    house.deploy("ask", stopping()).await;
    house
        .start("review", json!({"secret": "320000199001010039"}))
        .await;
    let (_, list) = house.get(&steward, "/processes").await;
    assert!(
        list.contains("/processes/definitions/review")
            && list.contains("/processes/definitions/ask")
    );
    let (_, found) = house.get(&steward, "/processes?q=revi").await;
    assert!(found.contains("definitions/review") && !found.contains("definitions/ask"));
    let (_, none) = house.get(&steward, "/processes?q=nothing").await;
    assert!(none.contains("没有符合条件的流程"));

    let (status, page) = house.get(&steward, "/processes/definitions/review").await;
    assert_eq!(status, 200);
    assert!(
        page.contains(r#"data-element="review" data-standing="1""#),
        "{page}"
    );
    let (status, file) = house
        .get(&steward, "/processes/definitions/review/versions/1/file")
        .await;
    assert_eq!((status, file), (200, review()));
    let (status, figures) = house
        .get(
            &steward,
            "/api/workflow/definitions/review/versions/1/figures",
        )
        .await;
    let figures: Value = serde_json::from_str(&figures).unwrap();
    assert_eq!((status, &figures["running"]), (200, &json!(1)));
    assert_eq!(figures["steps"][0]["waiting"], 1);

    for path in [
        "/processes/definitions/none",
        "/processes/definitions/review?version=9",
    ] {
        assert_eq!(house.get(&steward, path).await.0, 404, "{path}");
    }
    let examiner = officer("examiner");
    for path in [
        "/processes",
        "/processes/definitions/review",
        "/processes/incidents",
        "/processes/new",
    ] {
        assert_eq!(house.get(&examiner, path).await.0, 403, "{path}");
    }
    assert_eq!(
        house.get(&officer("operator"), "/processes/new").await.0,
        403
    );
}

#[store::db_test(migrations = migrations)]
async fn a_drawing_is_checked_and_deployed_through_the_doors(db: Db) {
    let house = house(db);
    let steward = officer("steward");
    let wrong = process(
        r#"<startEvent id="s"/><endEvent id="e"/><sequenceFlow id="f" sourceRef="e" targetRef="s"/>"#,
    );
    let (status, found, _) = house
        .post(
            &steward,
            "/api/workflow/models/check",
            "application/xml",
            wrong.clone(),
        )
        .await;
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(status, 200);
    let rules: Vec<_> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            (
                finding["rule"].as_str().unwrap(),
                finding["element"].as_str().unwrap(),
            )
        })
        .collect();
    assert!(rules.contains(&("end-with-outgoing", "e")), "{rules:?}");

    let body = json!({"key": "drawn", "xml": wrong}).to_string();
    let (status, refused, _) = house
        .post(
            &steward,
            "/api/workflow/models/deploy",
            "application/json",
            body,
        )
        .await;
    assert_eq!(status, 422, "{refused}");
    let body = json!({"key": "a/b", "xml": review()}).to_string();
    let (status, refused, _) = house
        .post(
            &steward,
            "/api/workflow/models/deploy",
            "application/json",
            body,
        )
        .await;
    assert_eq!(status, 422);
    assert!(refused.contains("workflow-key-unreadable"));
    assert_eq!(
        house.get(&steward, "/processes/definitions/drawn").await.0,
        404
    );

    let body = json!({"key": "drawn", "xml": review(), "comment": "两人核查"}).to_string();
    let (status, done, _) = house
        .post(
            &steward,
            "/api/workflow/models/deploy",
            "application/json",
            body.clone(),
        )
        .await;
    assert_eq!(status, 200, "{done}");
    let done: Value = serde_json::from_str(&done).unwrap();
    assert_eq!(
        (&done["version"], &done["is_new"]),
        (&json!(1), &json!(true))
    );
    let (_, page) = house.get(&steward, done["href"].as_str().unwrap()).await;
    assert!(page.contains("两人核查"));
    let (_, again, _) = house
        .post(
            &steward,
            "/api/workflow/models/deploy",
            "application/json",
            body.clone(),
        )
        .await;
    assert!(again.contains(r#""is_new":false"#));
    let (status, ..) = house
        .post(
            &officer("operator"),
            "/api/workflow/models/deploy",
            "application/json",
            body,
        )
        .await;
    assert_eq!(status, 403);
}

pub fn multipart(fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let part = |name: &str, more: &str, value: &[u8]| {
        let head = format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n");
        [head.as_bytes(), value, b"\r\n"].concat()
    };
    let mut parts: Vec<Vec<u8>> = fields
        .iter()
        .map(|(name, value)| part(name, "", value.as_bytes()))
        .collect();
    parts.push(part("file", "; filename=\"x.bpmn\"", file));
    parts.push(b"--B--\r\n".to_vec());
    parts.concat()
}

#[store::db_test(migrations = migrations)]
async fn a_file_is_uploaded_without_script(db: Db) {
    let house = house(db);
    let steward = officer("steward");
    let kind = "multipart/form-data; boundary=B";
    let send = |fields: &'static [(&'static str, &'static str)], file: String| {
        house.post(
            &steward,
            "/processes/upload",
            kind,
            multipart(fields, file.as_bytes()),
        )
    };
    let (status, page, _) = send(&[("act", "check")], review()).await;
    assert_eq!(status, 200);
    assert!(
        page.contains("asyncAfter"),
        "what was ignored is told: {page}"
    );
    let (status, page, _) = send(&[("act", "deploy"), ("key", "x")], "<html/>".into()).await;
    assert_eq!(status, 422);
    assert!(page.contains("xml-not-bpmn"), "{page}");
    let (status, page, _) = send(&[("act", "deploy"), ("key", "x")], String::new()).await;
    assert_eq!(status, 422);
    assert!(page.contains("没有选择文件"));
    let (status, page, _) = send(&[("act", "deploy"), ("key", "x y")], review()).await;
    assert_eq!(status, 422);
    assert!(page.contains("标识只能用"));
    let (status, _, location) = send(&[("act", "deploy"), ("key", "x")], review()).await;
    assert_eq!(
        (status, location.as_str()),
        (303, "/processes/definitions/x?version=1")
    );
}

#[store::db_test(migrations = migrations)]
async fn variables_are_masked_until_a_purpose_is_given(db: Db) {
    let house = house(db);
    house.deploy("review", review()).await;
    let id = house
        .start(
            "review",
            json!({"person": "320000199001010039", "urgent": true}),
        )
        .await;
    let path = format!("/processes/instances/{id}");
    let operator = officer("operator");
    let (status, page) = house.get(&operator, &path).await;
    assert_eq!(status, 200);
    assert!(page.contains("person") && !page.contains("320000199001010039"));
    assert!(page.contains("<bdi>true</bdi>"));

    let (status, page, _) = house
        .form(&operator, &format!("{path}/variables"), "purpose=")
        .await;
    assert_eq!(status, 422);
    assert!(!page.contains("320000199001010039"));
    assert!(house.events("workflow.variables_shown.v1").await.is_empty());
    let purpose = "purpose=%E6%A0%B8%E5%AF%B9%E6%8A%95%E8%AF%89";
    let (status, ..) = house
        .form(&officer("steward"), &format!("{path}/variables"), purpose)
        .await;
    assert_eq!(status, 403);
    let (status, page, _) = house
        .form(&operator, &format!("{path}/variables"), purpose)
        .await;
    assert_eq!(status, 200);
    assert!(page.contains("320000199001010039"));
    let events = house.events("workflow.variables_shown.v1").await;
    assert_eq!(events[0]["purpose"], "核对投诉");
}

#[store::db_test(migrations = migrations)]
async fn an_operator_moves_sets_and_cancels_with_a_reason(db: Db) {
    let house = house(db);
    house.deploy("review", review()).await;
    let id = house.start("review", json!({})).await;
    let path = format!("/processes/instances/{id}");
    let operator = officer("operator");
    let (_, page) = house.get(&operator, &path).await;
    let token = page.split(r#"<option value=""#).nth(1).unwrap();
    let token = token.split('"').next().unwrap().to_owned();

    let to_decide = format!("token={token}&to=decide");
    let (status, page, _) = house
        .form(&operator, &format!("{path}/move"), &to_decide)
        .await;
    assert_eq!(status, 422);
    assert!(page.contains("请说明理由"));
    let (status, ..) = house
        .form(
            &operator,
            &format!("{path}/move"),
            &format!("token={token}&to=nowhere&reason=why"),
        )
        .await;
    assert_eq!(status, 409);
    let (status, ..) = house
        .form(
            &officer("steward"),
            &format!("{path}/move"),
            &format!("{to_decide}&reason=why"),
        )
        .await;
    assert_eq!(status, 403);
    let (status, ..) = house
        .form(
            &operator,
            &format!("{path}/move"),
            &format!("{to_decide}&reason=skip"),
        )
        .await;
    assert_eq!(status, 303);
    let trail = workflow::trail_of(&house.db, &house.engine, id)
        .await
        .unwrap();
    assert_eq!(trail.live, ["decide"]);

    let (status, page, _) = house
        .form(
            &operator,
            &format!("{path}/set"),
            "name=area&type=json&value=x&reason=why",
        )
        .await;
    assert_eq!(status, 422);
    assert!(page.contains("不是有效的 JSON"));
    let (status, ..) = house
        .form(
            &operator,
            &format!("{path}/set"),
            "name=area&type=json&value=80&reason=why",
        )
        .await;
    assert_eq!(status, 303);
    let set = house
        .db
        .write(move |tx| async move { workflow::variables(&tx, id).await })
        .await
        .unwrap();
    assert_eq!(set["area"], 80);
    let (status, ..) = house
        .form(&operator, &format!("{path}/cancel"), "reason=twice")
        .await;
    assert_eq!(status, 303);
    let trail = workflow::trail_of(&house.db, &house.engine, id)
        .await
        .unwrap();
    assert_eq!(trail.status, "cancelled");
    let (status, ..) = house
        .form(&operator, &format!("{path}/cancel"), "reason=again")
        .await;
    assert_eq!(status, 409);

    let events = house.events("workflow.instance_intervened.v1").await;
    let whats: Vec<_> = events
        .iter()
        .map(|event| event["verb"].as_str().unwrap())
        .collect();
    assert_eq!(whats, ["move", "set", "cancel"]);
    assert_eq!(
        (&events[0]["other"], &events[0]["reason"]),
        (&json!("decide"), &json!("skip"))
    );
    assert_eq!(events[1]["other"], "area");
}

#[store::db_test(migrations = migrations)]
async fn incidents_are_grouped_by_cause_and_retried(db: Db) {
    let house = house(db);
    house.deploy("ask", stopping()).await;
    let operator = officer("operator");
    let (_, page) = house.get(&operator, "/processes/incidents").await;
    assert!(page.contains("没有停滞的流程"));
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(house.start("ask", json!({})).await);
    }
    let (_, page) = house.get(&operator, "/processes/incidents").await;
    assert_eq!(page.matches(r#"<section class="card tb-card">"#).count(), 1);
    assert!(page.contains("没有登记名为“nobody”的服务"));
    let (_, page) = house.get(&officer("steward"), "/processes/incidents").await;
    assert!(!page.contains("/processes/incidents/retry\"><button"));

    let chosen = format!("instance={}&instance={}", ids[0], ids[1]);
    let (status, page, _) = house
        .form(
            &operator,
            "/processes/incidents/retry",
            &format!("{chosen}&form=1"),
        )
        .await;
    assert_eq!(status, 422);
    assert!(page.contains("请说明理由"));
    let (status, ..) = house
        .form(
            &officer("steward"),
            "/processes/incidents/retry",
            &format!("{chosen}&reason=why"),
        )
        .await;
    assert_eq!(status, 403);

    house.engine.register("nobody", Arc::new(Answers));
    let (status, _, location) = house
        .form(
            &operator,
            "/processes/incidents/retry",
            &format!("{chosen}&reason=mended"),
        )
        .await;
    assert_eq!(
        (status, location.as_str()),
        (303, "/processes/incidents?retried=2&failed=0")
    );
    for (id, status) in [
        (ids[0], "completed"),
        (ids[1], "completed"),
        (ids[2], "running"),
    ] {
        let trail = workflow::trail_of(&house.db, &house.engine, id)
            .await
            .unwrap();
        assert_eq!(trail.status, status);
    }
    // A second time there is nothing to try again: that one is counted, the other is retried.
    let chosen = format!("instance={}&instance={}", ids[0], ids[2]);
    let (_, _, location) = house
        .form(
            &operator,
            "/processes/incidents/retry",
            &format!("{chosen}&reason=mended"),
        )
        .await;
    assert_eq!(location, "/processes/incidents?retried=1&failed=1");
}

struct Answers;

#[async_trait::async_trait]
impl workflow::ServiceHandler for Answers {
    async fn call(&self, _: &store::Tx, _: &workflow::Call) -> kernel::Result<workflow::Outcome> {
        Ok(workflow::Outcome::Done(serde_json::Map::new()))
    }
}

const RISK: &str = r##"<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="d" name="风险" namespace="https://example.org/risk">
  <inputData id="i" name="data"><variable name="data"/></inputData>
  <decision id="risk" name="risk"><variable name="risk" typeRef="string"/>
    <informationRequirement id="r"><requiredInput href="#i"/></informationRequirement>
    <decisionTable id="t" hitPolicy="FIRST">
      <input id="a" label="面积"><inputExpression id="x" typeRef="number"><text>data.area</text></inputExpression></input>
      <output id="o" name="risk" typeRef="string"/>
      <rule id="r1"><inputEntry id="e1"><text>&gt;= 300</text></inputEntry><outputEntry id="o1"><text>"medium"</text></outputEntry></rule>
      <rule id="r2"><inputEntry id="e2"><text>-</text></inputEntry><outputEntry id="o2"><text>"low"</text></outputEntry></rule>
    </decisionTable>
  </decision>
</definitions>"##;

#[store::db_test(migrations = migrations)]
async fn a_decision_is_tried_and_says_which_rules_matched(db: Db) {
    let house = house(db);
    house.deploy("risk", RISK.to_owned()).await;
    let steward = officer("steward");
    let (status, page) = house.get(&steward, "/processes/definitions/risk").await;
    assert_eq!(status, 200);
    assert!(
        page.contains("面积") && page.contains("&#62;= 300"),
        "{page}"
    );
    assert!(!page.contains("tb-fired"));
    let (status, page, _) = house
        .form(
            &steward,
            "/processes/definitions/risk/try",
            "input.data.area=400",
        )
        .await;
    assert_eq!(status, 200);
    assert!(
        page.contains("medium") && page.contains("符合的规则：1"),
        "{page}"
    );
    let (_, page, _) = house
        .form(
            &steward,
            "/processes/definitions/risk/try",
            "input.data.area=20",
        )
        .await;
    assert!(page.contains("符合的规则：2") && page.matches(r#"class="tb-fired""#).count() == 1);
    let (status, page, _) = house
        .form(
            &steward,
            "/processes/definitions/risk/try",
            "input.data.area=big",
        )
        .await;
    assert_eq!(status, 422);
    assert!(page.contains("不是 number 类型的值"));
}

#[store::db_test(migrations = migrations)]
async fn a_process_is_started_by_hand(db: Db) {
    let house = house(db);
    house.deploy("review", review()).await;
    let steward = officer("steward");
    let path = "/processes/definitions/review/start";
    for (body, reason) in [
        ("note=&variables={}", "请填写事由"),
        ("note=trial&variables=[]", "变量必须是一个 JSON 记录"),
        ("note=trial&variables=x", "不是有效的 JSON"),
    ] {
        let (status, page, _) = house.form(&steward, path, body).await;
        assert_eq!(status, 422, "{body}");
        assert!(page.contains(reason), "{body}");
    }
    let (status, ..) = house
        .form(&officer("supervisor"), path, "note=trial&variables={}")
        .await;
    assert_eq!(status, 403);
    let (status, _, location) = house.form(&steward, path, "note=trial&variables={}").await;
    assert_eq!(status, 303);
    let (_, page) = house.get(&steward, &location).await;
    assert!(page.contains("manual:trial"));
}
