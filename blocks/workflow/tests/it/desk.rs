//! The pages on which officers handle their tasks, on both databases.

use identity::{Actor, Party, PartyId, PartyKind, Post};
use serde_json::{Value, json};
use store::Db;

use crate::{
    bureau::{self, Bureau, ORG},
    model::{flows, process},
    pages::{House, house, officer},
};

/// An officer of the bureau, signed in.
pub fn signed_in(bureau: &Bureau, login: &str, post: &str) -> Actor {
    let org = if login == "far" {
        "11330000000000000B"
    } else {
        ORG
    };
    Actor {
        user: bureau.id(login).parse().unwrap(),
        name: format!("合成{login}"),
        posts: vec![Post {
            post: post.into(),
            org: org.into(),
            org_name: "合成局".into(),
            region: "330000".into(),
            held_for: None,
        }],
        ..officer(post)
    }
}

pub struct Desk {
    pub house: House,
    pub a: Actor,
    pub b: Actor,
    pub chief: Actor,
    pub far: Actor,
}

fn draft() -> String {
    process(&format!(
        r#"<startEvent id="s"/><endEvent id="e"/>
        <userTask id="draft" name="起草" tongban:candidates="examiner@{ORG}"
          tongban:fields="title:read,amount:write:number,until:write:date,secret:hidden" tongban:labels="amount=金额,until=期限"/>
        <userTask id="decide" name="决定" tongban:candidates="approver@{ORG}" tongban:outcomes="agree,refuse" tongban:grounds="听证,检验"/>{}"#,
        flows("s>draft>decide>e")
    ))
}

pub async fn desk(db: Db) -> Desk {
    let bureau = Bureau::open(db.clone()).await;
    let house = house(db);
    house.deploy("draft", draft()).await;
    Desk {
        a: signed_in(&bureau, "a", "examiner"),
        b: signed_in(&bureau, "b", "examiner"),
        chief: signed_in(&bureau, "chief", "approver"),
        far: signed_in(&bureau, "far", "examiner"),
        house,
    }
}

impl Desk {
    async fn begin(&self) {
        let given = json!({"title": "采购打印机", "secret": "不可见", "amount": 3});
        self.house.start("draft", given).await;
    }

