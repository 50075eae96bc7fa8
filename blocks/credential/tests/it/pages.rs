use axum::{body::Body, http::Request};
use store::Db;

use crate::house::{ISSUER, a_firm, a_person, citizen, grant, house, officer};

#[store::db_test(migrations = credential::foundation().migrations)]
async fn anybody_verifies_without_signing_in(db: Db) {
    let house = house(db).await;
    let issued = house.issue(&grant(&a_person(), "case-1")).await.unwrap();
    house.settle().await;
    let (status, page) = house.page(None, &format!("/verify/{}", issued.zzbs)).await;
    assert_eq!(status, 200);
    assert!(
        page.contains("该证照由本平台颁发，当前有效") && page.contains("张**"),
        "{page}"
    );
    assert!(!page.contains("张小明") && !page.contains("320000199001010039"));
    let (status, page) = house.page(None, "/verify/nonsense").await;
    assert!(status == 200 && page.contains("查无此证"));
    let (status, page) = house.page(None, "/verify?zzbs=1.2.3").await;
    assert!(status == 422 && page.contains("value=\"1.2.3\""), "{page}");
    let (status, _) = house
        .page(None, &format!("/verify?zzbs={}", issued.zzbs))
        .await;
    assert_eq!(status, 303);
    let empty = Request::post("/verify")
        .header("content-type", "multipart/form-data; boundary=b")
        .body(Body::from("--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"\"\r\n\r\n\r\n--b--\r\n"))
        .unwrap();
    assert_eq!(house.ask(None, empty).await.0, 422);
}

#[store::db_test(migrations = credential::foundation().migrations)]
async fn the_wallet_shows_downloads_and_every_use(db: Db) {
    let house = house(db).await;
    let firm = a_firm();
    let holder = citizen(&firm);
    let (_, page) = house.page(Some(&holder), "/wallet").await;
    assert!(page.contains("还没有电子证照"), "{page}");
    let issued = house.issue(&grant(&firm, "case-1")).await.unwrap();
    let path = format!("/wallet/{}", issued.id);
    let (_, page) = house.page(Some(&holder), &path).await;
    assert!(page.contains("正在生成"));
    house.settle().await;
    let (status, page) = house.page(Some(&holder), "/wallet").await;
    assert!(
        status == 200 && page.contains("食品经营许可证") && page.contains(&path),
        "{page}"
    );
    assert_eq!(
        house.page(Some(&holder), &format!("{path}/file")).await.0,
        200
    );
    let (_, code) = house.page(Some(&holder), &format!("{path}/qr.svg")).await;
    assert!(code.contains("<svg"));
    let (_, page) = house.page(Some(&holder), &path).await;
    assert!(
        page.contains(&format!("{path}/file")) && page.contains("下载"),
        "{page}"
    );
    assert!(!page.contains("/status\""), "holders change no status");
    assert_eq!(house.page(None, "/wallet").await.0, 303);
    assert_eq!(house.page(Some(&citizen(&a_firm())), &path).await.0, 404);
}

#[store::db_test(migrations = credential::foundation().migrations)]
async fn an_approver_finds_and_suspends(db: Db) {
    let house = house(db).await;
    let issued = house.issue(&grant(&a_firm(), "case-1")).await.unwrap();
    let approver = officer("approver", ISSUER);
    let (_, page) = house
        .page(
            Some(&approver),
            &format!("/work/certificates?q={}", issued.number),
        )
        .await;
    assert!(
        page.contains(&format!("/work/certificates/{}", issued.id)),
        "{page}"
    );
    let path = format!("/work/certificates/{}", issued.id);
    let (_, page) = house.page(Some(&approver), &path).await;
    assert!(page.contains(&format!("{path}/status")), "{page}");
    let post = |body: &'static str| {
        let request = Request::post(format!("{path}/status"))
            .header("content-type", "application/x-www-form-urlencoded");
        request.body(Body::from(body)).unwrap()
    };
    let (status, page) = house
        .ask(Some(&approver), post("change=suspend&version=1&reason="))
        .await;
    assert!(status == 422 && String::from_utf8_lossy(&page).contains("请写明变更理由"));
    assert_eq!(
        house
            .ask(Some(&approver), post("change=suspend&version=1&reason=x"))
            .await
            .0,
        303
    );
    let (_, page) = house.page(None, &format!("/verify/{}", issued.zzbs)).await;
    assert!(page.contains("状态为“暂扣”"), "{page}");
}

#[store::db_test(migrations = credential::foundation().migrations)]
async fn programs_have_the_same_doors(db: Db) {
    let house = house(db).await;
    let firm = a_firm();
    let issued = house.issue(&grant(&firm, "case-1")).await.unwrap();
    house.settle().await;
    let holder = citizen(&firm);
    let (status, body) = house
        .page(Some(&holder), "/api/credential/certificates")
        .await;
    let list: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, list["items"][0]["zzbs"].as_str()),
        (200, Some(issued.zzbs.as_str()))
    );
    let (_, body) = house
        .page(None, &format!("/api/credential/verify/{}", issued.zzbs))
        .await;
    assert!(body.contains("\"verdict\":\"valid\""), "{body}");
    let (_, body) = house.page(None, "/api/credential/types").await;
    assert!(body.contains("食品经营许可证"));
    let (_, body) = house.page(None, "/api/credential/keys").await;
    assert!(body.contains("BEGIN CERTIFICATE") && body.contains("BEGIN PUBLIC KEY"));
    let path = format!("/api/credential/certificates/{}", issued.id);
    assert_eq!(
        house
            .page(Some(&holder), &format!("{path}/file?purpose=x"))
            .await
            .0,
        200
    );
    assert_eq!(
        house.page(Some(&holder), &format!("{path}/uses")).await.0,
        200
    );
    assert_eq!(house.page(None, &path).await.0, 401);
}
