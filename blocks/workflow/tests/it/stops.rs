//! What stopped: what waits on meanwhile, what a retry does anew and what it does not.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use workflow::core::{Due, Effect, Input, Instance, Process, Status, advance};

use crate::{
    model::{flows, process, vars},
    steps::{at, compile},
};

const ENDS: &str = r#"<startEvent id="s"/><endEvent id="e"/>"#;

fn model(middle: &str, list: &str) -> String {
    process(&format!("{ENDS}{middle}{}", flows(list)))
}

struct Case {
    process: Process,
    instance: Instance,
    effects: Vec<Effect>,
    /// Timers that were begun, with their time.
    begun: Vec<(u32, DateTime<Utc>)>,
}

impl Case {
    fn begin(xml: &str, given: Value) -> Self {
        let process = compile(xml);
        let case = Self {
            instance: process.instance(),
            process,
            effects: Vec::new(),
            begun: Vec::new(),
        };
        let vars = vars(given);
        case.takes(Input::Start { at: None, vars })
    }

    fn takes(self, input: Input) -> Self {
        self.takes_at(input, at())
    }

    fn takes_at(mut self, input: Input, now: DateTime<Utc>) -> Self {
        let (instance, effects) = advance(&self.process, self.instance, input, now).unwrap();
        assert!(instance.is_balanced(), "{instance:#?}");
        for effect in &effects {
            if let Effect::Timer {
                timer,
                due: Due::At(due),
                ..
            } = effect
            {
                self.begun.push((*timer, *due));
            }
        }
        // It is written down after every step.
        let text = serde_json::to_string(&instance).unwrap();
        Self {
            instance: serde_json::from_str(&text).unwrap(),
            effects,
            ..self
        }
    }

    fn completes(self, given: Value) -> Self {
        let (token, vars) = (self.instance.waiting().next().unwrap().0, vars(given));
        self.takes(Input::Complete { token, vars })
    }

    fn fails(self) -> Self {
        let token = self.instance.waiting().next().unwrap().0;
        let reason = "out of reach".to_owned();
        self.takes(Input::Fail { token, reason })
    }

    fn sets(self, given: Value) -> Self {
        self.takes(Input::Set { vars: vars(given) })
    }

    fn tries_again(self) -> Self {
        let token = self.instance.incidents().next().unwrap().0;
        self.takes_at(Input::Retry { token }, at() + TimeDelta::seconds(2))
    }

    /// The timers that run fire, the first first.
    fn fires(self) -> Self {
        let timer = *self.instance.timers.keys().next().unwrap();
        self.takes_at(Input::Timer { timer }, at() + TimeDelta::seconds(4))
    }

    #[track_caller]
    fn stands_at(self, stopped: &[&str], waits: &[&str]) -> Self {
        let ids: Vec<&str> = self
            .instance
            .incidents()
            .map(|(_, held, _)| &*held.at)
            .collect();
        assert_eq!(ids, stopped, "{:#?}", self.instance);
        let ids: Vec<&str> = self.instance.waiting().map(|(_, held)| &*held.at).collect();
        assert_eq!(ids, waits, "{:#?}", self.instance);
        self
    }

    fn tasks(&self) -> Vec<&str> {
        let tasks = self.effects.iter().filter_map(|effect| match effect {
            Effect::Task { element, .. } | Effect::Script { element, .. } => Some(&**element),
            _ => None,
        });
        tasks.collect()
    }

    #[track_caller]
    fn ends(self) -> Self {
        assert_eq!(
            self.instance.status,
            Status::Completed,
            "{:#?}",
            self.instance
        );
        self
    }
}

// No way out

/// Leaves `a` only where `n` is 1 or 2.
const CHOICE: &str = "s>a; a>e [n = 1]; a>other [n = 2]; other>e";

