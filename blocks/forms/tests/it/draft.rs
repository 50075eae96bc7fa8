use std::sync::Arc;

use axum::{body::Body, http::Request};
use forms::{Draft, NewDraft, draft, file, prefill};
use identity::Actor;
use kernel::{Error, ManualClock};
use serde_json::{Value, json};
use store::Db;

use crate::house::{House, a_firm, an_agent, an_officer, food, form, house};

const ORG: &str = "11321000MB0000019N";
const PDF: &[u8] = b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\n<<>>\nendobj\n";

async fn begin(house: &House, actor: &Actor) -> Draft {
    let new = NewDraft::of(actor, "matter:food", form(&food()))
        .prefilled(&prefill::account(actor), house.app.clock().now());
    draft::create(&house.app, actor, new).await.unwrap()
}

fn key(error: &Error) -> &'static str {
    match error {
        Error::Refused(text) => text.key,
        Error::Invalid(findings) => findings[0].text.key,
        Error::NotFound { .. } => "not-found",
        _ => "other",
    }
}

#[store::db_test(migrations = forms::foundation().migrations)]
async fn a_draft_goes_on_on_another_device(db: Db) {
    let house = house(&db);
    let actor = an_agent(&a_firm());
    let draft = begin(&house, &actor).await;
    assert_eq!(draft.values["name"], "示例餐饮有限公司（合成）");
    let mut values = draft.values.clone();
    values["area"] = json!(120);
    values["phone"] = json!("13900139000");
    values["name"] = json!("别的名字");
    let saved = draft::save(
        &house.app,
        &actor,
        draft.id,
        draft.version,
        values,
        Some("place".into()),
    )
    .await
    .unwrap();
    // The name may not be changed; the changed telephone is the applicant's own now.
    assert_eq!(saved.values["name"], "示例餐饮有限公司（合成）");
    assert!(!saved.provenances.contains_key("phone") && saved.provenances.contains_key("code"));

    let elsewhere = Actor {
        second_factor: true,
        ..actor.clone()
    };
    let (lines, next) = draft::list(&house.app, &elsewhere, None).await.unwrap();
    assert_eq!((lines.len(), next), (1, None));
    let resumed = draft::get(&house.app, &elsewhere, lines[0].id)
        .await
        .unwrap();
    assert_eq!(
        (resumed.values["area"].clone(), resumed.step.as_str()),
        (json!(120), "place")
    );
}

#[store::db_test(migrations = forms::foundation().migrations)]
async fn the_second_device_is_told_that_it_is_late(db: Db) {
    let house = house(&db);
    let actor = an_agent(&a_firm());
    let draft = begin(&house, &actor).await;
    let save = |area: i64| {
        draft::save(
            &house.app,
            &actor,
            draft.id,
            draft.version,
            json!({"area": area}),
            None,
        )
    };
    save(10).await.unwrap();
    assert_eq!(key(&save(20).await.unwrap_err()), "forms-draft-changed");
    let now = draft::get(&house.app, &actor, draft.id).await.unwrap();
    assert_eq!(now.values["area"], 10);
}

#[store::db_test(migrations = forms::foundation().migrations)]
async fn nobody_else_learns_of_a_draft(db: Db) {
    let house = house(&db);
    let firm = a_firm();
    let actor = an_agent(&firm);
    let draft = begin(&house, &actor).await;
    for stranger in [an_agent(&a_firm()), an_officer(ORG)] {
        let error = draft::get(&house.app, &stranger, draft.id)
            .await
            .unwrap_err();
        assert_eq!(key(&error), "not-found");
    }
    // A colleague who acts for the same firm goes on with it.
    assert!(
        draft::get(&house.app, &an_agent(&firm), draft.id)
            .await
            .is_ok()
    );
}

