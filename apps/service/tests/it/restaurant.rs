//! One restaurant from the merged form to the delivered result, with the processes of the pack.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use identity::Actor;
use kernel::{Error, ManualClock};
use serde_json::json;
use service::{
    case::{
        Event, Flag, Outcome, State, act,
        flow::{self, Task, Whose},
        joint::OnReject,
        store::{self as rows, Case},
        submit::{self, Receipt, Subject},
        work::{self, Done},
    },
    matter::{self, Matter},
    theme::{Answers, Theme},
};
use store::{Db, db_test};

use crate::world::{World, migrations, officer, timeline};

fn pack(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../packs/restaurant");
    std::fs::read_to_string(root.join(path)).unwrap()
}

fn theme() -> Theme {
    let mut theme: Theme = toml::from_str(&pack("themes/open-restaurant.toml")).unwrap();
    theme.version = 1;
    theme
}

fn matters() -> BTreeMap<String, Matter> {
    let names = ["food-licence", "signboard", "fire-check", "tobacco-licence"];
    let read = |name: &&str| {
        let mut matter: Matter = toml::from_str(&pack(&format!("matters/{name}.toml"))).unwrap();
        matter.version = 1;
        matter.state = matter::State::Published;
        (matter.task_code.clone(), matter)
    };
    names.iter().map(read).collect()
}

/// The city hall with the pack's processes and officers of its bodies.
struct Restaurant {
    w: World,
    theme: Theme,
    matters: BTreeMap<String, Matter>,
    officers: BTreeMap<String, Actor>,
}

impl Restaurant {
    async fn open(db: &Db, clock: &Arc<ManualClock>) -> Self {
        let w = World::new(db, clock);
        let (theme, matters) = (theme(), matters());
        let files = ["food-risk.dmn", "tobacco-distance.dmn"].map(|f| format!("decisions/{f}"));
        let processes = [
            "food-licence",
            "signboard",
            "fire-check",
            "tobacco-licence",
            "open-restaurant",
        ];
        let processes = processes.map(|name| format!("processes/{name}.bpmn"));
        for path in files.iter().chain(&processes) {
            let name = path.rsplit('/').next().unwrap();
            let key = name.rsplit_once('.').unwrap().0.to_owned();
            let xml = pack(path);
            db.write(move |tx| {
                let (key, xml) = (key.clone(), xml.clone());
                async move { workflow::deploy(&tx, &key, &xml).await }
            })
            .await
            .unwrap();
        }
        for name in [
            "food-business-licence",
            "signboard-permit",
            "fire-decision",
            "tobacco-retail-licence",
        ] {
            let text = pack(&format!("certificates/{name}.toml"));
            let kind: credential::CertificateType = toml::from_str(&text).unwrap();
            db.write(move |tx| {
                let kind = kind.clone();
                async move { credential::install(&tx, &kind).await }
            })
            .await
            .unwrap();
        }
        let officers = matters.values().map(|matter| {
            let posts = [
                ("examiner", &*matter.dept_code),
                ("approver", &*matter.dept_code),
            ];
            (
                matter.dept_code.clone(),
                officer(db, &matter.dept_name, &posts),
            )
        });
        let officers = officers.collect();
        Self {
            w,
            theme,
            matters,
            officers,
        }
    }

    async fn apply(&self, answers: &[(&str, &str)]) -> Receipt {
        let answers: Answers = answers
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let parts = self.theme.needed(&answers).into_iter().map(|part| {
            let matter = self.matters.get(&part.matter).unwrap().clone();
            (part.key.clone(), matter, json!({"name": "合成小馆"}))
        });
        let key = identity::UserId::new(&*self.w.clock).to_string();
        let mut application = self.w.application(&key, Matter::default());
        application.subject = Subject::Theme(Box::new(self.theme.clone()), parts.collect());
        application.answers = answers;
        submit::submit(&self.w.desk, &self.w.citizen, application)
            .await
            .unwrap()
    }

    async fn whole(&self, receipt: &Receipt) -> Case {
        rows::get(self.w.desk.db.read(), receipt.case)
            .await
            .unwrap()
    }