#[test]
fn a_task_that_finds_no_way_out_is_not_done_again() {
    let xml = model(r#"<userTask id="a"/><task id="other"/>"#, CHOICE);
    let case = Case::begin(&xml, json!({"n": 0})).completes(json!({}));
    let case = case.stands_at(&["a"], &[]);
    let left =
        |effect: &&Effect| matches!(effect, Effect::Left { element, .. } if &**element == "a");
    assert_eq!(case.effects.iter().filter(left).count(), 0);
    // Nothing has changed: it stops again.
    let case = case.tries_again().stands_at(&["a"], &[]);
    let case = case.sets(json!({"n": 1})).tries_again();
    assert_eq!(case.tasks(), [""; 0]);
    assert_eq!(case.effects.iter().filter(left).count(), 1);
    case.ends();
}

#[test]
fn a_sub_process_that_finds_no_way_out_is_not_run_again_nor_undone_twice() {
    let inside = format!(
        r#"<startEvent id="s1"/><scriptTask id="x"><script>x</script></scriptTask><endEvent id="e1"/>{}"#,
        flows("s1>x>e1")
    );
    let undo = r#"<boundaryEvent id="c" attachedToRef="a"><compensateEventDefinition/></boundaryEvent><scriptTask id="u" isForCompensation="true"><script>u</script></scriptTask><association id="as" sourceRef="c" targetRef="u"/>"#;
    let throw =
        r#"<intermediateThrowEvent id="w"><compensateEventDefinition/></intermediateThrowEvent>"#;
    let xml = model(
        &format!(r#"<subProcess id="a">{inside}</subProcess>{undo}{throw}<task id="other"/>"#),
        "s>a; a>w [n = 1]; a>other [n = 2]; w>e; other>e",
    );
    let case = Case::begin(&xml, json!({"n": 0})).stands_at(&["a"], &[]);
    assert_eq!(case.tasks(), ["x"]);
    let case = case.sets(json!({"n": 1})).tries_again();
    assert_eq!(case.tasks(), ["u"]);
    case.ends();
}

#[test]
fn border_events_of_what_is_done_wait_no_longer() {
    let border = r#"<boundaryEvent id="b" attachedToRef="a"><signalEventDefinition signalRef="sg"/></boundaryEvent>"#;
    let middle = format!(r#"<userTask id="a"/>{border}<task id="other"/><task id="late"/>"#);
    let xml = model(&middle, &format!("{CHOICE}; b>late>e"))
        .replace("<process ", r#"<signal id="sg" name="storm"/><process "#);
    let case = Case::begin(&xml, json!({"n": 0})).completes(json!({}));
    let case = case.takes(Input::Signal {
        name: "storm".into(),
        vars: vars(json!({})),
    });
    case.stands_at(&["a"], &[])
        .sets(json!({"n": 2}))
        .tries_again()
        .ends();
}

// Border events of what stopped

fn guarded(interrupts: bool, time: &str) -> String {
    model(
        &format!(
            r#"<serviceTask id="a"/><userTask id="late"/><endEvent id="e2"/>
            <boundaryEvent id="b" attachedToRef="a" cancelActivity="{interrupts}"><timerEventDefinition>{time}</timerEventDefinition></boundaryEvent>"#
        ),
        "s>a>e; b>late>e2",
    )
}

const SOON: &str = "<timeDuration>PT4S</timeDuration>";

#[test]
fn a_border_timer_of_a_stopped_task_runs_on() {
    let case = Case::begin(&guarded(true, SOON), json!({})).fails();
    let gone = |effect: &Effect| matches!(effect, Effect::TimerGone { .. });
    assert!(!case.effects.iter().any(gone));
    let case = case
        .stands_at(&["a"], &[])
        .fires()
        .stands_at(&[], &["late"]);
    assert_eq!(case.begun.len(), 1);
    case.completes(json!({})).ends();
}

#[test]
fn a_retry_does_not_begin_the_time_anew() {
    let case = Case::begin(&guarded(true, SOON), json!({}))
        .fails()
        .tries_again();
    assert_eq!(case.tasks(), ["a"]);
    let due = at() + TimeDelta::seconds(4);
    assert_eq!(
        case.begun.iter().map(|(_, due)| *due).collect::<Vec<_>>(),
        [due]
    );
    let case = case.fires().stands_at(&[], &["late"]);
    case.completes(json!({})).ends();
}

#[test]
fn a_reminder_of_a_stopped_task_is_told_once() {
    let case = Case::begin(&guarded(false, SOON), json!({}))
        .fails()
        .fires();
    let case = case
        .stands_at(&["a"], &["late"])
        .completes(json!({}))
        .tries_again();
    assert!(case.instance.timers.is_empty());
    assert_eq!(case.tasks(), ["a"]);
    case.completes(json!({})).ends();
}

#[test]
fn a_border_timer_goes_with_the_task_in_the_end() {
    let case = Case::begin(&guarded(true, SOON), json!({}))
        .fails()
        .tries_again();
    let case = case.completes(json!({}));
    assert!(case.instance.timers.is_empty());
    case.ends();
}

#[test]
fn a_border_timer_without_time_is_set_by_the_retry() {
    let xml = guarded(true, "<timeDuration>limit</timeDuration>");
    let case = Case::begin(&xml, json!({})).stands_at(&["a"], &[]);
    let case = case
        .sets(json!({"limit": "PT4S"}))
        .tries_again()
        .stands_at(&[], &["a"]);
    case.fires().stands_at(&[], &["late"]);
}

/// As written before border events waited on: without a word of what was done.
#[test]
fn a_task_stopped_by_an_older_release_begins_with_its_border_timer() {
    let mut case = Case::begin(&guarded(true, SOON), json!({})).fails();
    let mut written = serde_json::to_value(&case.instance).unwrap();
    written.as_object_mut().unwrap().remove("timers");
    for token in written["tokens"].as_object_mut().unwrap().values_mut() {
        token.as_object_mut().unwrap().remove("kept").unwrap();
    }
    case.instance = serde_json::from_value(written).unwrap();
    let case = case.tries_again().stands_at(&[], &["a"]);
    assert_eq!(case.instance.timers.len(), 1);
    case.fires().stands_at(&[], &["late"]);
}

// What has not begun

#[test]
fn an_activity_that_still_collects_hears_nothing() {
    let xml = model(
        r#"<parallelGateway id="g"/><userTask id="x"/><userTask id="a" startQuantity="2"/><userTask id="late"/><endEvent id="e2"/>
        <boundaryEvent id="b" attachedToRef="a"><signalEventDefinition signalRef="sg"/></boundaryEvent>"#,
        "s>g; g>a; g>x>a; a>e; b>late>e2",
    )
    .replace("<process ", r#"<signal id="sg" name="storm"/><process "#);
    let storm = || Input::Signal {
        name: "storm".into(),
        vars: vars(json!({})),
    };
    let case = Case::begin(&xml, json!({}))
        .takes(storm())
        .stands_at(&[], &["x"]);
    let case = case.completes(json!({})).stands_at(&[], &["a"]);
    case.takes(storm()).stands_at(&[], &["late"]);
}

// Event sub-processes without a time

fn deadline(around: impl Fn(&str) -> String) -> String {
    let inside = format!(
        r#"<startEvent id="ls"><timerEventDefinition><timeDuration>limit</timeDuration></timerEventDefinition></startEvent><userTask id="late"/><endEvent id="le"/>{}"#,
        flows("ls>late>le")
    );
    around(&format!(
        r#"<subProcess id="over" triggeredByEvent="true">{inside}</subProcess>"#
    ))
}

#[test]
fn an_event_sub_process_without_a_time_is_seen_and_tried_again() {
    let of_process = deadline(|over| model(&format!(r#"<userTask id="a"/>{over}"#), "s>a>e"));
    let of_sub = deadline(|over| {
        let inside = flows("s1>a>e1");
        let sub = format!(
            r#"<subProcess id="sub"><startEvent id="s1"/><userTask id="a"/><endEvent id="e1"/>{inside}{over}</subProcess>"#
        );
        model(&sub, "s>sub>e")
    });
    for xml in [of_process, of_sub] {
        let case = Case::begin(&xml, json!({})).stands_at(&["ls"], &["a"]);
        let case = case.tries_again().stands_at(&["ls"], &["a"]);
        let case = case.sets(json!({"limit": "PT4S"})).tries_again();
        let case = case.stands_at(&[], &["a"]);
        assert_eq!(case.instance.timers.len(), 1);
        case.fires()
            .stands_at(&[], &["late"])
            .completes(json!({}))
            .ends();
    }
}

/// What has failed is not forgotten because the rest is done.
#[test]
fn a_scope_with_a_deadline_that_failed_ends_after_its_retry() {
    let xml = deadline(|over| model(&format!(r#"<userTask id="a"/>{over}"#), "s>a>e"));
    let case = Case::begin(&xml, json!({}))
        .completes(json!({}))
        .stands_at(&["ls"], &[]);
    let case = case.sets(json!({"limit": "PT4S"})).tries_again().ends();
    assert!(case.instance.timers.is_empty());
}

// Compensation

/// `a` is undone by `h`, a service with an error border event that leads to `mend`.
fn refund(error: &str, list: &str) -> String {
    let undone = |id: &str| {
        format!(
            r#"<scriptTask id="{id}"><script>{id}</script></scriptTask><boundaryEvent id="c{id}" attachedToRef="{id}"><compensateEventDefinition/></boundaryEvent>
            <association id="as{id}" sourceRef="c{id}" targetRef="u{id}"/>"#
        )
    };
    let middle = format!(
        r#"{}<scriptTask id="ufirst" isForCompensation="true"><script>ufirst</script></scriptTask>
        {}<serviceTask id="ua" isForCompensation="true"/><boundaryEvent id="b" attachedToRef="ua"><errorEventDefinition errorRef="er"/></boundaryEvent>
        <userTask id="mend"/>{error}<intermediateThrowEvent id="w"><compensateEventDefinition/></intermediateThrowEvent>"#,
        undone("first"),
        undone("a")
    );
    model(&middle, &format!("s>first>a>w>e; {list}")).replace(
        "<process ",
        r#"<error id="er" name="Bad" errorCode="BAD"/><process "#,
    )
}

fn refused(case: Case) -> Case {
    let token = case.instance.waiting().next().unwrap().0;
    let (code, message) = ("BAD".to_owned(), String::new());
    case.takes(Input::Error {
        token,
        code,
        message,
        vars: vars(json!({})),
    })
}

#[test]
fn what_undoes_may_fail_and_the_rest_is_undone_after_the_way_from_its_border() {
    let xml = refund(r#"<endEvent id="e2"/>"#, "b>mend>e2");
    let case = refused(Case::begin(&xml, json!({})).stands_at(&[], &["ua"]));
    let case = case.stands_at(&[], &["mend"]);
    assert_eq!(case.tasks(), ["mend"]);
    let case = case.completes(json!({"repaid": true}));
    assert_eq!(case.tasks(), ["ufirst"]);
    assert_eq!(case.instance.variables()["repaid"], json!(true));
    case.ends();
    // Where it does not fail, nothing is different.
    let case = Case::begin(&xml, json!({})).completes(json!({}));
    assert_eq!(case.tasks(), ["ufirst"]);
    case.ends();
}

#[test]
fn the_way_from_a_handlers_border_may_end_everything() {
    let end = r#"<endEvent id="e2"><terminateEventDefinition/></endEvent>"#;
    let xml = refund(end, "b>mend>e2");
    let case = refused(Case::begin(&xml, json!({}))).completes(json!({}));
    assert_eq!(case.instance.status, Status::Terminated);
    assert!(case.instance.tokens.is_empty());
}

/// As written before such handlers had frames of their own.
#[test]
fn a_handler_begun_by_an_older_release_comes_to_its_end() {
    let xml = refund(r#"<endEvent id="e2"/>"#, "b>mend>e2");
    let mut case = Case::begin(&xml, json!({})).stands_at(&[], &["ua"]);
    let mut written = serde_json::to_value(&case.instance).unwrap();
    let frames = written["frames"].as_object_mut().unwrap();
    let own: Vec<String> = frames.keys().cloned().collect();
    let own = own
        .iter()
        .find(|id| frames[*id]["kind"] == "iteration")
        .unwrap();
    let frame = frames.remove(own).unwrap();
    let root = frame["parent"].clone();
    let live = frames[&root.to_string()]["live"].as_u64().unwrap();
    frames[&root.to_string()]["live"] = json!(live + 1);
    for token in written["tokens"].as_object_mut().unwrap().values_mut() {
        token["frame"] = root.clone();
    }
    case.instance = serde_json::from_value(written).unwrap();
    assert!(case.instance.is_balanced());
    let case = case.completes(json!({}));
    assert_eq!(case.tasks(), ["ufirst"]);
    case.ends();
}
