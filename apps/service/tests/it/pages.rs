//! Every page of cases renders for whom it is made.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use identity::Actor;
use kernel::ManualClock;
use service::case::Event;
use store::{Db, db_test};
use tower::ServiceExt;

use crate::world::{World, licence, migrations};

/// The routes of this crate, as the executable assembles them.
pub fn router(w: &World) -> Router {
    pack::module(&w.app).unwrap();
    let module = service::module(&w.app).unwrap();
    let (router, _) = module.routes.split_for_parts();
    router.with_state(w.app.clone())
}

pub async fn get(router: &Router, actor: Option<&Actor>, path: &str) -> (StatusCode, String) {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    if let Some(actor) = actor {
        request.extensions_mut().insert(actor.clone());
    }
    answer(router, request).await
}

pub async fn post(router: &Router, actor: &Actor, path: &str, body: &str) -> (StatusCode, String) {
    let mut request = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(body.to_owned()))
        .unwrap();
    request.extensions_mut().insert(actor.clone());
    answer(router, request).await
}

pub async fn answer(router: &Router, request: Request<Body>) -> (StatusCode, String) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

#[db_test(migrations = migrations)]
async fn pages_of_a_case_render(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let router = router(&w);
    let receipt = w.submitted(licence()).await;
    let id = receipt.case;
    for (actor, path) in [
        (None, "/progress".to_owned()),
        (None, "/evaluations".to_owned()),
        (Some(&w.citizen), "/mine".to_owned()),
        (Some(&w.citizen), format!("/mine/cases/{id}")),
        (Some(&w.clerk), "/work".to_owned()),
        (Some(&w.clerk), "/work?tab=all".to_owned()),
        (Some(&w.clerk), format!("/work/cases/{id}")),
        (Some(&w.clerk), "/work/window".to_owned()),
        (Some(&w.clerk), "/work/evaluations".to_owned()),
        (Some(&w.clerk), format!("/api/service/cases/{id}")),
        (Some(&w.clerk), "/api/service/cases".to_owned()),
        (Some(&w.citizen), "/api/service/cases".to_owned()),
        (Some(&w.clerk), "/api/service/tasks".to_owned()),
    ] {
        let (status, body) = get(&router, actor, &path).await;
        assert_eq!(status, StatusCode::OK, "{path} {body}");
    }
    let (status, _) = get(&router, Some(&w.stranger), &format!("/mine/cases/{id}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = get(&router, Some(&w.citizen), "/work").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[db_test(migrations = migrations)]
async fn forms_lead_on_or_come_back(db: Db, clock: Arc<ManualClock>) {
    let w = World::new(&db, &clock);
    let router = router(&w);
    let receipt = w.submitted(licence()).await;
    let id = receipt.case;
    let acts = format!("/work/cases/{id}/acts");
    let (status, body) = post(&router, &w.clerk, &acts, "event=notify_correction&reason=").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    let (status, _) = post(&router, &w.clerk, &acts, "event=accept").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    w.act(
        &w.approver,
        &receipt,
        Event::Approve {
            opinion: String::new(),
        },
    )
    .await
    .unwrap();
    let rate = format!("/mine/cases/{id}/rate");
    let (status, _) = post(
        &router,
        &w.citizen,
        &rate,
        "satisfaction=2&service=2&details=513",
    )
    .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, _) = post(
        &router,
        &w.citizen,
        &rate,
        "satisfaction=5&service=2&details=513",
    )
    .await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let (status, _) = get(&router, Some(&w.citizen), &format!("/mine/cases/{id}")).await;
    assert_eq!(status, StatusCode::OK);
}