    async fn part(&self, receipt: &Receipt, name: &str) -> Case {
        let parts = rows::list_parts(self.w.desk.db.read(), receipt.case)
            .await
            .unwrap();
        parts
            .into_iter()
            .find(|part| part.matter_name.contains(name))
            .unwrap()
    }

    async fn task(&self, case: &Case) -> Task {
        let tasks = flow::tasks_of(&self.w.desk, case).await.unwrap();
        assert_eq!(tasks.len(), 1, "{tasks:?}");
        tasks.into_iter().next().unwrap()
    }

    /// Completes the only open task of a case.
    async fn finish(&self, actor: &Actor, case: &Case, done: Done) -> Case {
        let task = self.task(case).await;
        work::complete(&self.w.desk, actor, &task.id, done)
            .await
            .unwrap()
    }

    async fn handle(&self, receipt: &Receipt, name: &str, decision: Done) -> Case {
        let part = self.part(receipt, name).await;
        let officer = &self.officers[&part.org];
        let part = self.finish(officer, &part, said("pass")).await;
        self.finish(officer, &part, decision).await
    }

    fn clerk(&self) -> Actor {
        officer(&self.w.desk.db, "综合窗口", &[("clerk", &self.theme.org)])
    }
}

fn said(outcome: &str) -> Done {
    Done {
        outcome: outcome.into(),
        opinion: "符合要求".into(),
        ..Done::default()
    }
}

fn refusal() -> Done {
    Done {
        outcome: "refuse".into(),
        reason: "场所不符合要求".into(),
        remedy: "可在六十日内申请行政复议".into(),
        ..Done::default()
    }
}

const EVERYTHING: [(&str, &str); 5] = [
    ("business_licence", "yes"),
    ("area", "assembly"),
    ("signboard", "yes"),
    ("tobacco", "yes"),
    ("high_risk", "yes"),
];

#[db_test(migrations = migrations)]
async fn a_restaurant_opens_with_four_bodies_in_parallel(db: Db, clock: Arc<ManualClock>) {
    let r = Restaurant::open(&db, &clock).await;
    let clerk = r.clerk();
    let receipt = r.apply(&EVERYTHING).await;
    let whole = r.whole(&receipt).await;
    assert_eq!((whole.state(), whole.plan.len()), (State::Submitted, 4));
    let (tasks, _) = flow::list_tasks(&r.w.desk, &clerk, Whose::Groups, "", 10)
        .await
        .unwrap();
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].act, "accept");

    let whole = r.finish(&clerk, &whole, said("accept")).await;
    assert_eq!(whole.state(), State::Accepted);
    let parts = rows::list_parts(db.read(), receipt.case).await.unwrap();
    assert_eq!(parts.len(), 4);
    for part in &parts {
        assert_eq!(
            (part.state(), part.facts.d0),
            (State::Accepted, whole.facts.d0)
        );
        assert!(
            part.facts.promise_due <= whole.facts.promise_due,
            "{}",
            part.matter_name
        );
        assert!(part.number.starts_with(&receipt.number));
    }

    for name in ["招牌", "消防", "烟草"] {
        let closed = r.handle(&receipt, name, said("approve")).await;
        assert_eq!(closed.state(), State::Closed, "{name}");
        assert_eq!(
            act::outcome(&closed.facts),
            Some(Outcome::Approved),
            "{name}"
        );
        assert!(closed.certificate.is_some(), "{name}");
    }
    assert_eq!(r.whole(&receipt).await.state(), State::Accepted);

    // High-risk food is looked at on site, and the clock stands still meanwhile.
    let food = r.part(&receipt, "食品").await;
    let due = food.facts.promise_due.unwrap();
    let market = &r.officers[&food.org];
    r.w.later(1);
    let food = r.finish(market, &food, said("pass")).await;
    assert_eq!(
        (food.state(), food.facts.promise_due),
        (State::Suspended, None)
    );
    r.w.later(2);
    let alone = Done {
        officers: vec!["张三".into()],
        ..said("pass")
    };
    let task = r.task(&food).await;
    let refused = work::complete(&r.w.desk, market, &task.id, alone)
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::Invalid(_)));
    let both = Done {
        officers: vec!["张三".into(), "李四".into()],
        ..said("pass")
    };
    let food = r.finish(market, &food, both).await;
    assert_eq!(food.state(), State::Accepted);
    assert!(food.facts.promise_due.unwrap() > due);

    let food = r.finish(market, &food, said("approve")).await;
    assert_eq!(food.state(), State::Closed);
    let whole = r.whole(&receipt).await;
    assert_eq!(whole.state(), State::Closed);
    assert_eq!(act::outcome(&whole.facts), Some(Outcome::Approved));
    assert!(!whole.facts.flags.contains(&Flag::SamePerson));
    let whole = r.finish(&clerk, &whole, said("delivered")).await;
    assert!(whole.facts.delivered_at.is_some());
    assert!(flow::tasks_of(&r.w.desk, &whole).await.unwrap().is_empty());
    assert_eq!(
        timeline(&r.w, &whole).await,
        [
            "submitted",
            "pre_passed",
            "received",
            "accepted",
            "approved",
            "closed",
            "delivered"
        ]
    );
}

