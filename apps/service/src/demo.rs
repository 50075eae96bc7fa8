//! The demo city's past: business licences for its firms and cases in every state, made by the
//! same acts that people use, with a clock that is moved.

pub mod bench;

use std::sync::Arc;

use chrono::Duration;
use credential::{Issue, Issuer};
use identity::{Actor, Party, Post, UserId, directory};
use kernel::{Error, Fault, Result, ShiftedClock};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::Tx;
use web::App;

use crate::{
    case::{
        Channel, Event, State, act,
        act::Desk,
        flow,
        store::{self as rows, Applicant, Case, Material, Obtained},
        submit::{self, Application, Subject},
        work::{self, Done},
    },
    evaluation::{self, Answer, Review},
    matter,
    theme::{self, Answers, Theme},
};

/// Somebody whom a visitor of the demo can sign in as.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    pub user: String,
    pub password: String,
    pub name: String,
    pub role: String,
}

const PASSWORD: &str = "Yungang-demo-1";
const THEME: &str = "open-restaurant";
const BUSINESS_LICENCE: &str = "11321000990000033R002";

/// `(login, name, role)` of the accounts that are shown; all are in `packs/demo-city`.
const ACCOUNTS: [(&str, &str, &str); 16] = [
    ("zhang", "合成·张一", "citizen, owner of a firm"),
    ("wang", "合成·王二", "citizen, agent of another firm"),
    ("clerk", "合成·窗口员", "window clerk"),
    ("food", "合成·食品审查员", "examiner, market regulation"),
    (
        "food-chief",
        "合成·市监局批准人",
        "approver, market regulation",
    ),
    ("urban", "合成·城管审查员", "examiner, urban management"),
    (
        "urban-chief",
        "合成·城管局批准人",
        "approver, urban management",
    ),
    ("fire", "合成·消防审查员", "examiner, fire and rescue"),
    ("fire-chief", "合成·消防批准人", "approver, fire and rescue"),
    ("tobacco", "合成·烟草审查员", "examiner, tobacco"),
    ("tobacco-chief", "合成·烟草局批准人", "approver, tobacco"),
    ("supervisor", "合成·效能监督员", "supervisor"),
    ("steward", "合成·事项管理员", "steward of matters"),
    ("operator", "合成·运维员", "system administrator"),
    ("security", "合成·安全管理员", "security administrator"),
    ("auditor", "合成·审计管理员", "audit administrator"),
];

/// How far a case of the past came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    Submitted,
    Correcting,
    NotAccepted,
    Withdrawn,
    Accepted,
    Examined,
    OnSite,
    PartlyDone,
    Refused,
    Closed,
    Delivered,
}

/// `(days ago, how far, everything asked for)`: some are late, some nearly, most are in time.
const PAST: [(i64, Until, bool); 24] = [
    (40, Until::Delivered, true),
    (36, Until::Delivered, false),
    (33, Until::Delivered, true),
    (30, Until::Refused, true),
    (28, Until::Delivered, false),
    (26, Until::NotAccepted, false),
    (25, Until::Accepted, true),
    (21, Until::Delivered, true),
    (20, Until::Withdrawn, true),
    (18, Until::PartlyDone, true),
    (16, Until::Closed, false),
    (14, Until::Delivered, false),
    (13, Until::Examined, true),
    (12, Until::OnSite, true),
    (10, Until::Accepted, false),
    (9, Until::PartlyDone, true),
    (8, Until::Correcting, false),
    (7, Until::Closed, false),
    (6, Until::Accepted, true),
    (5, Until::Examined, true),
    (4, Until::OnSite, true),
    (2, Until::Accepted, false),
    (1, Until::Submitted, true),
    (0, Until::Submitted, false),
];

/// Gives the city its licences and its cases, unless it has them, and answers whom to sign in as.
/// `settle` does everything that is due by the clock: jobs, consumers, timers.
pub async fn populate<E>(
    app: &App,
    clock: &ShiftedClock,
    settle: impl AsyncFn() -> Result<(), E>,
) -> Result<Vec<Account>>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let settled = async || {
        let done = settle().await;
        done.map_err(|e| Fault::caused_by("settle the demo", e.into()))
    };
    let city = City::read(app).await?;
    let theme = theme::store::get(app.db().read(), THEME).await?;
    let any = rows::Search {
        regions: vec![theme.region.clone()],
        limit: 1,
        ..rows::Search::default()
    };
    let before = rows::list(app.db().read(), &any).await?;
    if before.0.is_empty() {
        clock.shift(-Duration::days(60));
        city.issue_licences(app).await?;
        settled().await?;
        for (place, (days, until, is_full)) in PAST.into_iter().enumerate() {
            let story = Story {
                city: &city,
                clock,
                theme: &theme,
                days,
                is_full,
            };
            Box::pin(story.tell(app, place, until)).await?;
            settled().await?;
        }
        clock.shift(Duration::zero());
        settled().await?;
    }
    let accounts = ACCOUNTS.into_iter().map(|(user, name, role)| Account {
        user: user.to_owned(),
        password: PASSWORD.to_owned(),
        name: name.to_owned(),
        role: role.to_owned(),
    });
    Ok(accounts.collect())
}

