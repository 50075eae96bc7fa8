//! What is missing is handed in with files, and what was there before is kept.

use std::sync::Arc;

use axum::{Router, body::Body, http::Request};
use bytes::Bytes;
use identity::Actor;
use kernel::{Error, ManualClock};
use service::case::{CaseId, Event, State, correct, store as rows};
use store::{Blobs, Db, db_test};

use crate::{
    pages::{answer, get, router},
    world::{World, licence, migrations},
};

const PDF: &[u8] = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n";

struct Story {
    w: World,
    router: Router,
    case: CaseId,
}

/// A case whose applicant was told what is missing.
async fn story(db: &Db, clock: &Arc<ManualClock>) -> Story {
    let w = World::new(db, clock);
    w.app.put(Blobs::in_memory());
    let gate = w.app.part::<identity::Gate>().unwrap();
    let forms = forms::module(&w.app).unwrap();
    gate.load(service::POLICIES.iter().copied().chain(forms.policies))
        .unwrap();
    let receipt = w.submitted(licence()).await;
    let ask = Event::NotifyCorrection {
        missing: vec!["平面布局图不清晰".into()],
    };
    w.act(&w.clerk, &receipt, ask).await.unwrap();
    w.later(1);
    Story {
        router: router(&w),
        case: receipt.case,
        w,
    }
}

impl Story {
    async fn upload(&self, actor: &Actor, draft: forms::DraftId, field: &str, name: &str) {
        let content = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(PDF))]);
        forms::file::upload(&self.w.app, actor, draft, field, name, content)
            .await
            .unwrap();
    }

    async fn materials(&self) -> Vec<rows::Material> {
        rows::list_materials(self.w.desk.db.read(), self.case)
            .await
            .unwrap()
    }

    async fn state(&self) -> State {
        rows::get(self.w.desk.db.read(), self.case)
            .await
            .unwrap()
            .state()
    }
}

#[db_test(migrations = migrations)]
async fn several_files_replace_a_material_and_the_old_one_is_kept(db: Db, clock: Arc<ManualClock>) {
    let s = story(&db, &clock).await;
    let citizen = &s.w.citizen;
    let draft = correct::open(&s.w.app, citizen, s.case).await.unwrap();
    let empty = correct::hand_in(&s.w.app, citizen, s.case, draft.id).await;
    assert!(matches!(empty, Err(Error::Invalid(_))));
    assert_eq!(s.state().await, State::Correcting);

    s.upload(citizen, draft.id, "plan", "一层.pdf").await;
    s.upload(citizen, draft.id, "plan", "二层.pdf").await;
    s.upload(citizen, draft.id, correct::OTHERS, "说明.pdf")
        .await;
    // The same draft is found on another device.
    let again = correct::open(&s.w.app, citizen, s.case).await.unwrap();
    assert_eq!(again.id, draft.id);
    let case = correct::hand_in(&s.w.app, citizen, s.case, draft.id)
        .await
        .unwrap();
    assert_eq!(case.state(), State::Received);

    let all = s.materials().await;
    let told: Vec<_> = all
        .iter()
        .map(|m| (m.key.as_str(), m.files.len(), m.is_current))
        .collect();
    assert_eq!(
        told,
        [
            ("plan", 0, false),
            ("plan", 2, true),
            (correct::OTHERS, 1, true)
        ]
    );
    // A second press changes nothing.
    let same = correct::hand_in(&s.w.app, citizen, s.case, draft.id)
        .await
        .unwrap();
    assert_eq!(same.version, case.version);
    assert_eq!(s.materials().await.len(), 3);

    let (_, page) = get(
        &s.router,
        Some(&s.w.clerk),
        &format!("/work/cases/{}", s.case),
    )
    .await;
    assert!(page.contains("一层.pdf") && page.contains("service-material-earlier"));
}

#[db_test(migrations = migrations)]
async fn officers_of_the_case_read_its_files_and_others_do_not(db: Db, clock: Arc<ManualClock>) {
    let s = story(&db, &clock).await;
    let citizen = &s.w.citizen;
    let draft = correct::open(&s.w.app, citizen, s.case).await.unwrap();
    s.upload(citizen, draft.id, "plan", "一层.pdf").await;
    correct::hand_in(&s.w.app, citizen, s.case, draft.id)
        .await
        .unwrap();
    let all = s.materials().await;
    let file: forms::FileId = all[1].files[0].id.parse().unwrap();
    for reader in [citizen, &s.w.examiner] {
        let read = forms::file::open(&s.w.app, reader, file).await;
        assert!(read.is_ok(), "{}", reader.name);
    }
    for other in [&s.w.stranger, &s.w.fire] {
        let read = forms::file::open(&s.w.app, other, file).await;
        assert!(
            matches!(read, Err(Error::NotFound { .. })),
            "{}",
            other.name
        );
    }
}

#[db_test(migrations = migrations)]
async fn nobody_corrects_for_others_or_out_of_turn(db: Db, clock: Arc<ManualClock>) {
    let s = story(&db, &clock).await;
    let stranger = correct::open(&s.w.app, &s.w.stranger, s.case).await;
    assert!(matches!(stranger, Err(Error::NotFound { .. })));
    let examiner = correct::open(&s.w.app, &s.w.examiner, s.case).await;
    assert!(matches!(examiner, Err(Error::Forbidden { .. })));
    let draft = correct::open(&s.w.app, &s.w.citizen, s.case).await.unwrap();
    let taken = correct::hand_in(&s.w.app, &s.w.clerk, s.case, draft.id).await;
    assert!(matches!(taken, Err(Error::NotFound { .. })));
    s.upload(&s.w.citizen, draft.id, "plan", "一层.pdf").await;
    correct::hand_in(&s.w.app, &s.w.citizen, s.case, draft.id)
        .await
        .unwrap();
    let late = correct::open(&s.w.app, &s.w.citizen, s.case).await;
    assert!(matches!(late, Err(Error::Refused(_))));
}

#[db_test(migrations = migrations)]
async fn the_page_takes_files_and_a_note(db: Db, clock: Arc<ManualClock>) {
    let s = story(&db, &clock).await;
    let path = format!("/mine/cases/{}/correct", s.case);
    let (status, page) = get(&s.router, Some(&s.w.citizen), &path).await;
    assert_eq!(status.as_u16(), 200, "{page}");
    assert!(page.contains("平面布局图不清晰") && page.contains("name=\"plan\""));
    let send = |file: Option<&str>, act: &str| {
        let mut body = String::new();
        let part = |head: &str, value: &str| {
            format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n")
        };
        let version = page
            .split("name=\"version\" value=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap();
        body += &part("name=\"version\"", version);
        body += &part("name=\"note\"", "");
        if let Some(name) = file {
            let head = format!("name=\"plan\"; filename=\"{name}\"");
            body += &part(&head, std::str::from_utf8(PDF).unwrap());
        }
        body += &part("name=\"_act\"", act);
        body += "--b--\r\n";
        let mut request = Request::post(&path)
            .header("content-type", "multipart/form-data; boundary=b")
            .body(Body::from(body))
            .unwrap();
        request.extensions_mut().insert(s.w.citizen.clone());
        answer(&s.router, request)
    };
    let (status, body) = send(Some("bad.exe"), "send").await;
    assert_eq!(status.as_u16(), 422, "{body}");
    let (status, body) = send(None, "send").await;
    assert_eq!(status.as_u16(), 409, "the page was rendered before: {body}");
    assert_eq!(s.state().await, State::Correcting);
    let (_, page) = get(&s.router, Some(&s.w.citizen), &path).await;
    assert!(page.contains("name=\"version\""));
}