#[db_test(migrations = migrations)]
async fn one_refusal_stops_all_where_the_theme_says_so(db: Db, clock: Arc<ManualClock>) {
    let r = Restaurant::open(&db, &clock).await;
    assert_eq!(r.theme.on_reject, OnReject::StopAll);
    let receipt = r.apply(&EVERYTHING).await;
    let whole = r.whole(&receipt).await;
    r.finish(&r.clerk(), &whole, said("accept")).await;
    r.handle(&receipt, "招牌", said("approve")).await;
    let refused = r.handle(&receipt, "消防", refusal()).await;
    assert_eq!(act::outcome(&refused.facts), Some(Outcome::Refused));
    for name in ["食品", "烟草"] {
        let stopped = r.part(&receipt, name).await;
        assert_eq!(stopped.state(), State::Aborted, "{name}");
        assert!(
            flow::tasks_of(&r.w.desk, &stopped)
                .await
                .unwrap()
                .is_empty()
        );
    }
    let whole = r.whole(&receipt).await;
    assert_eq!(whole.state(), State::Closed);
    assert_eq!(act::outcome(&whole.facts), Some(Outcome::Partial));
}

#[db_test(migrations = migrations)]
async fn others_go_on_where_the_theme_lets_them(db: Db, clock: Arc<ManualClock>) {
    let mut r = Restaurant::open(&db, &clock).await;
    r.theme.on_reject = OnReject::Continue;
    let answers = [
        ("business_licence", "yes"),
        ("area", "small"),
        ("signboard", "yes"),
        ("tobacco", "no"),
        ("high_risk", "no"),
    ];
    let receipt = r.apply(&answers).await;
    let whole = r.whole(&receipt).await;
    r.finish(&r.clerk(), &whole, said("accept")).await;
    r.handle(&receipt, "招牌", refusal()).await;
    assert_eq!(r.part(&receipt, "食品").await.state(), State::Accepted);
    assert_eq!(r.whole(&receipt).await.state(), State::Accepted);
    r.handle(&receipt, "食品", said("approve")).await;
    let whole = r.whole(&receipt).await;
    assert_eq!(act::outcome(&whole.facts), Some(Outcome::Partial));
}

#[db_test(migrations = migrations)]
async fn correction_keeps_the_clerks_task(db: Db, clock: Arc<ManualClock>) {
    let r = Restaurant::open(&db, &clock).await;
    let clerk = r.clerk();
    let receipt = r.apply(&EVERYTHING).await;
    let whole = r.whole(&receipt).await;
    let correct = Done {
        missing: vec!["平面布局图".into()],
        ..said("correct")
    };
    let whole = r.finish(&clerk, &whole, correct.clone()).await;
    assert_eq!(whole.state(), State::Correcting);
    act::act(
        &r.w.desk,
        &r.w.citizen,
        receipt.case,
        Event::SupplyCorrection,
    )
    .await
    .unwrap();
    let whole = r.whole(&receipt).await;
    let task = r.task(&whole).await;
    let twice = work::complete(&r.w.desk, &clerk, &task.id, correct).await;
    assert!(matches!(twice, Err(Error::Refused(_))));
    let whole = r.finish(&clerk, &whole, said("accept")).await;
    assert_eq!(whole.state(), State::Accepted);
}

