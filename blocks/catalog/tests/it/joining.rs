//! Catalogs of one another, the lists, and DCAT read by a client that we did not write.

use base64::Engine;
use catalog::{
    Metadata,
    cascade::{self, Envelope, Peer},
    list::{self, Kind, NewLine},
    resource::{State, act},
};
use serde_json::json;
use store::{Db, db_test};

use crate::house::{CENTRE, House, MARKET, URBAN, findings, good, house, migrations, officer};

async fn trust(house: &House, id: &str) {
    let steward = house.actor("steward").await;
    let credentials = house.app.part::<credential::Credentials>().unwrap();
    let peer = Peer {
        id: id.into(),
        name: "示范市数据局（合成）".into(),
        public_key: credentials.metadata_key_pem().unwrap(),
        reason: String::new(),
    };
    cascade::trust(&house.app, &steward, &peer).await.unwrap();
}

#[db_test(migrations = migrations)]
async fn a_report_is_signed_taken_in_once_and_followed_by_the_next(db: Db) {
    let house = house(db).await;
    let steward = house.actor("steward").await;
    let row = house.published(good("企业登记")).await;
    let first = cascade::report(&house.app, &steward, None).await.unwrap();
    let stranger = cascade::receive(&house.app, &steward, &first)
        .await
        .unwrap_err();
    assert_eq!(findings(&stranger)[0].1, "catalog-report-stranger");
    trust(&house, CENTRE).await;
    let forged = Envelope {
        body: first.body.replace("企业登记", "企业改动"),
        ..first.clone()
    };
    let error = cascade::receive(&house.app, &steward, &forged)
        .await
        .unwrap_err();
    assert_eq!(findings(&error)[0].1, "catalog-report-signature");
    // Its own codes are taken: what another catalog says of them is left out.
    let receipt = cascade::receive(&house.app, &steward, &first)
        .await
        .unwrap();
    assert_eq!((receipt.number, receipt.inserted), (1, 0));
    assert_eq!(receipt.refused, [row.code.clone().unwrap()]);
    let again = cascade::receive(&house.app, &steward, &first)
        .await
        .unwrap();
    assert!(again.is_repeated);
    let next = cascade::report(&house.app, &steward, None).await.unwrap();
    cascade::receive(&house.app, &steward, &next).await.unwrap();
    let old = cascade::receive(&house.app, &steward, &first)
        .await
        .unwrap_err();
    assert_eq!(findings(&old)[0].1, "catalog-report-old");
    let clerk = house.actor("clerk").await;
    assert!(cascade::report(&house.app, &clerk, None).await.is_err());
}

#[db_test(migrations = migrations)]
async fn a_trusted_key_is_replaced_for_a_reason_only(db: Db) {
    let house = house(db).await;
    let steward = house.actor("steward").await;
    trust(&house, URBAN).await;
    let key = kernel::crypto::suite("guomi").unwrap().generate_key();
    let mut peer = Peer {
        id: URBAN.into(),
        name: "示范市数据局（合成）".into(),
        public_key: key.unwrap().public_key().to_pem().unwrap(),
        reason: " ".into(),
    };
    let error = cascade::trust(&house.app, &steward, &peer).await;
    assert_eq!(
        findings(&error.unwrap_err()),
        [("reason".into(), "catalog-peer-replaced")]
    );
    peer.reason = "对方更换密钥，已电话核实".into();
    cascade::trust(&house.app, &steward, &peer).await.unwrap();
    peer.reason = String::new();
    let again = cascade::trust(&house.app, &steward, &peer).await;
    again.expect("it is trusted already");
}

#[test]
fn the_example_of_a_peer_is_one() {
    let schema = <Peer as utoipa::PartialSchema>::schema();
    let schema = serde_json::to_value(schema).unwrap();
    let id = schema["properties"]["id"]["example"].as_str().unwrap();
    kernel::code::uscc::parse(id).unwrap();
}

