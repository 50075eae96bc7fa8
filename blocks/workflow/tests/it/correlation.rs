//! Messages told apart by the means of the standard alone (BPMN 2.0.2, 8.4.2).

use std::sync::Arc;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use store::{Db, Worker};
use workflow::{Engine, check::Severity};

use crate::{
    durable::{deploy, start},
    house::{House, Program, migrations},
    model::{file, flows, run, vars},
};

/// Three messages that carry the number of an order, each in its way.
const KEY: &str = r#"<message id="m-order" name="order"/><message id="m-paid" name="paid"/><message id="m-sent" name="sent"/>
    <correlationProperty id="number" name="number of the order">
      <correlationPropertyRetrievalExpression id="of-order" messageRef="m-order"><messagePath>id</messagePath></correlationPropertyRetrievalExpression>
      <correlationPropertyRetrievalExpression id="of-paid" messageRef="m-paid"><messagePath>payment.order</messagePath></correlationPropertyRetrievalExpression>
      <correlationPropertyRetrievalExpression id="of-sent" messageRef="m-sent"><messagePath>parcel</messagePath></correlationPropertyRetrievalExpression>
    </correlationProperty>"#;

const OF_ALL: &str = r#"<collaboration id="co"><participant id="pool" processRef="p"/>
    <correlationKey id="by-number"><correlationPropertyRef>number</correlationPropertyRef></correlationKey></collaboration>"#;

/// An order begins it, and its payment ends it.
fn key_based() -> String {
    file(&format!(
        r#"{KEY}{OF_ALL}<process id="p" isExecutable="true"><startEvent id="s"><messageEventDefinition messageRef="m-order"/></startEvent>
        <intermediateCatchEvent id="c"><messageEventDefinition messageRef="m-paid"/></intermediateCatchEvent><endEvent id="e"/>{}</process>"#,
        flows("s>c>e")
    ))
}

/// Its own data say which payment is meant.
pub fn context_based() -> String {
    file(&format!(
        r#"{KEY}{OF_ALL}<process id="p" isExecutable="true"><startEvent id="s"/><parallelGateway id="g"/>
        <intermediateCatchEvent id="c"><messageEventDefinition messageRef="m-paid"/></intermediateCatchEvent>
        <userTask id="u"/><endEvent id="e"/>{}
        <correlationSubscription id="sub" correlationKeyRef="by-number">
          <correlationPropertyBinding id="bind" correlationPropertyRef="number"><dataPath>order.id</dataPath></correlationPropertyBinding>
        </correlationSubscription></process>"#,
        flows("s>g; g>c; g>u; c>e; u>e")
    ))
}

fn paid(number: i64) -> Value {
    json!({"message": "paid", "vars": {"payment": {"order": number}, "got": number}})
}

#[test]
fn the_first_message_gives_the_key_and_later_ones_must_match() {
    let orders = |last: Value| {
        let order = |n| json!({"message": "order", "vars": {"id": n}});
        let script = json!([order(1), order(2), last]).to_string();
        run(&key_based(), json!({}), &script)
    };
    // The second is paid; the first, which is asked first, waits on.
    let ran = orders(paid(2)).ends("waiting");
    assert_eq!((ran.var("id"), ran.var("got")), (&json!(1), &json!(null)));
    assert!(ran.entered().contains(&"e"));
    orders(paid(1)).ends("waiting");
    orders(paid(3)).ends("failed");
    // What carries no number belongs to no order.
    orders(json!({"message": "paid", "vars": {"got": 1}})).ends("failed");
}

#[test]
fn a_process_subscribes_by_its_own_data() {
    let begun = |n: i64| json!({"start": "s", "vars": {"order": {"id": n}}});
    let script = json!([begun(1), begun(2), paid(2)]).to_string();
    let ran = run(&context_based(), json!({}), &script).ends("waiting");
    assert_eq!(ran.var("got"), &json!(null));
    // The data change, and with them what is meant.
    let changed = |last: Value| {
        let change = json!({"complete": "u", "vars": {"order": {"id": 5}}});
        let script = json!([begun(1), change, last]).to_string();
        run(&context_based(), json!({}), &script)
    };
    changed(paid(1)).ends("failed");
    assert_eq!(changed(paid(5)).ends("completed").var("got"), &json!(5));
    // Without a number no payment is meant.
    let script = json!([{"start": "s"}, paid(1)]).to_string();
    run(&context_based(), json!({}), &script).ends("failed");
}

