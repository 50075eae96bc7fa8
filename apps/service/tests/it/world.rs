//! A small city hall to test in.

use std::sync::Arc;

use chrono::Duration;
use identity::{Actor, Gate, Party, PartyId, PartyKind, Post, UserId};
use kernel::ManualClock;
use sea_orm_migration::MigrationTrait;
use serde_json::json;
use service::{
    case::{
        Channel, Event,
        act::Desk,
        number::Numbers,
        store::{Applicant, Case, Material, Obtained},
        submit::{self, Application, Receipt, Subject},
    },
    matter::{Limit, Matter, ProjectType, SpecialProcedure, State, TaskType},
};
use store::Db;

pub const MARKET: &str = "11321000014300000A";
pub const FIRE: &str = "11321000014300001B";
pub const HALL: &str = "11321000014300009H";
pub const REGION: &str = "321000";

pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    let mut all = identity::foundation().migrations;
    all.extend(forms::foundation().migrations);
    all.extend(workflow::foundation().migrations);
    all.extend(credential::foundation().migrations);
    all.extend(notify::foundation().migrations);
    all.extend(pack::foundation().migrations);
    all.extend(service::foundation().migrations);
    all
}

/// Everything that acts need, on a database, and the people who act.
pub struct World {
    pub app: web::App,
    pub desk: Desk,
    pub clock: Arc<ManualClock>,
    pub citizen: Actor,
    pub stranger: Actor,
    pub clerk: Actor,
    pub examiner: Actor,
    pub approver: Actor,
    pub fire: Actor,
    pub supervisor: Actor,
}

impl World {
    pub fn new(db: &Db, clock: &Arc<ManualClock>) -> Self {
        let app = web::App::new(db.clone(), web::Settings::default(), web::Texts::new([]));
        let policies = service::POLICIES.iter().copied();
        app.put(Gate::of(policies).unwrap());
        app.put(crate::days::calendar());
        app.put(Numbers::default());
        let engine = app.put(workflow::Engine::default());
        engine.use_calendars(Arc::new(|_| Ok(Arc::new(crate::days::calendar()))));
        service::case::flow::register(&app).unwrap();
        let desk = Desk::of(&app).unwrap();
        let officer = |name: &str, post: &str, org: &str| officer(db, name, &[(post, org)]);
        Self {
            desk,
            clock: clock.clone(),
            citizen: citizen(db, "合成甲"),
            stranger: citizen(db, "合成乙"),
            clerk: officer("窗口员", "clerk", HALL),
            examiner: officer("审查员", "examiner", MARKET),
            approver: officer("负责人", "approver", MARKET),
            fire: self::officer(db, "消防员", &[("examiner", FIRE), ("approver", FIRE)]),
            supervisor: officer("监察员", "supervisor", HALL),
            app,
        }
    }

    pub fn later(&self, days: i64) {
        self.clock.advance(Duration::days(days));
    }

    /// An application of the citizen for a matter, not yet handed in.
    pub fn application(&self, key: &str, matter: Matter) -> Application {
        Application {
            key: key.to_owned(),
            draft: None,
            subject: Subject::Matter(Box::new(matter)),
            answers: service::theme::Answers::new(),
            form: None,
            data: json!({"name": "合成小馆"}),
            provenance: json!({}),
            materials: vec![Material {
                key: "plan".into(),
                name: "平面布局图".into(),
                obtained: Obtained::Upload,
                ..Material::default()
            }],
            applicant: applicant(&self.citizen),
            channel: Channel::Online,
        }
    }

    pub async fn submitted(&self, matter: Matter) -> Receipt {
        let key = UserId::new(&*self.clock).to_string();
        let application = self.application(&key, matter);
        submit::submit(&self.desk, &self.citizen, application)
            .await
            .unwrap()
    }

    pub async fn act(
        &self,
        actor: &Actor,
        receipt: &Receipt,
        event: Event,
    ) -> kernel::Result<Case> {
        service::case::act::act(&self.desk, actor, receipt.case, event).await
    }
}

pub fn applicant(actor: &Actor) -> Applicant {
    let party = actor.party().unwrap();
    Applicant {
        party: Some(party.id.to_string()),
        kind: "natural".into(),
        name: party.name.clone(),
        code: party.code.clone(),
        phone: party.phone.clone(),
        address: party.address.clone(),
    }
}

pub fn citizen(db: &Db, name: &str) -> Actor {
    let party = Party {
        id: PartyId::new(db.clock()),
        kind: PartyKind::Natural,
        name: name.to_owned(),
        code: "11000019900101123X".to_owned(),
        phone: "13800000000".to_owned(),
        address: "合成路 1 号".to_owned(),
    };
    Actor {
        user: UserId::new(db.clock()),
        name: name.to_owned(),
        own: Some(party),
        acting_for: None,
        posts: Vec::new(),
        assurance: 2,
        second_factor: false,
        is_token: false,
    }
}

pub fn officer(db: &Db, name: &str, posts: &[(&str, &str)]) -> Actor {
    let posts = posts.iter().map(|(post, org)| Post {
        post: (*post).to_owned(),
        org: (*org).to_owned(),
        org_name: format!("示范机关 {org}（合成）"),
        region: REGION.to_owned(),
        held_for: None,
    });
    Actor {
        user: UserId::new(db.clock()),
        name: name.to_owned(),
        own: None,
        acting_for: None,
        posts: posts.collect(),
        assurance: 3,
        second_factor: true,
        is_token: false,
    }
}

/// A licence of the market body: promised in five days, due by law in ten.
pub fn licence() -> Matter {
    Matter {
        task_code: format!("{MARKET}3000131001000"),
        version: 1,
        state: State::Published,
        name: "食品经营许可".into(),
        task_type: TaskType("01".into()),
        area_code: REGION.into(),
        dept_code: MARKET.into(),
        dept_name: "示范市场监督管理局（合成）".into(),
        anticipate: Limit {
            days: Some(10),
            ..Limit::default()
        },
        promise: Limit {
            days: Some(5),
            ..Limit::default()
        },
        special_procedures: vec![SpecialProcedure {
            key: "site-check".into(),
            name: "现场核查".into(),
            kind: "勘验".into(),
            max_days: 5,
            basis: String::new(),
        }],
        ..Matter::default()
    }
}

pub fn instant() -> Matter {
    Matter {
        name: "营业执照信息核验".into(),
        project_type: ProjectType::Instant,
        promise: Limit {
            days: Some(0),
            ..Limit::default()
        },
        ..licence()
    }
}

/// Names of the timeline's events.
pub async fn timeline(world: &World, case: &Case) -> Vec<String> {
    let entries = service::case::store::list_entries(world.desk.db.read(), case.id, false).await;
    entries
        .unwrap()
        .into_iter()
        .map(|entry| entry.event)
        .collect()
}

/// Kinds of the events that were appended, in order of their time.
pub async fn kinds(db: &Db) -> Vec<String> {
    use sea_orm::{ConnectionTrait, Statement};
    let sql = "SELECT kind FROM store_event ORDER BY at, id";
    let statement = Statement::from_string(db.read().get_database_backend(), sql);
    let rows = db.read().query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|row| row.try_get("", "kind").unwrap())
        .collect()
}
