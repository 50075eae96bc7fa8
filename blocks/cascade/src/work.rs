//! The cascade's loop: rows up, rows down, the catalog up.

use std::time::Duration;

use ::store::fault;
use exchange::node::{
    client::{Client, Trouble},
    enrol,
};
use kernel::{
    Fault, Result,
    clock::{from_micros, micros},
};
use sea_orm::EntityTrait;
use tokio::{runtime::Handle, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use web::App;

use crate::{
    inferior,
    join::{self, Place, Standing, put, row},
    relay::{Clients, End, Relay},
    report,
    schema::superior,
    words,
};

const USUAL_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Between looks for what changed in the catalog.
const REPORT_EVERY: i64 = 3_600_000_000;
/// How long a former superior may take to hear that this hub left, and between tries while there is
/// another one, microseconds: it may be gone for good.
const PATIENCE: Duration = Duration::from_secs(20);
const LEAVE_EVERY: i64 = 60_000_000;
/// How exact "last seen" is, microseconds.
const SEEN_EVERY: i64 = 60_000_000;

/// Works on a thread of its own, as a node does in a process of its own: it writes chunks to the
/// disk between what it says.
pub fn start(app: App, stop: CancellationToken) -> JoinHandle<()> {
    tokio::task::spawn_blocking(move || Handle::current().block_on(run(app, stop)))
}

/// Works until told to stop; a hub without a superior has nothing to do.
async fn run(app: App, stop: CancellationToken) {
    let mut worker = Worker::of(app);
    let mut pause = USUAL_PAUSE;
    loop {
        let done = tokio::select! {
            done = worker.round() => done,
            () = stop.cancelled() => return,
        };
        pause = match done {
            Ok(Round { carried, .. }) if carried > 0 => Duration::ZERO,
            Ok(Round { is_well: true, .. }) => USUAL_PAUSE,
            Ok(_) => (pause * 2).clamp(USUAL_PAUSE, LONGEST_PAUSE),
            Err(error) => {
                tracing::error!(?error, "the cascade could not do its work");
                LONGEST_PAUSE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// What a round did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Deliveries that went through, both ways.
    pub carried: usize,
    pub is_well: bool,
}

/// Does the cascade's work, round by round.
pub struct Worker {
    app: App,
    /// When the superior was joined that the following is about, microseconds.
    joined_at: i64,
    /// Whether the superior heard that this is a hub.
    is_announced: bool,
    /// When it last looked for changes of the catalog, microseconds.
    reported: Option<i64>,
    /// What was in the way of the last report; it stands until the next one.
    unreported: String,
    /// When former superiors were last told that this hub left, microseconds.
    told_leaving: Option<i64>,
}

impl Worker {
    pub fn of(app: App) -> Self {
        Self {
            app,
            joined_at: 0,
            is_announced: false,
            reported: None,
            unreported: String::new(),
            told_leaving: None,
        }
    }

    /// Does all that is due once, and notes how it went.
    pub async fn round(&mut self) -> Result<Round> {
        let known = row(self.app.db().read()).await?;
        let known = known.filter(|row| row.state == Standing::Joined.name());
        let has_left = self.leave(known.is_some()).await?;
        let Some(known) = known else {
            self.is_announced = false;
            return Ok(Round {
                carried: 0,
                is_well: has_left,
            });
        };
        let idle = Round {
            carried: 0,
            is_well: true,
        };
        if self.joined_at != known.joined_at {
            self.joined_at = known.joined_at;
            self.is_announced = false;
            self.reported = None;
            self.unreported.clear();
        }
        let now = micros(self.app.clock().now());
        let mut fresh = known.clone();
        let done = self.both_ways(&mut fresh, now).await;
        let (carried, trouble) = match done {
            Ok(done) => done,
            Err(trouble) => (0, Some(trouble)),
        };
        if matches!(trouble, Some(Trouble::Refused(_))) && self.is_struck(&known.id).await {
            self.is_announced = false;
            let reason = words(&self.app, "cascade-own-struck");
            let who = identity::Actor::system().trace();
            join::end(&self.app, Standing::Struck, reason, who).await?;
            return Ok(idle);
        }
        if let Some(trouble) = &trouble {
            fresh.problem = trouble.to_string();
        }
        let is_old = known.seen_at.is_none_or(|seen| now - seen > SEEN_EVERY);
        if trouble.is_none() && is_old {
            fresh.seen_at = Some(now);
        }
        if fresh != known {
            note(&self.app, fresh).await?;
        }
        Ok(Round {
            carried,
            is_well: trouble.is_none(),
        })
    }

    /// Whether the superior shut this hub out. Only its own word for that ends anything.
    async fn is_struck(&self, here: &str) -> bool {
        match above(&self.app, here).await {
            Ok(mut up) => up.is_shut_out().await,
            Err(_) => false,
        }
    }

    /// Tells superiors that this hub left, until they know; answers whether all do. Where there is
    /// another one they do not hold it up.
    async fn leave(&mut self, has_other: bool) -> Result<bool> {
        let now = micros(self.app.clock().now());
        let is_new = self.told_leaving.is_some_and(|at| now - at < LEAVE_EVERY);
        if has_other && is_new {
            return Ok(true);
        }
        let mut is_well = true;
        for known in join::leaving(self.app.db().read()).await? {
            self.told_leaving = Some(now);
            match tell(&self.app, &known.id).await {
                Ok(()) => join::left(&self.app, &known.id).await?,
                Err(trouble) => {
                    is_well = false;
                    let problem = trouble.to_string();
                    if problem != known.problem {
                        note(&self.app, superior::Model { problem, ..known }).await?;
                    }
                }
            }
        }
        Ok(is_well)
    }

    /// Says once that this is a hub. An older superior does not know the order, and needs not.
    async fn announce(&mut self, up: &mut Client) -> std::result::Result<(), Trouble> {
        if self.is_announced {
            return Ok(());
        }
        match up.act::<()>(inferior::JOINED, &()).await {
            Err(Trouble::Refused(why)) => {
                tracing::info!(%why, "the superior does not know of hubs");
            }
            told => told?,
        }
        self.is_announced = true;
        Ok(())
    }

    /// Rows up, rows down; the last trouble of the two stands beside what went through.
    async fn both_ways(&mut self, fresh: &mut superior::Model, now: i64) -> Outcome {
        let place = self.app.part::<Place>()?;
        let mut above = End::open(place.superior(&fresh.id)).await?;
        let mut own = End::open(place.own(&fresh.id)).await?;
        let (mut up, mut here) = (above.client().await?, own.client().await?);
        self.announce(&mut up).await?;
        let going = Relay {
            from: &own,
            to: &above,
        };
        let mut clients = Clients {
            from: &mut here,
            to: &mut up,
        };
        let went = going.round(&mut clients).await;
        let coming = Relay {
            from: &above,
            to: &own,
        };
        let mut clients = Clients {
            from: &mut up,
            to: &mut here,
        };
        let came = coming.round(&mut clients).await;
        self.report(fresh, &mut up, now).await;
        fresh.problem.clone_from(&self.unreported);
        let carried = [&went, &came].into_iter().flatten().sum();
        Ok((carried, went.err().or(came.err())))
    }

    /// Tells the superior what changed in the catalog, now and then.
    async fn report(&mut self, fresh: &mut superior::Model, up: &mut Client, now: i64) {
        if self.reported.is_some_and(|at| now - at < REPORT_EVERY) {
            return;
        }
        self.reported = Some(now);
        let since = fresh.reported_at.map(from_micros);
        self.unreported = match report::send(&self.app, up, since).await {
            Ok(until) => {
                fresh.reported_at = until.map(micros).or(fresh.reported_at);
                String::new()
            }
            Err(trouble) => trouble.to_string(),
        };
    }
}

type Outcome = std::result::Result<(usize, Option<Trouble>), Trouble>;

async fn above(app: &App, here: &str) -> std::result::Result<Client, Trouble> {
    let place = app.part::<Place>()?;
    End::open(place.superior(here)).await?.client().await
}

/// Tells a superior that this hub left. One whose certificate for this hub has ended knows this hub
/// no more.
pub(crate) async fn tell(app: &App, here: &str) -> std::result::Result<(), Trouble> {
    let membership = app.part::<Place>()?.superior(here).membership()?;
    if enrol::expires(&membership)? < chrono::Utc::now() {
        return Ok(());
    }
    let told = async {
        let mut up = above(app, here).await?;
        match up.act::<()>(inferior::LEAVING, &()).await {
            // The answer was lost, or it was struck off meanwhile.
            Err(Trouble::Refused(_)) if up.is_shut_out().await => Ok(()),
            told => told,
        }
    };
    let late = |_| Fault::new("the superior hub does not answer").transient();
    tokio::time::timeout(PATIENCE, told).await.map_err(late)?
}

/// The row may have been left meanwhile; that stays so.
async fn note(app: &App, fresh: superior::Model) -> Result<()> {
    app.db()
        .write(move |tx| {
            let fresh = fresh.clone();
            async move {
                let found = superior::Entity::find_by_id(&fresh.id).one(&*tx).await;
                let now = found.map_err(|e| fault("read the superior hub", e))?;
                match now.filter(|now| now.state == fresh.state && now.joined_at == fresh.joined_at)
                {
                    Some(_) => put(&tx, fresh).await,
                    None => Ok(()),
                }
            }
        })
        .await
}