#[store::db_test(migrations = forms::foundation().migrations)]
async fn a_draft_is_submitted_once(db: Db) {
    let house = house(&db);
    let actor = an_agent(&a_firm());
    let draft = begin(&house, &actor).await;
    let lock = |subject: &'static str| {
        let id = draft.id;
        db.write(move |tx| async move { draft::lock(&tx, id, subject).await })
    };
    assert_eq!(lock("case:1").await.unwrap(), None);
    assert_eq!(lock("case:2").await.unwrap().as_deref(), Some("case:1"));
    let error = draft::save(&house.app, &actor, draft.id, 2, json!({}), None)
        .await
        .unwrap_err();
    assert_eq!(key(&error), "forms-draft-closed");
    assert!(
        draft::list(&house.app, &actor, None)
            .await
            .unwrap()
            .0
            .is_empty()
    );
}

#[store::db_test(migrations = forms::foundation().migrations)]
async fn a_forgotten_draft_goes(db: Db, clock: Arc<ManualClock>) {
    let house = house(&db);
    let actor = an_agent(&a_firm());
    let old = begin(&house, &actor).await;
    clock.advance(draft::KEPT + chrono::Duration::seconds(1));
    let error = draft::save(&house.app, &actor, old.id, old.version, json!({}), None)
        .await
        .unwrap_err();
    assert_eq!(key(&error), "forms-draft-expired");
    begin(&house, &actor).await;
    assert_eq!(
        key(&draft::get(&house.app, &actor, old.id).await.unwrap_err()),
        "not-found"
    );
}

#[store::db_test(migrations = forms::foundation().migrations)]
async fn unknown_fields_are_refused(db: Db) {
    let house = house(&db);
    let actor = an_agent(&a_firm());
    let draft = begin(&house, &actor).await;
    let save =
        |values: Value| draft::save(&house.app, &actor, draft.id, draft.version, values, None);
    assert_eq!(
        key(&save(json!({"nonsense": 1})).await.unwrap_err()),
        "forms-draft-unknown-fields"
    );
    assert_eq!(
        key(&save(json!([])).await.unwrap_err()),
        "forms-draft-unknown-fields"
    );
    assert_eq!(
        key(&save(json!({"name": "x".repeat(2 << 20)}))
            .await
            .unwrap_err()),
        "forms-draft-too-big"
    );
}

#[store::db_test(migrations = forms::foundation().migrations)]
async fn nobody_claims_a_file_or_certificate_that_he_did_not_hand_in(db: Db) {
    let house = house(&db);
    let actor = an_agent(&a_firm());
    let draft = begin(&house, &actor).await;
    let forged = json!({"plan": [{"file": "0193", "name": "x.pdf"}], "health": [{"certificate": "1.2"}], "area": 9});
    let saved = draft::save(&house.app, &actor, draft.id, draft.version, forged, None)
        .await
        .unwrap();
    assert_eq!(
        (saved.values.get("plan"), saved.values.get("health")),
        (None, None)
    );
    assert_eq!(saved.values["area"], 9);
}

async fn hand_in(
    house: &House,
    actor: &Actor,
    draft: &Draft,
    name: &str,
    content: &'static [u8],
) -> Result<Value, &'static str> {
    let content =
        futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from_static(content))]);
    let (file, draft) = file::upload(&house.app, actor, draft.id, "plan", name, content)
        .await
        .map_err(|e| key(&e))?;
    assert!(!file.id.to_string().is_empty());
    Ok(draft.values["plan"].clone())
}

#[store::db_test(migrations = forms::foundation().migrations)]
async fn several_files_are_handed_in_at_a_question(db: Db) {
    let house = house(&db);
    let actor = an_agent(&a_firm());
    let draft = begin(&house, &actor).await;
    let one = hand_in(&house, &actor, &draft, "../平面图.pdf", PDF)
        .await
        .unwrap();
    assert_eq!(one[0]["name"], "平面图.pdf");
    assert!(
        hand_in(&house, &actor, &draft, "empty.pdf", b"")
            .await
            .is_err()
    );
    assert!(
        hand_in(&house, &actor, &draft, "program.exe", b"MZ")
            .await
            .is_err()
    );
    assert!(
        hand_in(&house, &actor, &draft, "not-a.pdf", b"MZ\x90\x00 program")
            .await
            .is_err()
    );
    let two = hand_in(&house, &actor, &draft, "second.pdf", PDF)
        .await
        .unwrap();
    assert_eq!(two.as_array().unwrap().len(), 2);
    assert_eq!(
        hand_in(&house, &actor, &draft, "third.pdf", PDF).await,
        Err("forms-file-count")
    );
    let gone = two[0]["file"].as_str().unwrap();
    let left = file::remove(&house.app, &actor, draft.id, "plan", gone)
        .await
        .unwrap();
    assert_eq!(left.values["plan"].as_array().unwrap().len(), 1);
    assert_eq!(
        key(&file::open(&house.app, &actor, gone.parse().unwrap())
            .await
            .err()
            .unwrap()),
        "not-found"
    );
}