/// The people of the pack, as far as stories need them.
struct City {
    firms: Vec<Party>,
    clerk: Actor,
}

/// `parties/city.toml`, of which only the firms are read.
#[derive(Deserialize)]
struct Parties {
    firm: Vec<FirmCode>,
}

#[derive(Deserialize)]
struct FirmCode {
    code: String,
}

impl City {
    async fn read(app: &App) -> Result<Self> {
        let source = pack::Source::embedded("demo-city")?;
        let file = source
            .file("parties/city.toml")
            .ok_or(Error::NotFound { what: "demo city" })?;
        let parties: Parties =
            toml::from_str(file.text()?).map_err(|e| Fault::caused_by("read the demo city", e))?;
        let mut firms = Vec::new();
        for firm in &parties.firm {
            firms.extend(directory::party_by_code(app.db().read(), &firm.code).await?);
        }
        let theme = theme::store::get(app.db().read(), THEME).await?;
        let clerk = officer(app, "clerk", "clerk", &theme.org).await?;
        Ok(Self { firms, clerk })
    }

    async fn issue_licences(&self, app: &App) -> Result<()> {
        let issuer = directory::organisation(
            app.db().read(),
            BUSINESS_LICENCE.get(..18).unwrap_or_default(),
        )
        .await?
        .ok_or(Error::NotFound {
            what: "organisation",
        })?;
        let firms = Arc::new(self.firms.clone());
        app.db()
            .write(move |tx| {
                let (firms, issuer) = (firms.clone(), issuer.clone());
                async move {
                    for firm in firms.iter() {
                        issue_licence(&tx, firm, &issuer).await?;
                    }
                    Ok(())
                }
            })
            .await
    }
}

async fn issue_licence(tx: &Tx, firm: &Party, issuer: &directory::Organisation) -> Result<()> {
    let face = [
        ("firm_name", &firm.name),
        ("firm_code", &firm.code),
        ("premises_address", &firm.address),
    ];
    let face = face
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Value::from(value.as_str())));
    let issue = Issue {
        type_code: BUSINESS_LICENCE.to_owned(),
        holder: firm.clone(),
        issuer: Issuer {
            code: issuer.code.clone(),
            name: issuer.name_zh.clone(),
        },
        face: face.collect(),
        number: None,
        valid_from: None,
        valid_to: None,
        case_no: Some(format!("demo-{}", firm.code)),
        replaces: None,
        actor: "system".to_owned(),
    };
    credential::issue(tx, &issue).await.map(drop)
}

/// An officer of the pack with one post.
pub async fn officer(app: &App, login: &str, post: &str, org: &str) -> Result<Actor> {
    let db = app.db().read();
    let user = directory::user_by_name(db, login)
        .await?
        .ok_or(Error::NotFound { what: "user" })?;
    let body = directory::organisation(db, org)
        .await?
        .ok_or(Error::NotFound {
            what: "organisation",
        })?;
    Ok(Actor {
        user: user.id,
        name: user.name,
        posts: vec![Post {
            post: post.to_owned(),
            org: org.to_owned(),
            org_name: body.name_zh,
            region: body.region,
            held_for: None,
        }],
        assurance: 4,
        second_factor: true,
        ..Actor::system()
    })
}

/// Somebody of a body who holds a post; the first by login.
async fn holder(app: &App, post: &str, org: &str) -> Result<Actor> {
    let holders = directory::officers_with_post(app.db().read(), post, org).await?;
    let first = holders
        .into_iter()
        .next()
        .ok_or(Error::NotFound { what: "officer" })?;
    officer(app, &first.login, post, org).await
}

/// One case of the past.
struct Story<'a> {
    city: &'a City,
    clock: &'a ShiftedClock,
    theme: &'a Theme,
    days: i64,
    is_full: bool,
}

