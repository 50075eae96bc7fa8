//! Threads that set documents, out of the way of people.
//!
//! Setting and signing a page is milliseconds of pure computing. A decision grants certificates
//! faster than they can be set, so on two cores their queue would take half of the machine from
//! those who wait for an answer. These threads take what nobody else needs: all of an idle
//! machine, little of a busy one.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use kernel::Fault;
use tokio::sync::oneshot;

type Task = Box<dyn FnOnce() + Send>;

/// How far the threads stand behind others, as `nice` counts: a tenth of their share.
const NICENESS: i32 = 10;

/// The threads; they end with it.
pub(crate) struct Press(mpsc::Sender<Task>);

impl Press {
    /// As many threads as there are cores.
    pub(crate) fn start() -> Result<Self, Fault> {
        let (sender, tasks) = mpsc::channel::<Task>();
        let tasks = Arc::new(Mutex::new(tasks));
        for _ in 0..width() {
            let tasks = tasks.clone();
            thread::Builder::new()
                .name("press".into())
                .spawn(move || work(&tasks))
                .map_err(|e| Fault::caused_by("start a thread that sets documents", e))?;
        }
        Ok(Self(sender))
    }

    /// Runs something on one of the threads.
    pub(crate) async fn run<T, F>(&self, make: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, Fault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let order = Box::new(move || {
            let outcome = catch_unwind(AssertUnwindSafe(make))
                .unwrap_or_else(|_| Err(Fault::new("setting a document panicked")));
            // Whoever asked may have gone away.
            drop(reply.send(outcome));
        });
        let ended = || Fault::new("the threads that set documents have ended");
        self.0.send(order).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

/// Documents that are set side by side.
pub(crate) fn width() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn work(tasks: &Mutex<mpsc::Receiver<Task>>) {
    lower_priority();
    loop {
        let next = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(task) => task(),
            Err(mpsc::RecvError) => return,
        }
    }
}

/// On Linux a priority belongs to a thread, on other systems to the process, which stays as it is.
#[cfg(target_os = "linux")]
fn lower_priority() {
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(%error, "documents are set at the priority of everything else");
    }
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {}