/// One process asks, the other answers; each asks for `n`.
fn pools(asking: &str) -> String {
    file(&format!(
        r#"{KEY}<collaboration id="co"><participant id="p1" processRef="p"/><participant id="p2" processRef="q"/>
        <messageFlow id="f1" sourceRef="ask" targetRef="asked"/><messageFlow id="f2" sourceRef="more" targetRef="got"/>
        <conversation id="talk"><participantRef>p1</participantRef><participantRef>p2</participantRef><messageFlowRef>f1</messageFlowRef><messageFlowRef>f2</messageFlowRef>
        <correlationKey id="by-number"><correlationPropertyRef>number</correlationPropertyRef></correlationKey></conversation></collaboration>
        {asking}<process id="q" isExecutable="true"><startEvent id="asked"><messageEventDefinition messageRef="m-order"/></startEvent>
        <intermediateCatchEvent id="got"><messageEventDefinition messageRef="m-sent"/></intermediateCatchEvent><endEvent id="qe"/>{}</process>"#,
        flows("asked>got>qe")
    ))
}

fn asks_and_sends() -> String {
    pools(&format!(
        r#"<process id="p" isExecutable="true"><startEvent id="s"/>
        <intermediateThrowEvent id="ask"><messageEventDefinition messageRef="m-order"/></intermediateThrowEvent>
        <userTask id="u"/><sendTask id="more" messageRef="m-sent"/><endEvent id="e"/>{}</process>"#,
        flows("s>ask>u>more>e")
    ))
}