#[db_test(migrations = migrations)]
async fn of_two_officers_on_one_task_one_wins(db: Db, clock: Arc<ManualClock>) {
    let r = Restaurant::open(&db, &clock).await;
    let receipt = r.apply(&EVERYTHING).await;
    let whole = r.whole(&receipt).await;
    let task = r.task(&whole).await;
    let (one, two) = (r.clerk(), r.clerk());
    let (a, b) = futures::join!(
        work::complete(&r.w.desk, &one, &task.id, said("accept")),
        work::complete(&r.w.desk, &two, &task.id, said("accept"))
    );
    let refused: Vec<_> = [a.err(), b.err()].into_iter().flatten().collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(matches!(refused[0], Error::Refused(_)), "{refused:?}");
    assert_eq!(
        rows::list_parts(db.read(), receipt.case)
            .await
            .unwrap()
            .len(),
        4
    );
    // A task that somebody took is not for others.
    let part = r.part(&receipt, "招牌").await;
    let task = r.task(&part).await;
    let examiner = &r.officers[&part.org];
    let colleague = officer(&db, "同事", &[("examiner", &part.org)]);
    work::claim(&r.w.desk, examiner, &task.id).await.unwrap();
    let taken = work::complete(&r.w.desk, &colleague, &task.id, said("pass")).await;
    assert!(matches!(taken, Err(Error::Refused(_))));
    let stranger = work::claim(&r.w.desk, &r.w.fire, &task.id).await;
    assert!(stranger.is_err());
}

#[db_test(migrations = migrations)]
async fn withdrawing_the_whole_ends_its_parts(db: Db, clock: Arc<ManualClock>) {
    let r = Restaurant::open(&db, &clock).await;
    let receipt = r.apply(&EVERYTHING).await;
    let whole = r.whole(&receipt).await;
    r.finish(&r.clerk(), &whole, said("accept")).await;
    r.handle(&receipt, "招牌", said("approve")).await;
    let withdraw = service::case::Event::Withdraw {
        reason: "不开了".into(),
    };
    r.w.act(&r.w.citizen, &receipt, withdraw).await.unwrap();
    let parts = rows::list_parts(db.read(), receipt.case).await.unwrap();
    let withdrawn = parts
        .iter()
        .filter(|part| part.state() == State::Withdrawn)
        .count();
    assert_eq!(withdrawn, 3);
    for part in &parts {
        assert!(flow::tasks_of(&r.w.desk, part).await.unwrap().is_empty());
    }
    assert!(flow::tasks_of(&r.w.desk, &whole).await.unwrap().is_empty());
}

#[db_test(migrations = migrations)]
async fn refused_acceptance_ends_the_process(db: Db, clock: Arc<ManualClock>) {
    let r = Restaurant::open(&db, &clock).await;
    let receipt = r.apply(&EVERYTHING).await;
    let whole = r.whole(&receipt).await;
    let whole = r.finish(&r.clerk(), &whole, refusal()).await;
    assert_eq!(whole.state(), State::NotAccepted);
    assert!(flow::tasks_of(&r.w.desk, &whole).await.unwrap().is_empty());
}

#[db_test(migrations = migrations)]
async fn silence_passes_the_acceptance(db: Db, clock: Arc<ManualClock>) {
    let r = Restaurant::open(&db, &clock).await;
    let receipt = r.apply(&EVERYTHING).await;
    let event = service::case::Event::Receive;
    r.w.act(&r.clerk(), &receipt, event).await.unwrap();
    service::case::react::look(&r.w.desk, receipt.case)
        .await
        .unwrap();
    assert_eq!(r.whole(&receipt).await.state(), State::Received);
    r.w.later(8);
    service::case::react::look(&r.w.desk, receipt.case)
        .await
        .unwrap();
    let whole = r.whole(&receipt).await;
    assert_eq!(whole.state(), State::Accepted);
    assert!(whole.facts.flags.contains(&Flag::LateAnswer));
    assert_eq!(whole.facts.d0.unwrap().to_string(), "2026-03-02");
    assert_eq!(
        rows::list_parts(db.read(), receipt.case)
            .await
            .unwrap()
            .len(),
        4
    );
}
