//! Expressions evaluated aside, in a process that may be stopped.
//!
//! FEEL has loops and functions, and the library that evaluates them knows no bounds: a loop over a
//! long list takes hours, a function that calls itself takes the stack and with it the server. What
//! could do so ([`crate::expr::is_heavy`]) is handed to a child process, one line of JSON each way.
//! One that does not answer in time is stopped, and the expression has failed, so that its process
//! stands at an incident. All others are evaluated in place, where they take microseconds. What one
//! write evaluates has a time for all of it together: see [`Budget`].

mod budget;

use std::{
    collections::{BTreeMap, HashMap},
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc},
    time::Duration,
};

pub(crate) use budget::{Budget, spend};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    decision::{Answer, Decisions},
    expr,
};

/// What one evaluation may take. Whoever writes to the database waits for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// What a child may take to begin.
const BEGINNING: Duration = Duration::from_secs(20);
/// Children that are kept for the next evaluation.
const KEPT: usize = 2;
/// Memory of a child beyond what it begins with, in bytes.
const MEMORY: u64 = 512 << 20;
/// Stack of a child, in bytes: functions that call one another as deep as anybody means it.
const STACK: usize = 64 << 20;
/// Decision models that a child keeps in memory.
const MODELS: usize = 100;
/// Letters of an expression that are told.
const SHOWN: usize = 100;
const READY: &str = "ready";

static ASIDE: OnceLock<Aside> = OnceLock::new();

struct Aside {
    program: PathBuf,
    arguments: Vec<String>,
    idle: Mutex<Vec<Helper>>,
}

#[derive(Serialize, Deserialize)]
enum Asked {
    Expression {
        feel: String,
        words: Vec<String>,
        variables: Map<String, Value>,
    },
    Decision {
        xml: String,
        /// The models that it imports, by their locations.
        imports: BTreeMap<String, String>,
        name: String,
        input: Map<String, Value>,
    },
}

/// A decision's file and what it imports.
type DecisionFile = (String, BTreeMap<String, String>);

#[derive(Serialize, Deserialize)]
enum Told {
    Value(Value),
    Answer(Box<Answer>),
    Failed(String),
}

/// From now on heavy expressions are evaluated by that program, which has to call [`work`] when it
/// is started with those arguments. Without this they are evaluated in place.
pub fn enable(program: PathBuf, arguments: &[&str]) {
    let aside = Aside {
        program,
        arguments: arguments.iter().map(|&one| one.to_owned()).collect(),
        idle: Mutex::default(),
    };
    // Whoever came first is as good.
    let _ = ASIDE.set(aside);
}

/// Why there is no value.
#[derive(Clone, Debug)]
pub(crate) struct NoValue {
    pub reason: String,
    /// It was stopped or not begun: nobody knows what the value would be.
    pub is_unknown: bool,
}

impl NoValue {
    /// The expression or decision itself says why.
    pub fn said(reason: String) -> Self {
        Self {
            reason,
            is_unknown: false,
        }
    }

    pub fn unknown(reason: String) -> Self {
        Self {
            reason,
            is_unknown: true,
        }
    }
}

/// The value of a heavy expression; `None` where it is to be evaluated in place.
pub(crate) fn evaluate(
    feel: &str,
    words: &[String],
    variables: &Map<String, Value>,
) -> Option<Result<Value, NoValue>> {
    let asked = || Asked::Expression {
        feel: feel.to_owned(),
        words: words.to_vec(),
        variables: variables.clone(),
    };
    Some(match ASIDE.get()?.ask(&asked()) {
        Ok(Told::Value(value)) => Ok(value),
        Ok(Told::Failed(reason)) => Err(NoValue::said(reason)),
        Ok(Told::Answer(_)) => Err(NoValue::unknown("another answer was expected".to_owned())),
        Err(reason) => {
            tracing::warn!(%feel, %reason, "an expression was stopped");
            Err(NoValue::unknown(format!("`{}` {reason}", shown(feel))))
        }
    })
}

/// As much of an expression as is told.
pub(crate) fn shown(feel: &str) -> String {
    feel.chars().take(SHOWN).collect()
}

/// What a heavy decision says; `None` where it is to be evaluated in place.
pub(crate) fn decide(
    xml: &str,
    imports: &BTreeMap<String, String>,
    name: &str,
    input: &Map<String, Value>,
) -> Option<Result<Answer, NoValue>> {
    let asked = || Asked::Decision {
        xml: xml.to_owned(),
        imports: imports.clone(),
        name: name.to_owned(),
        input: input.clone(),
    };
    Some(match ASIDE.get()?.ask(&asked()) {
        Ok(Told::Answer(answer)) => Ok(*answer),
        Ok(Told::Failed(reason)) => Err(NoValue::said(reason)),
        Ok(Told::Value(_)) => Err(NoValue::unknown("another answer was expected".to_owned())),
        Err(reason) => {
            tracing::warn!(decision = %name, %reason, "a decision was stopped");
            Err(NoValue::unknown(format!("the decision `{name}` {reason}")))
        }
    })
}

impl Aside {
    fn idle(&self) -> MutexGuard<'_, Vec<Helper>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, asked: &Asked) -> Result<Told, String> {
        let line = serde_json::to_string(asked).map_err(|e| e.to_string())?;
        letting_others_work(|| self.ask_line(&line))
    }

    fn ask_line(&self, line: &str) -> Result<Told, String> {
        // One that waited may have been stopped by somebody else meanwhile.
        let waited = self.idle().pop();
        let said = match waited.map(|helper| self.hear(helper, line)) {
            Some(Err(Silence::Gone)) | None => self.hear(Helper::start(self)?, line),
            Some(said) => said,
        };
        let said = said.map_err(|silence| silence.in_words().to_owned())?;
        serde_json::from_str(&said).map_err(|e| e.to_string())
    }

    fn hear(&self, mut helper: Helper, line: &str) -> Result<String, Silence> {
        let said = helper.answer(line)?;
        let mut idle = self.idle();
        if idle.len() < KEPT {
            idle.push(helper);
        }
        Ok(said)
    }
}