    /// Ids of the tasks that a list shows, in its order.
    async fn listed(&self, actor: &Actor, of: &str) -> Vec<String> {
        let (status, page) = self.house.get(actor, &format!("/tasks?of={of}")).await;
        assert_eq!(status, 200, "{page}");
        page.match_indices(r#"<a href="/tasks/0"#)
            .map(|(at, _)| {
                let from = at + r#"<a href="/tasks/"#.len();
                page[from..from + 36].to_owned()
            })
            .collect()
    }

    pub async fn only(&self, actor: &Actor, of: &str) -> String {
        let listed = self.listed(actor, of).await;
        assert_eq!(listed.len(), 1, "{listed:?}");
        listed[0].clone()
    }

    async fn shown(&self, actor: &Actor, id: &str) -> String {
        let (status, page) = self.house.get(actor, &format!("/tasks/{id}")).await;
        assert_eq!(status, 200, "{page}");
        page
    }

    /// Does a verb; where the browser is sent.
    pub async fn does(&self, actor: &Actor, id: &str, verb: &str, body: &str) -> String {
        let path = format!("/tasks/{id}/{verb}");
        let (status, page, to) = self.house.form(actor, &path, body).await;
        assert_eq!(status, 303, "{verb}: {page}");
        to
    }

    /// A verb that comes back with messages.
    async fn refused(&self, actor: &Actor, id: &str, verb: &str, body: &str) -> String {
        let path = format!("/tasks/{id}/{verb}");
        let (status, page, _) = self.house.form(actor, &path, body).await;
        assert_eq!(status, 422, "{verb}: {page}");
        page
    }
}

#[store::db_test(migrations = bureau::migrations)]
async fn a_task_is_found_claimed_saved_and_completed_on_its_page(db: Db) {
    let desk = desk(db).await;
    desk.begin().await;
    assert_eq!(desk.listed(&desk.chief, "free").await.len(), 0);
    let id = desk.only(&desk.a, "free").await;
    let page = desk.shown(&desk.a, &id).await;
    assert!(
        page.contains("金额") && page.contains("采购打印机"),
        "{page}"
    );
    assert!(
        !page.contains("不可见") && !page.contains(r#"name="var-title""#),
        "{page}"
    );
    assert_eq!(
        desk.does(&desk.a, &id, "claim", "").await,
        format!("/tasks/{id}?done=claim")
    );
    assert_eq!(desk.only(&desk.a, "mine").await, id);

    let wrong = desk
        .refused(
            &desk.a,
            &id,
            "complete",
            "var-amount=three&var-until=2026-12-01",
        )
        .await;
    assert!(
        wrong.contains("请填写数字") && wrong.contains(r#"value="three""#),
        "{wrong}"
    );
    let saved = desk
        .does(
            &desk.a,
            &id,
            "complete",
            "var-amount=5&var-until=&then=save",
        )
        .await;
    assert_eq!(saved, format!("/tasks/{id}?done=save"));
    let late = "var-amount=9&version=1";
    let (status, late, _) = desk
        .house
        .form(&desk.a, &format!("/tasks/{id}/complete"), late)
        .await;
    assert_eq!(status, 409);
    assert!(
        late.contains(r#"id="errors""#) && late.contains(r#"value="9""#),
        "{late}"
    );
    let page = desk.shown(&desk.a, &id).await;
    assert!(
        page.contains(r#"value="5""#) && page.contains("暂存"),
        "{page}"
    );
    desk.does(
        &desk.a,
        &id,
        "complete",
        "var-amount=7&var-until=2026-12-01&var-opinion=%E5%B7%B2%E6%A0%B8",
    )
    .await;

    assert_eq!(desk.only(&desk.a, "done").await, id);
    let done = desk.shown(&desk.a, &id).await;
    assert!(done.contains("撤回") && done.contains("催办"), "{done}");
    assert!(
        done.contains("采购打印机") && done.contains("<bdi>7</bdi>"),
        "{done}"
    );
    let completed = desk.house.events("workflow.task_completed.v1").await;
    let sent = json!({"amount": 7, "until": "2026-12-01", "opinion": "已核"});
    assert_eq!(completed[0]["vars"], sent);
    let next = desk.only(&desk.chief, "free").await;
    let urged = desk
        .does(&desk.a, &next, "urge", &format!("from={id}"))
        .await;
    assert_eq!(urged, format!("/tasks/{id}?done=urge"));
    desk.does(&desk.a, &id, "withdraw", "withdraw-reason=x")
        .await;
    assert_eq!(desk.listed(&desk.chief, "free").await.len(), 0);
    assert_eq!(desk.only(&desk.a, "mine").await.len(), 36);
}

#[store::db_test(migrations = bureau::migrations)]
async fn the_verbs_have_their_forms_with_messages_at_the_fields(db: Db) {
    let desk = desk(db).await;
    desk.begin().await;
    let first = desk.only(&desk.a, "free").await;
    let nobody = desk
        .refused(
            &desk.a,
            &first,
            "transfer",
            "transfer-to=nobody&transfer-reason=x",
        )
        .await;
    assert!(nobody.contains(r#"id="transfer-to-error-1""#), "{nobody}");
    assert!(nobody.contains(r#"value="nobody""#), "{nobody}");
    let to = "transfer-to=%E5%90%88%E6%88%90b&transfer-reason=%E5%87%BA%E5%B7%AE";
    desk.does(&desk.a, &first, "claim", "").await;
    assert_eq!(desk.does(&desk.a, &first, "transfer", to).await, "/tasks");
    assert_eq!(desk.only(&desk.b, "mine").await, first);
    desk.does(&desk.b, &first, "complete", "var-amount=3").await;

    let second = desk.only(&desk.chief, "free").await;
    let ground = desk
        .refused(
            &desk.chief,
            &second,
            "suspend",
            "suspend-ground=x&suspend-reason=x",
        )
        .await;
    assert!(
        ground.contains(r#"id="suspend-ground-error-1""#),
        "{ground}"
    );
    let stop = "suspend-ground=%E5%90%AC%E8%AF%81&suspend-reason=x";
    desk.does(&desk.chief, &second, "suspend", stop).await;
    let page = desk.shown(&desk.chief, &second).await;
    assert!(
        page.contains("/resume") && !page.contains("/complete"),
        "{page}"
    );
    desk.does(&desk.chief, &second, "resume", "").await;
    let none = desk.refused(&desk.chief, &second, "complete", "").await;
    assert!(none.contains(r#"id="var-outcome-error-1""#), "{none}");
    desk.does(
        &desk.chief,
        &second,
        "delegate",
        "delegate-to=a&delegate-reason=x",
    )
    .await;
    let page = desk.shown(&desk.a, &second).await;
    assert!(
        page.contains("合成chief") && !page.contains("/reject"),
        "{page}"
    );
    desk.does(&desk.a, &second, "complete", "var-opinion=x")
        .await;
    let crowd = vec!["b"; 201].join(",");
    let many = format!("signers-signers={crowd}&signers-place=before&signers-reason=x");
    let many = desk.refused(&desk.chief, &second, "signers", &many).await;
    assert!(many.contains("200"), "{many}");
    let signers = "signers-signers=b&signers-place=before&signers-reason=x";
    desk.does(&desk.chief, &second, "signers", signers).await;
    let signed = desk.only(&desk.b, "mine").await;
    desk.does(&desk.b, &signed, "complete", "var-outcome=agree")
        .await;
    let page = desk.shown(&desk.chief, &second).await;
    assert!(page.contains("合成b") && page.contains("先签"), "{page}");
    let back =
        "return-to=draft&return-mode=again&return-reason=%E6%95%B0%E6%8D%AE%E6%9C%89%E8%AF%AF";
    assert_eq!(
        desk.does(&desk.chief, &second, "return", back).await,
        "/tasks"
    );
    let again = desk.only(&desk.b, "mine").await;
    assert!(desk.shown(&desk.b, &again).await.contains("数据有误"));
    assert_eq!(
        desk.house
            .form(&desk.b, &format!("/tasks/{again}/fly"), "")
            .await
            .0,
        404
    );
    // Who is no officer does not learn who is one.
    let citizen = Actor {
        own: Some(Party {
            id: PartyId::new(&kernel::SystemClock),
            kind: PartyKind::Natural,
            name: "合成·张一".into(),
            code: String::new(),
            phone: String::new(),
            address: String::new(),
        }),
        posts: Vec::new(),
        ..officer("examiner")
    };
    let path = format!("/tasks/{again}/transfer");
    let asked = desk.house.form(&citizen, &path, "transfer-to=nobody");
    assert_eq!(asked.await.0, 403);
}

#[store::db_test(migrations = bureau::migrations)]
async fn a_copy_lets_its_reader_look_and_nobody_else(db: Db) {
    let desk = desk(db).await;
    desk.begin().await;
    let id = desk.only(&desk.a, "free").await;
    let (status, _) = desk.house.get(&desk.far, &format!("/tasks/{id}")).await;
    assert_eq!(status, 403);
    let send = "circulate-readers=far%EF%BC%8Cchief&circulate-note=%E8%AF%B7%E9%98%85";
    desk.does(&desk.a, &id, "circulate", send).await;
    let (_, list) = desk.house.get(&desk.far, "/tasks?of=copies").await;
    assert!(list.contains("请阅") && list.contains("确认已阅"), "{list}");
    let page = desk.shown(&desk.far, &id).await;
    assert!(
        page.contains("采购打印机") && !page.contains("不可见"),
        "{page}"
    );
    assert!(!page.contains(&format!("/tasks/{id}/")), "{page}");
    let (status, _, _) = desk
        .house
        .form(&desk.far, &format!("/tasks/{id}/complete"), "var-amount=9")
        .await;
    assert_eq!(status, 403);
    let from = list.find("/tasks/copies/").unwrap() + "/tasks/copies/".len();
    let path = format!("/tasks/copies/{}/read", &list[from..from + 36]);
    assert_eq!(desk.house.form(&desk.chief, &path, "").await.0, 403);
    assert_eq!(desk.house.form(&desk.far, &path, "").await.0, 303);
    assert!(desk.shown(&desk.a, &id).await.contains("已阅"));
}

#[store::db_test(migrations = bureau::migrations)]
async fn many_tasks_are_completed_on_the_list(db: Db) {
    let desk = desk(db).await;
    for _ in 0..3 {
        desk.begin().await;
    }
    let ids = desk.listed(&desk.a, "free").await;
    let (status, page, _) = desk.house.form(&desk.a, "/tasks/complete", "of=free").await;
    assert_eq!(status, 422, "{page}");
    desk.does(&desk.b, &ids[2], "claim", "").await;
    let ticked: Vec<String> = ids.iter().map(|id| format!("task={id}~1")).collect();
    let body = format!("of=free&opinion=x&{}", ticked.join("&"));
    let (status, page, _) = desk.house.form(&desk.a, "/tasks/complete", &body).await;
    assert_eq!(status, 200, "{page}");
    assert!(
        page.contains("已办结 2 项") && page.contains("1 项没有办结"),
        "{page}"
    );
    assert_eq!(desk.listed(&desk.a, "free").await.len(), 0);
    assert_eq!(desk.listed(&desk.chief, "free").await.len(), 2);
}

#[store::db_test(migrations = bureau::migrations)]
async fn an_officer_names_a_substitute_who_sees_the_tasks(db: Db) {
    let desk = desk(db.clone()).await;
    desk.begin().await;
    let today = kernel::clock::local_date(db.clock().now());
    let own = format!("substitute=a&from={today}&until={today}&reason=x");
    let (status, page, _) = desk.house.form(&desk.a, "/tasks/substitutes", &own).await;
    assert_eq!(status, 422);
    assert!(page.contains(r#"id="substitute-error-1""#), "{page}");
    let named = format!("substitute=far&from={today}&until={today}&reason=x");
    assert_eq!(
        desk.house
            .form(&desk.a, "/tasks/substitutes", &named)
            .await
            .0,
        303
    );
    let id = desk.only(&desk.far, "free").await;
    desk.does(&desk.far, &id, "claim", "").await;
    let page = desk.shown(&desk.far, &id).await;
    assert!(page.contains("您正在代“合成a”办理"), "{page}");
    assert_eq!(desk.only(&desk.a, "mine").await, id);
    assert_eq!(desk.only(&desk.far, "mine").await, id);
    let (_, page) = desk.house.get(&desk.a, "/tasks/substitutes").await;
    let from = page.find("/tasks/substitutes/").unwrap() + "/tasks/substitutes/".len();
    let path = format!("/tasks/substitutes/{}/end", &page[from..from + 36]);
    assert_eq!(desk.house.form(&desk.chief, &path, "").await.0, 403);
    assert_eq!(desk.house.form(&desk.a, &path, "").await.0, 303);
    assert_eq!(desk.listed(&desk.far, "mine").await.len(), 0);
}

#[store::db_test(migrations = bureau::migrations)]
async fn what_an_application_keeps_is_on_its_list_alone(db: Db) {
    let desk = desk(db).await;
    desk.begin().await;
    let id = desk.only(&desk.a, "free").await;
    desk.house.engine.reserve("case:");
    assert_eq!(desk.listed(&desk.a, "free").await, Vec::<String>::new());
    let page = desk.shown(&desk.a, &id).await;
    assert!(
        page.contains("属于某个业务应用") && !page.contains("/complete\""),
        "{page}"
    );
    let (status, _, _) = desk
        .house
        .form(&desk.a, &format!("/tasks/{id}/complete"), "var-amount=9")
        .await;
    assert_eq!(status, 409);
    desk.does(&desk.a, &id, "claim", "").await;
    let completed: Vec<Value> = desk.house.events("workflow.task_completed.v1").await;
    assert!(completed.is_empty(), "{completed:?}");
}