#[store::db_test(migrations = forms::foundation().migrations)]
async fn files_are_read_by_those_who_handle_the_case(db: Db) {
    let house = house(&db);
    let actor = an_agent(&a_firm());
    let draft = begin(&house, &actor).await;
    let list = hand_in(&house, &actor, &draft, "plan.pdf", PDF)
        .await
        .unwrap();
    let id = list[0]["file"].as_str().unwrap().parse().unwrap();
    let officer = an_officer(ORG);
    assert!(file::open(&house.app, &officer, id).await.is_err());
    let draft_id = draft.id;
    db.write(move |tx| async move {
        draft::lock(&tx, draft_id, "case:1").await?;
        file::assign(&tx, "case:1", &[ORG.to_owned()]).await
    })
    .await
    .unwrap();
    assert!(file::open(&house.app, &officer, id).await.is_ok());
    assert!(file::open(&house.app, &actor, id).await.is_ok());
    assert!(
        file::open(&house.app, &an_officer("11321000MB0000020A"), id)
            .await
            .is_err()
    );
}

#[store::db_test(migrations = forms::foundation().migrations)]
async fn a_program_lives_a_draft_through_the_doors(db: Db) {
    let house = house(&db);
    let actor = an_agent(&a_firm());
    let draft = begin(&house, &actor).await;
    let path = format!("/api/forms/drafts/{}", draft.id);
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let (status, _) = house.ask(None, get(&path)).await;
    assert_eq!(status, 401);
    let (status, body) = house.ask(Some(&actor), get(&path)).await;
    assert_eq!((status, body["version"].clone()), (200, json!(1)), "{body}");
    assert_eq!(body["form"]["properties"]["area"]["minimum"], 5);
    let put = |body: Value| {
        let request = Request::put(&path).header("content-type", "application/json");
        request.body(Body::from(body.to_string())).unwrap()
    };
    let (status, body) = house
        .ask(
            Some(&actor),
            put(json!({"values": {"area": 3}, "version": 1})),
        )
        .await;
    assert_eq!((status, body["version"].clone()), (200, json!(2)), "{body}");
    let (status, _) = house
        .ask(Some(&actor), put(json!({"values": {}, "version": 1})))
        .await;
    assert_eq!(status, 409);
    let check = Request::post(format!("{path}/check"))
        .body(Body::empty())
        .unwrap();
    let (status, body) = house.ask(Some(&actor), check).await;
    assert_eq!(status, 422, "{body}");
    let upload = Request::post(format!("/api/forms/files?draft={}&field=plan", draft.id))
        .header("content-type", "multipart/form-data; boundary=b")
        .body(Body::from("--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\r\n%PDF-1.7 x\r\n--b--\r\n"))
        .unwrap();
    let (status, body) = house.ask(Some(&actor), upload).await;
    assert_eq!(status, 201, "{body}");
    let file = format!("/api/forms/files/{}", body["file"]["id"].as_str().unwrap());
    assert_eq!(house.ask(Some(&actor), get(&file)).await.0, 200);
    assert_eq!(
        house.ask(Some(&an_agent(&a_firm())), get(&file)).await.0,
        404
    );
    let delete = |path: &str| Request::delete(path).body(Body::empty()).unwrap();
    assert_eq!(house.ask(Some(&actor), delete(&file)).await.0, 204);
    assert_eq!(house.ask(Some(&actor), delete(&path)).await.0, 204);
    assert_eq!(house.ask(Some(&actor), get(&path)).await.0, 404);
}