impl Story<'_> {
    /// Moves the clock to so many days after the beginning, never into the future.
    fn day(&self, after: i64) {
        self.clock
            .shift(-Duration::days((self.days - after).max(0)));
    }

    async fn tell(&self, app: &App, place: usize, until: Until) -> Result<()> {
        self.day(0);
        let desk = Desk::of(app)?;
        let whole = Box::pin(self.submit(app, &desk, place)).await?;
        let clerk = &self.city.clerk;
        let get = async || rows::get(desk.db.read(), whole).await;
        let before = self.days > 0;
        match until {
            Until::Submitted => return Ok(()),
            Until::Withdrawn => {
                let withdraw = Event::Withdraw {
                    reason: "经营计划有变".into(),
                };
                let applicant = self.applicant(app, place).await?;
                Box::pin(act::act(&desk, &applicant, whole, withdraw)).await?;
                return Ok(());
            }
            Until::Correcting => {
                let missing = vec!["主要设备设施布局图看不清，请重新上传".to_owned()];
                let done = Done {
                    missing,
                    ..said("correct")
                };
                return self.finish(&desk, clerk, &get().await?, done).await;
            }
            Until::NotAccepted => {
                return self
                    .finish(&desk, clerk, &get().await?, refusal("经营场所不在本市"))
                    .await;
            }
            _ => {}
        }
        if before {
            self.day(1);
        }
        self.finish(&desk, clerk, &get().await?, said("accept"))
            .await?;
        if until == Until::Accepted {
            return Ok(());
        }
        let parts = rows::list_parts(desk.db.read(), whole).await?;
        for (index, part) in parts.iter().enumerate() {
            Box::pin(self.handle(app, &desk, part, index, until)).await?;
        }
        if until == Until::Delivered {
            self.day(8);
            let delivered = Done {
                receiver: "本人".into(),
                ..said("delivered")
            };
            self.finish(&desk, clerk, &get().await?, delivered).await?;
            Box::pin(self.review(app, &desk, place, &get().await?)).await?;
        }
        Ok(())
    }

    /// What the applicant says afterwards. Of the two who are not content one has been answered.
    async fn review(&self, app: &App, desk: &Desk, place: usize, case: &Case) -> Result<()> {
        let (satisfaction, details, text) = match place {
            1 => (2, vec![209], "比承诺的晚了两天"),
            11 => (1, vec![110], ""),
            4 | 7 => (4, vec![408], ""),
            _ => (5, vec![513, 510], "一次就办好了"),
        };
        self.day(9);
        let review = Review {
            satisfaction,
            details,
            text: text.to_owned(),
            service: 2,
            ..Review::default()
        };
        let applicant = self.applicant(app, place).await?;
        let given = evaluation::act::rate(desk, &applicant, case.id, review).await?;
        if place != 1 {
            return Ok(());
        }
        self.day(10);
        let contact = Answer::Contact {
            note: "已电话致歉并说明情况".to_owned(),
        };
        evaluation::act::answer(desk, &self.city.clerk, given.id, contact).await?;
        self.day(13);
        let finish = Answer::Finish {
            reply: "窗口增加了一名工作人员".to_owned(),
        };
        evaluation::act::answer(desk, &self.city.clerk, given.id, finish).await?;
        Ok(())
    }

    /// A department's work on its part.
    async fn handle(
        &self,
        app: &App,
        desk: &Desk,
        part: &Case,
        index: usize,
        until: Until,
    ) -> Result<()> {
        let examiner = holder(app, "examiner", &part.org).await?;
        let approver = holder(app, "approver", &part.org).await?;
        let part = async || rows::get(desk.db.read(), part.id).await;
        let is_whole = matches!(until, Until::Closed | Until::Delivered | Until::Refused);
        if until == Until::PartlyDone && index == 0 {
            return Ok(());
        }
        self.day(2);
        if part().await?.state() != State::Accepted {
            return Ok(());
        }
        self.finish(desk, &examiner, &part().await?, said("pass"))
            .await?;
        if until == Until::Examined || (until == Until::OnSite && index == 0) {
            return Ok(());
        }
        if part().await?.state() == State::Suspended {
            self.day(4);
            let officers = vec!["合成·核查员甲".to_owned(), "合成·核查员乙".to_owned()];
            self.finish(
                desk,
                &examiner,
                &part().await?,
                Done {
                    officers,
                    ..said("pass")
                },
            )
            .await?;
        }
        if !is_whole && until != Until::PartlyDone && index == 0 {
            return Ok(());
        }
        self.day(5);
        let decision = if until == Until::Refused && index == 1 {
            refusal("招牌遮挡交通标志")
        } else {
            said("approve")
        };
        self.finish(desk, &approver, &part().await?, decision).await
    }

    /// Completes the open task of a case; a case without one has ended meanwhile.
    async fn finish(&self, desk: &Desk, actor: &Actor, case: &Case, done: Done) -> Result<()> {
        let Some(task) = flow::tasks_of(desk, case).await?.into_iter().next() else {
            return Ok(());
        };
        // Boxed: acts on cases are large futures.
        Box::pin(work::complete(desk, actor, &task.id, done))
            .await
            .map(drop)
    }

    async fn applicant(&self, app: &App, place: usize) -> Result<Actor> {
        let firm = self.firm(place)?;
        let db = app.db().read();
        let user = directory::user_by_name(db, "zhang")
            .await?
            .ok_or(Error::NotFound { what: "user" })?;
        let own = match user.party {
            Some(party) => Some(directory::party(db, party).await?),
            None => None,
        };
        Ok(Actor {
            user: user.id,
            name: user.name,
            own,
            acting_for: Some(firm.clone()),
            assurance: 2,
            ..Actor::system()
        })
    }

    fn firm(&self, place: usize) -> Result<&Party> {
        // The first firm is whom a visitor acts for; every fourth case is one of its.
        let index = if place.is_multiple_of(4) { 0 } else { place };
        self.city
            .firms
            .get(index % self.city.firms.len().max(1))
            .ok_or(Error::NotFound { what: "firm" })
    }

    async fn submit(&self, app: &App, desk: &Desk, place: usize) -> Result<crate::case::CaseId> {
        let firm = self.firm(place)?;
        let answers = self.answers();
        let data = data(firm);
        let mut parts = Vec::new();
        for part in self.theme.needed(&answers) {
            let matter = matter::get_in_force(app.db().read(), &part.matter).await?;
            parts.push((part.key.clone(), matter, data.clone()));
        }
        let matters: Vec<_> = parts.iter().map(|(_, matter, _)| matter.clone()).collect();
        let materials = theme::merged_materials(&matters)
            .0
            .into_iter()
            .map(|wanted| Material {
                obtained: if wanted.licence.is_some() {
                    Obtained::Certificate
                } else {
                    Obtained::Upload
                },
                key: wanted.key,
                name: wanted.name,
                ..Material::default()
            });
        let application = Application {
            key: UserId::new(app.clock()).to_string(),
            draft: None,
            subject: Subject::Theme(Box::new(self.theme.clone()), parts),
            answers,
            form: self.theme.form.clone(),
            data,
            provenance: json!({}),
            materials: materials.collect(),
            applicant: Applicant {
                party: Some(firm.id.to_string()),
                kind: "legal".into(),
                name: firm.name.clone(),
                code: firm.code.clone(),
                phone: firm.phone.clone(),
                address: firm.address.clone(),
            },
            channel: Channel::Online,
        };
        let applicant = self.applicant(app, place).await?;
        Ok(Box::pin(submit::submit(desk, &applicant, application))
            .await?
            .case)
    }

    fn answers(&self) -> Answers {
        let (area, other) = if self.is_full {
            ("assembly", "yes")
        } else {
            ("small", "no")
        };
        let answers = [
            ("business_licence", "yes"),
            ("area", area),
            ("signboard", "yes"),
            ("tobacco", other),
            ("high_risk", other),
        ];
        answers
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }
}

/// What the applicant filled in.
fn data(firm: &Party) -> Value {
    json!({
        "firm_name": firm.name, "firm_code": firm.code, "contact_phone": firm.phone,
        "shop_name": firm.name.replace("合成·", ""), "premises_address": firm.address,
        "premises_area": 120, "delivery": "window", "business_form": "catering",
        "food_items": ["hot", "drinks"], "staff_count": 6, "safety_manager": "合成·安管员",
        "sign_width": 300, "sign_height": 80, "sign_position": "lintel", "sign_promise": true,
        "fire_floor": 1, "exits": 2, "fire_manager": "合成·消防员", "fire_promise": true,
        "school_distance": 260, "premises_right_kind": "rent",
    })
}

fn said(outcome: &str) -> Done {
    Done {
        outcome: outcome.to_owned(),
        opinion: "符合要求".to_owned(),
        data: Map::new(),
        ..Done::default()
    }
}

fn refusal(reason: &str) -> Done {
    Done {
        outcome: "refuse".to_owned(),
        reason: reason.to_owned(),
        competent: "经营场所所在地的市场监督管理局".to_owned(),
        ..Done::default()
    }
}
