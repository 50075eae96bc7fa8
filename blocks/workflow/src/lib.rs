//! BPMN 2.0 processes and DMN decisions: tasks, deadlines, working days.
//!
//! Owns the tables `workflow_*`. Promises: a step happens whole or not at all, in the caller's
//! write; of two who complete one task one wins; a timer fires once; an instance keeps the
//! version it began with. The core ([`core::advance`]) knows no clock, database or network.
//! Never knows what a case, matter or certificate is.

mod act;
mod api;
pub mod aside;
mod call;
mod camunda;
pub mod check;
pub mod core;
pub mod correlation;
pub mod deadline;
pub mod decision;
mod deploy;
mod engine;
pub mod event;
pub mod expr;
pub mod external;
mod ignored;
mod juel;
mod layer;
pub mod migrate;
pub mod model;
mod page;
mod post;
pub mod prune;
mod react;
pub mod read;
mod reason;
mod rest;
mod retry;
mod schema;
pub mod simulate;
mod state;
pub mod stats;
mod step;
mod store;
mod timed;
mod trail;
mod tree;
pub mod verb;

use std::sync::Arc;

pub use act::{
    Officer, call_done, call_failed, cancel, claim, complete, complete_by_system, message, release,
    relocate, retry, set, signal, start, start_at, start_by, start_version, task, task_in, tasks,
    tasks_in, transfer, variables,
};
pub use deploy::{Version, deploy, deploy_by};
pub use engine::{
    Calendars, Call, Engine, Outcome, RefreshCalendars, ServiceHandler, TaskListener,
};
pub use external::ExternalTaskId;
pub use layer::layer;
pub use schema::migrations;
pub use store::{Absent, Filter, Task};
pub use trail::{Stay, Trail, picture, trail, trail_of};
pub use verb::{
    Completion, Intervention, Progress, complete_choosing, foresee, intervene, with_absent,
};

kernel::typed_id!(
    /// A running or ended process.
    pub InstanceId
);
kernel::typed_id!(
    /// A task that a person carries out.
    pub TaskId
);
kernel::typed_id!(
    /// A service call under way.
    pub CallId
);

/// What an installation may set; the section `workflow` of its settings.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Settings {
    /// When offices are open, for limits in working hours: `09:00-12:00,13:00-18:00`, and after
    /// it, divided by `;`, what holds in certain regions: `65=10:00-14:00,15:30-19:30`.
    pub office_hours: String,
    /// Days that instances are kept after their end: `365; restaurant=90` says it for all, then
    /// for certain processes. Empty keeps them for ever.
    pub keep_ended: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            office_hours: deadline::hours::DEFAULT.to_owned(),
            keep_ended: String::new(),
        }
    }
}

impl Settings {
    /// What is wrong with them, each naming the key.
    pub fn problems(&self) -> Vec<String> {
        let hours = deadline::hours::HoursByRegion::parse(&self.office_hours);
        let hours = hours
            .err()
            .map(|wrong| format!("workflow.office_hours: {wrong}"));
        let keep = prune::Keep::parse(&self.keep_ended).err();
        let keep = keep.map(|wrong| format!("workflow.keep_ended: {wrong}"));
        hours.into_iter().chain(keep).collect()
    }
}

/// Tables and words.
pub fn foundation() -> web::module::Foundation {
    web::module::Foundation {
        name: "workflow",
        migrations: migrations(),
        texts: TEXTS,
    }
}

const TEXTS: &[(&str, &str)] = &[
    ("zh-CN", include_str!("../locales/zh-CN/workflow.ftl")),
    ("en", include_str!("../locales/en/workflow.ftl")),
];

/// Cedar policies of this crate, by file name.
pub const POLICIES: &[(&str, &str)] =
    &[("workflow.cedar", include_str!("../policies/workflow.cedar"))];

/// The job handlers of an engine over a database.
pub fn jobs(db: &::store::Db, engine: &Arc<Engine>) -> Vec<Arc<dyn ::store::Handler>> {
    let (db, engine) = (db.clone(), engine.clone());
    vec![
        Arc::new(react::Timers {
            db: db.clone(),
            engine: engine.clone(),
        }),
        Arc::new(call::Calls {
            db: db.clone(),
            engine: engine.clone(),
        }),
        Arc::new(timed::Clockwork {
            db: db.clone(),
            engine: engine.clone(),
        }),
        Arc::new(post::Postman {
            db: db.clone(),
            engine: engine.clone(),
        }),
        Arc::new(post::Crier {
            db: db.clone(),
            engine: engine.clone(),
        }),
        Arc::new(deadline::react::Clocks {
            db: db.clone(),
            engine: engine.clone(),
        }),
        Arc::new(deadline::react::Recount { db, engine }),
    ]
}

/// Puts [`Engine`] into the application. Later modules register service handlers and listeners
/// with it, and say by [`Engine::use_calendars`] where working days are counted.
pub fn module(app: &web::App) -> kernel::Result<web::Module> {
    let engine = app.put(Engine::default());
    // Without settings, as in tests of other crates, the defaults hold.
    let settings = app.part::<Settings>();
    let settings = settings.unwrap_or_default();
    engine.use_office_hours(&settings.office_hours)?;
    let keep = prune::Keep::parse(&settings.keep_ended).map_err(kernel::Fault::new)?;
    let mut jobs = jobs(app.db(), &engine);
    jobs.push(Arc::new(prune::Prune {
        db: app.db().clone(),
        keep,
    }));
    Ok(web::Module {
        name: "workflow",
        routes: api::routes()
            .merge(deadline::api::routes())
            .merge(migrate::api::routes())
            .merge(page::routes())
            .merge(rest::routes())
            .merge(camunda::routes(app)),
        jobs,
        menu: page::menu(),
        policies: POLICIES.to_vec(),
        ..web::Module::default()
    })
}