#[test]
fn what_is_sent_belongs_to_its_conversation_too() {
    let begun = |n: i64| json!({"start": "s", "vars": {"id": n}});
    let sent = |parcel: i64| json!({"complete": "u", "vars": {"parcel": parcel}});
    let done = json!({"complete": "more"});
    // `u` and `more` of the first run come first.
    let script = json!([begun(1), begun(2), sent(1), done, sent(2), done]).to_string();
    let ran = run(&asks_and_sends(), json!({}), &script).ends("completed");
    assert_eq!(ran.of("message"), ["ask", "ask", "more", "more"]);
    let script = json!([begun(1), sent(9), done]).to_string();
    let ran = run(&asks_and_sends(), json!({}), &script).ends("failed");
    assert!(
        ran.last["reason"].as_str().unwrap().contains(r#"{"id":1}"#)
            || ran.last["reason"]
                .as_str()
                .unwrap()
                .contains(r#"{"parcel":1}"#),
        "{}",
        ran.last
    );
    assert_eq!(ran.of("message"), ["ask"]);
}

#[test]
fn each_of_several_instances_has_a_conversation_of_its_own() {
    let xml = file(&format!(
        r#"{KEY}{OF_ALL}<process id="p" isExecutable="true"><startEvent id="s"/>
        <subProcess id="m"><multiInstanceLoopCharacteristics tongban:collection="l" tongban:elementVariable="id" tongban:outputCollection="all" tongban:outputElement="got"/>
        <startEvent id="i"/><intermediateThrowEvent id="ask"><messageEventDefinition messageRef="m-order"/></intermediateThrowEvent>
        <receiveTask id="r" messageRef="m-paid"/><endEvent id="o"/>{}</subProcess><endEvent id="e"/>{}</process>"#,
        flows("i>ask>r>o"),
        flows("s>m>e")
    ));
    let script = json!([paid(2), paid(3), paid(1)]).to_string();
    let ran = run(&xml, json!({"l": [1, 2, 3]}), &script).ends("completed");
    assert_eq!(ran.var("all"), &json!([1, 2, 3]));
}

/// FEEL would take the second for a division.
#[test]
fn a_path_of_xpath_is_refused() {
    for path in ["/payment/@order", "payment/order", "//order/text()"] {
        let wrong = key_based().replace("payment.order", path);
        let (model, findings) = workflow::check::read_and_check(wrong.as_bytes());
        let found = findings.iter().find(|one| one.element == "number").unwrap();
        assert!(model.is_none());
        assert_eq!(
            (found.rule, found.severity, found.line > 0),
            ("expression-syntax", Severity::Error, true)
        );
        assert!(found.text.contains("XPath"), "{}", found.text);
        assert!(found.remedy.contains("`payment.order`"));
        let drawn = wrong.replace(r#" isExecutable="true""#, "");
        let (_, findings) = workflow::check::read_and_check(drawn.as_bytes());
        let found = findings.iter().find(|one| one.element == "number").unwrap();
        assert_eq!(found.severity, Severity::Warning);
    }
    let reckoned = key_based().replace("payment.order", "payment.order / 1");
    assert!(
        workflow::check::read_and_check(reckoned.as_bytes())
            .0
            .is_some()
    );
}

/// A process that waits for two messages, of which a conversation that is called groups one.
fn calls(conversation: &str) -> String {
    file(&format!(
        r#"{KEY}<globalConversation id="talk"><correlationKey id="by-number"><correlationPropertyRef>number</correlationPropertyRef></correlationKey></globalConversation>
        <collaboration id="co"><participant id="own" processRef="p"/><participant id="bank"/><participant id="post"/>
        <messageFlow id="f1" sourceRef="bank" targetRef="c"/><messageFlow id="f2" sourceRef="post" targetRef="d"/><messageFlow id="f3" sourceRef="bank" targetRef="s"/>
        {conversation}</collaboration>
        <process id="p" isExecutable="true"><startEvent id="s"><messageEventDefinition messageRef="m-order"/></startEvent>
        <intermediateCatchEvent id="c"><messageEventDefinition messageRef="m-paid"/></intermediateCatchEvent>
        <intermediateCatchEvent id="d"><messageEventDefinition messageRef="m-sent"/></intermediateCatchEvent><endEvent id="e"/>{}</process>"#,
        flows("s>c>d>e")
    ))
}

#[test]
fn a_called_conversation_groups_the_message_flows_of_its_call() {
    let call = |flows: &str| {
        calls(&format!(
            r#"<callConversation id="call" calledCollaborationRef="talk"><participantRef>own</participantRef><participantRef>bank</participantRef>{flows}</callConversation>"#
        ))
    };
    let order = json!({"message": "order", "vars": {"id": 1}});
    let sent = |number: i64| json!({"message": "sent", "vars": {"parcel": number}});
    let played = |xml: &str, last: [Value; 2]| {
        let script = json!([order, last[0], last[1]]).to_string();
        run(xml, json!({}), &script).outcome().to_owned()
    };
    let paying = call("<messageFlowRef>f1</messageFlowRef><messageFlowRef>f3</messageFlowRef>");
    // The payment must be that of the order; the parcel is of no conversation.
    assert_eq!(played(&paying, [paid(1), sent(9)]), "completed");
    assert_eq!(played(&paying, [paid(2), sent(1)]), "failed");
    // A call that lists none, and a conversation that nobody calls, hold for all messages.
    for all in [call(""), calls("")] {
        assert_eq!(played(&all, [paid(1), sent(9)]), "failed");
        assert_eq!(played(&all, [paid(1), sent(1)]), "completed");
    }
    let dangling = paying.replace(r#"Ref="talk""#, r#"Ref="nothing""#);
    let (model, findings) = workflow::check::read_and_check(dangling.as_bytes());
    assert!(model.is_none());
    let found = findings.iter().find(|one| one.element == "call").unwrap();
    assert_eq!(found.rule, "dangling-reference");
}

async fn put(program: &Program<'_>, xml: String) {
    let reply = program
        .send("POST", "/api/process/definitions", "application/xml", xml)
        .await;
    assert_eq!(reply.status, 201, "{}", reply.text);
}

async fn begin(program: &Program<'_>, number: i64) -> Value {
    let body = json!({"key": "p", "variables": {"order": {"id": number}}});
    program.does("/api/process/instances", body).await["id"].clone()
}

#[store::db_test(migrations = migrations)]
async fn a_program_brings_a_message_to_the_instance_that_it_is_meant_for(db: Db) {
    let house = House::open(db).await;
    let (administrator, program) = (
        house.program("administrator").await,
        house.program("integrator").await,
    );
    put(&administrator, context_based()).await;
    let first = begin(&program, 1).await;
    let second = begin(&program, 2).await;
    let body = |number: i64| json!({"name": "paid", "variables": {"payment": {"order": number}}});
    let reached = program.does("/api/process/messages", body(2)).await;
    assert_eq!(reached, json!({"instance": second, "is_start": false}));
    for nobodys in [2, 3] {
        let reply = program
            .call("POST", "/api/process/messages", body(nobodys))
            .await;
        assert_eq!(reply.body["rule"], json!("workflow-message-nobody"));
    }
    // A second one with the same number is one too many.
    begin(&program, 1).await;
    let reply = program.call("POST", "/api/process/messages", body(1)).await;
    assert_eq!(reply.body["rule"], json!("workflow-message-many"));
    let mut named = body(1);
    named["instance"] = first.clone();
    let reached = program.does("/api/process/messages", named).await;
    assert_eq!(reached["instance"], first);
}

/// A message of a process that knows nothing of keys, too.
#[store::db_test(migrations = migrations)]
async fn a_message_for_nobody_waits_until_its_conversation_is_there(db: Db) {
    let engine = Arc::new(Engine::default());
    deploy(&db, "p", context_based()).await;
    let pays = file(&format!(
        r#"<message id="m" name="paid"/><process id="pays" isExecutable="true"><startEvent id="s"/>
        <intermediateThrowEvent id="t"><messageEventDefinition messageRef="m"/></intermediateThrowEvent><endEvent id="e"/>{}</process>"#,
        flows("s>t>e")
    ));
    deploy(&db, "pays", pays).await;
    let given = |number: i64| json!({"order": {"id": number}});
    for number in [1, 2] {
        start(&db, &engine, "p", given(number)).await.unwrap();
    }
    let payment = json!({"payment": {"order": 7}, "got": 7});
    start(&db, &engine, "pays", payment).await.unwrap();
    work(&db, &engine).await;
    let problem = async || {
        let backend = db.read().get_database_backend();
        let sql = "SELECT problem FROM workflow_mail";
        let statement = sea_orm::Statement::from_string(backend, sql);
        let row = db.read().query_one_raw(statement).await.unwrap();
        row.map(|row| row.try_get::<String>("", "problem").unwrap())
    };
    assert_eq!(problem().await.as_deref(), Some("nobody"));
    let id = start(&db, &engine, "p", given(7)).await.unwrap();
    work(&db, &engine).await;
    assert_eq!(problem().await, None);
    let variables = db
        .write(move |tx| async move { workflow::variables(&tx, id).await })
        .await
        .unwrap();
    assert_eq!(variables["got"], json!(7));
}

pub async fn work(db: &Db, engine: &Arc<Engine>) {
    let worker = Worker::new(&workflow::jobs(db, engine));
    while worker.run_due(db).await.unwrap() > 0 {}
}

#[store::db_test(migrations = migrations)]
async fn stored_instances_talk_by_their_conversation(db: Db) {
    let engine = Arc::new(Engine::default());
    deploy(
        &db,
        "p",
        asks_and_sends().replace("userTask", "receiveTask"),
    )
    .await;
    let begin = async |number: i64| {
        let engine = engine.clone();
        db.write(move |tx| {
            let engine = engine.clone();
            async move {
                let given = vars(json!({"id": number}));
                // Both are about the same, so that the subject does not tell them apart.
                workflow::start(&tx, &engine, "p", "case:1", given).await
            }
        })
        .await
        .unwrap()
    };
    let mut ids = Vec::new();
    for number in 1..=3 {
        ids.push(begin(number).await);
        work(&db, &engine).await;
    }
    let tell = async |at: usize, name: &'static str, given: Value| {
        let (engine, id) = (engine.clone(), ids[at]);
        db.write(move |tx| {
            let (engine, given) = (engine.clone(), vars(given.clone()));
            async move { workflow::message(&tx, &engine, id, name, None, given).await }
        })
        .await
        .unwrap();
    };
    tell(1, "u", json!({"parcel": 2})).await;
    let state = |id| {
        let db = db.clone();
        async move {
            db.write(move |tx| async move { workflow::variables(&tx, id).await })
                .await
                .unwrap()
        }
    };
    assert_eq!(state(ids[1]).await["parcel"], json!(2));
    work(&db, &engine).await;
    let standing = standing(&db).await;
    let waiting: Vec<_> = standing.iter().filter(|one| one.contains('q')).collect();
    assert_eq!(waiting, ["q 1 running", "q 2 completed", "q 3 running"]);
}

/// `process id status`, where `id` is what the order brought.
async fn standing(db: &Db) -> Vec<String> {
    let backend = db.read().get_database_backend();
    let sql = "SELECT process, status, state FROM workflow_instance ORDER BY id";
    let rows = db
        .read()
        .query_all_raw(sea_orm::Statement::from_string(backend, sql))
        .await
        .unwrap();
    let mut all: Vec<String> = rows
        .iter()
        .map(|row| {
            let text = |name: &str| row.try_get::<String>("", name).unwrap();
            let state: Value = serde_json::from_str(&text("state")).unwrap();
            let frames = state["frames"].as_object().unwrap();
            let number = &frames.values().next().unwrap()["vars"]["id"];
            format!("{} {number} {}", text("process"), text("status"))
        })
        .collect();
    all.sort();
    all
}