#[db_test(migrations = migrations)]
async fn a_departments_steward_acts_for_the_own_department(db: Db) {
    use catalog::resource::{State as Standing, store::Filter};
    let house = house(db).await;
    let row = house.published(good("企业登记")).await;
    let writer = house.actor("writer").await;
    let draft = act::create(&house.app, &writer, good("企业年报"))
        .await
        .unwrap();
    let asker = house.actor("asker").await;
    let steward = officer(asker.user, "steward", URBAN);
    let credentials = house.app.part::<credential::Credentials>().unwrap();
    let key = credentials.metadata_key_pem().unwrap();
    let id = &row.id;
    let line = json!({"kind": "negative", "org": MARKET, "name": "企业登记", "basis": "《某法》"});
    let mut by_code = line.clone();
    by_code["org"] = json!(URBAN);
    by_code["resource_code"] = json!(row.code);
    for (path, body) in [
        (
            "/api/catalog/peers",
            json!({"id": CENTRE, "name": "市政府", "public_key": key}),
        ),
        (
            "/api/catalog/received",
            json!({"body": "{}", "signature": ""}),
        ),
        ("/api/catalog/reports", json!({})),
        (
            format!("/api/catalog/resources/{id}/steps").as_str(),
            json!({"step": "renew", "version": row.version}),
        ),
        (
            format!("/api/catalog/resources/{id}/steps").as_str(),
            json!({"step": "withdraw", "version": row.version, "reason": "停用"}),
        ),
        ("/api/catalog/submissions", json!({"provider": MARKET})),
        ("/api/catalog/lists", line),
        ("/api/catalog/lists", by_code),
    ] {
        let (status, answer) = house.post(&steward, path, body.clone()).await;
        assert_eq!(status, 403, "{path} {body} {answer}");
    }
    let hidden = act::get(&house.app, &steward, &draft).await;
    assert!(matches!(hidden, Err(kernel::Error::NotFound { .. })));
    let filter = Filter {
        state: Some(Standing::Draft),
        ..Filter::default()
    };
    let page = store::page::PageRequest::default();
    let seen = async |actor: &identity::Actor| {
        let page = act::list(&house.app, actor, &filter, &page).await;
        page.unwrap().items.len()
    };
    assert_eq!(seen(&steward).await, 0);
    assert_eq!(seen(&house.actor("steward").await).await, 1);
    let own = Metadata {
        provider: URBAN.into(),
        ..good("户外招牌")
    };
    act::create(&house.app, &steward, own).await.unwrap();
    assert_eq!(house.row(id).await.standing(), State::Published);
}

#[db_test(migrations = migrations)]
async fn entries_of_another_catalog_are_found_here_and_written_there(db: Db) {
    let house = house(db).await;
    let steward = house.actor("steward").await;
    trust(&house, CENTRE).await;
    let credentials = house.app.part::<credential::Credentials>().unwrap();
    let sign = |number: i64, version: i64, withdrawn: bool| {
        let metadata = Metadata {
            code: "102002/000007".into(),
            ..good("省级登记")
        };
        let body = json!({"format": "tongban-catalog/1", "from": CENTRE, "number": number,
            "made_at": "2026-03-02T00:00:00Z",
            "entries": [{"number": version, "is_withdrawn": withdrawn, "metadata": metadata}]});
        let body = body.to_string();
        let signature = credentials.sign(body.as_bytes()).unwrap();
        let signature = base64::engine::general_purpose::STANDARD.encode(signature);
        Envelope { body, signature }
    };
    let receipt = cascade::receive(&house.app, &steward, &sign(1, 1, false))
        .await
        .unwrap();
    assert_eq!(receipt.inserted, 1);
    let receipt = cascade::receive(&house.app, &steward, &sign(2, 1, false))
        .await
        .unwrap();
    assert_eq!(receipt.unchanged, 1);
    let asker = house.actor("asker").await;
    let view = act::get(&house.app, &asker, "102002/000007").await.unwrap();
    assert_eq!((view.row.origin.as_str(), view.versions.len()), (CENTRE, 1));
    let writer = house.actor("writer").await;
    let foreign = act::revise(&house.app, &writer, &view.row.id, view.row.version).await;
    assert_eq!(
        findings(&foreign.unwrap_err())[0].1,
        "catalog-not-published"
    );
    cascade::receive(&house.app, &steward, &sign(3, 2, true))
        .await
        .unwrap();
    assert_eq!(house.row(&view.row.id).await.standing(), State::Withdrawn);
}