/// Waits, while other tasks of this thread go on: readers, and the one that stops the server.
fn letting_others_work<T>(wait: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
        _ => wait(),
    }
}

/// Why there is no answer.
enum Silence {
    Late,
    /// The time of all evaluations of the write together was over before its own.
    Spent,
    Gone,
}

impl Silence {
    fn in_words(&self) -> &'static str {
        match self {
            Self::Late => "takes longer than two seconds; let it loop over less",
            Self::Spent => budget::SPENT,
            Self::Gone => {
                "calls itself without end, or needs more memory than it may; let it do less"
            }
        }
    }
}

/// A child that evaluates one thing after the other.
struct Helper {
    child: Child,
    to: ChildStdin,
    from: mpsc::Receiver<String>,
}

impl Helper {
    fn start(aside: &Aside) -> Result<Self, String> {
        let failed = |e: std::io::Error| format!("cannot be evaluated: {e}");
        let mut child = Command::new(&aside.program)
            .args(&aside.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It would tell of an overflow that is expected.
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("cannot be evaluated: there is no way to the child".to_owned());
        };
        let (tell, heard) = mpsc::channel();
        let read = move || {
            for line in BufReader::new(from).lines() {
                let Ok(line) = line else { return };
                if tell.send(line).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("aside".into())
            .spawn(read)
            .map_err(failed)?;
        let helper = Self {
            child,
            to,
            from: heard,
        };
        // Whoever starts it may print other lines first, as a test's frame does.
        while let Ok(line) = helper.from.recv_timeout(BEGINNING) {
            if line.ends_with(READY) {
                return Ok(helper);
            }
        }
        Err("cannot be evaluated: the child does not begin".to_owned())
    }

    fn answer(&mut self, line: &str) -> Result<String, Silence> {
        let written = self
            .to
            .write_all(line.as_bytes())
            .and_then(|()| self.to.write_all(b"\n"))
            .and_then(|()| self.to.flush());
        written.map_err(|_| Silence::Gone)?;
        let left = budget::left().unwrap_or(PATIENCE);
        let answer = self.from.recv_timeout(PATIENCE.min(left));
        answer.map_err(|why| match why {
            mpsc::RecvTimeoutError::Timeout if left < PATIENCE => Silence::Spent,
            mpsc::RecvTimeoutError::Timeout => Silence::Late,
            mpsc::RecvTimeoutError::Disconnected => Silence::Gone,
        })
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child: answers what it reads until there is no more to read. Returns then.
pub fn work() -> std::io::Result<()> {
    bound_memory();
    leave_with_the_parent();
    let done = std::thread::Builder::new()
        .name("evaluate".into())
        .stack_size(STACK)
        .spawn(answer_all)?
        .join();
    done.unwrap_or_else(|_| Err(std::io::Error::other("an evaluation panicked")))
}

fn answer_all() -> std::io::Result<()> {
    let mut models = HashMap::new();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{READY}")?;
    out.flush()?;
    for line in std::io::stdin().lock().lines() {
        let told = match serde_json::from_str(&line?) {
            Ok(asked) => answer(asked, &mut models),
            Err(e) => Told::Failed(e.to_string()),
        };
        serde_json::to_writer(&mut out, &told)?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}

fn answer(asked: Asked, models: &mut HashMap<DecisionFile, Decisions>) -> Told {
    match asked {
        Asked::Expression {
            feel,
            words,
            variables,
        } => expr::evaluate_here(&feel, &words, &variables).map_or_else(Told::Failed, Told::Value),
        Asked::Decision {
            xml,
            imports,
            name,
            input,
        } => {
            if models.len() > MODELS {
                models.clear();
            }
            let file = (xml, imports);
            if !models.contains_key(&file) {
                let texts = file.1.iter();
                let imports = texts.map(|(at, text)| (at.clone(), text.clone().into_bytes()));
                match Decisions::read_with(&file.0, &imports.collect()) {
                    Ok(decisions) => models.insert(file.clone(), decisions),
                    Err(reason) => return Told::Failed(reason),
                };
            }
            let answer = models
                .get(&file)
                .and_then(|decisions| decisions.evaluate_here(&name, &input));
            match answer {
                Some(answer) => Told::Answer(Box::new(answer)),
                None => Told::Failed(format!("there is no decision `{name}`")),
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn bound_memory() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kilobytes = size.and_then(|size| size.trim().split(' ').next()?.parse::<u64>().ok());
    let Some(kilobytes) = kilobytes else { return };
    let most = Some(
        kilobytes
            .saturating_mul(1024)
            .saturating_add(MEMORY + STACK as u64),
    );
    let limit = Rlimit {
        current: most,
        maximum: most,
    };
    // Without the limit it is stopped by time alone.
    let _ = setrlimit(Resource::As, limit);
}

#[cfg(not(target_os = "linux"))]
fn bound_memory() {}

/// A server that is killed stops nobody: an evaluation under way would go on for hours.
#[cfg(target_os = "linux")]
fn leave_with_the_parent() {
    let parent = rustix::process::getppid();
    std::thread::spawn(move || {
        while rustix::process::getppid() == parent {
            std::thread::sleep(Duration::from_secs(1));
        }
        std::process::exit(1);
    });
}

#[cfg(not(target_os = "linux"))]
fn leave_with_the_parent() {}