#[db_test(migrations = migrations)]
async fn needs_are_answered_by_resources(db: Db) {
    let house = house(db).await;
    let entry = house.published(good("企业登记")).await;
    let asker = house.actor("asker").await;
    let need = NewLine {
        kind: Kind::Need,
        org: URBAN.into(),
        name: "企业注销信息".into(),
        basis: "《某条例》第二条".into(),
        ..NewLine::default()
    };
    let id = list::add(&house.app, &asker, &need).await.unwrap();
    let foreign = NewLine {
        org: MARKET.into(),
        ..need.clone()
    };
    assert!(list::add(&house.app, &asker, &foreign).await.is_err());
    let secret = NewLine {
        kind: Kind::Negative,
        ..need.clone()
    };
    assert!(
        list::add(&house.app, &asker, &secret).await.is_err(),
        "kept by stewards"
    );
    let steward = house.actor("steward").await;
    list::add(&house.app, &steward, &secret).await.unwrap();
    let writer = house.actor("writer").await;
    let code = entry.code.as_deref().unwrap();
    let error = list::answer(&house.app, &writer, &id, 1, "102001/000404", "").await;
    assert_eq!(findings(&error.unwrap_err())[0].0, "resource_code");
    let line = list::answer(&house.app, &writer, &id, 1, code, "")
        .await
        .unwrap();
    assert_eq!((line.state.as_str(), line.version), ("answered", 2));
    let late = list::answer(&house.app, &writer, &id, 1, code, "")
        .await
        .unwrap_err();
    assert_eq!(findings(&late)[0].1, "catalog-changed");
    let (status, needs) = house.get(&writer, "/api/catalog/lists?kind=need").await;
    assert_eq!(
        (status, &needs["items"][0]["resource_code"]),
        (200, &json!(code))
    );
}

#[db_test(migrations = migrations)]
async fn rdflib_reads_what_is_open(db: Db) {
    let house = house(db).await;
    let open = Metadata {
        is_open: true,
        open_condition: "无".into(),
        ..good("企业登记")
    };
    let open = house.published(open).await;
    house.published(good("举报线索")).await;
    let stranger = identity::Actor {
        posts: vec![],
        ..house.actor("clerk").await
    };
    let (status, page) = house.get(&stranger, "/catalog/dcat").await;
    assert_eq!(status, 200);
    assert!(
        !page.to_string().contains("举报线索"),
        "open to the public only"
    );
    let (_, all) = house
        .get(&house.actor("clerk").await, "/catalog/dcat")
        .await;
    assert!(
        all.to_string().contains("举报线索"),
        "published to officers"
    );
    let Some(python) = std::env::var_os("TONGBAN_TEST_PYTHON") else {
        return;
    };
    let file = house.folder().join("catalog.jsonld");
    std::fs::write(&file, page.to_string()).unwrap();
    let script = "import sys, rdflib\nfrom rdflib.namespace import DCAT, DCTERMS, FOAF, RDF\n\
        g = rdflib.Graph().parse(sys.argv[1], format='json-ld')\n\
        [d] = g.subjects(RDF.type, DCAT.Dataset)\n\
        [c] = g.subjects(RDF.type, DCAT.Catalog)\n\
        assert (c, DCAT.dataset, d) in g\n\
        p = g.value(d, DCTERMS.publisher)\n\
        print(g.value(d, DCTERMS.identifier), g.value(d, DCTERMS.title), g.value(p, DCTERMS.identifier), g.value(d, DCTERMS.issued).toPython(), g.value(d, DCTERMS.accrualPeriodicity))";
    let python = std::path::Path::new(&python).join("python");
    let output = std::process::Command::new(python)
        .args(["-c", script])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    let code = open.code.unwrap();
    let daily = "http://publications.europa.eu/resource/authority/frequency/DAILY";
    assert_eq!(
        said.trim(),
        format!("{code} 企业登记 {MARKET} 2026-03-02 {daily}"),
        "{error}"
    );
}
