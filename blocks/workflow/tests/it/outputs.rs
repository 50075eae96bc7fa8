//! Outputs that fail: the work stands, and a retry goes on from there.

use serde_json::{Value, json};
use workflow::core::{Effect, Input, Instance, Process, Status, advance};

use crate::{
    model::{flows, process, run, vars},
    steps::{at, compile},
};

fn mapped(element: &str, id: &str, inside: &str, source: &str) -> String {
    format!(
        r#"<{element} id="{id}"><extensionElements><tongban:output target="total" source="{source}"/></extensionElements>{inside}</{element}>"#
    )
}

struct Case {
    process: Process,
    instance: Instance,
    effects: Vec<Effect>,
}

impl Case {
    fn begin(xml: &str, given: Value) -> Self {
        let process = compile(xml);
        let instance = process.instance();
        let case = Self {
            process,
            instance,
            effects: Vec::new(),
        };
        let vars = vars(given);
        case.takes(Input::Start { at: None, vars })
    }

    fn takes(self, input: Input) -> Self {
        let (instance, effects) = advance(&self.process, self.instance, input, at()).unwrap();
        assert!(instance.is_balanced(), "{instance:#?}");
        // It is written down after every step.
        let text = serde_json::to_string(&instance).unwrap();
        let instance = serde_json::from_str(&text).unwrap();
        Self {
            instance,
            effects,
            ..self
        }
    }

    fn token(&self) -> u32 {
        self.instance.waiting().next().unwrap().0
    }

    fn completes(self, given: Value) -> Self {
        let (token, vars) = (self.token(), vars(given));
        self.takes(Input::Complete { token, vars })
    }

    #[track_caller]
    fn stands_at(self, element: &str) -> Self {
        let stopped: Vec<_> = self.instance.incidents().collect();
        assert_eq!(stopped.len(), 1, "{:#?}", self.instance);
        assert_eq!(&*stopped[0].1.at, element);
        assert!(stopped[0].2.contains("total"), "{}", stopped[0].2);
        self
    }

    fn sets(self, given: Value) -> Self {
        self.takes(Input::Set { vars: vars(given) })
    }

    fn tries_again(self) -> Self {
        let token = self.instance.incidents().next().unwrap().0;
        let case = self.takes(Input::Retry { token });
        let is_task = |effect: &&Effect| matches!(effect, Effect::Task { .. });
        assert_eq!(
            case.effects.iter().find(is_task),
            None,
            "work is not done twice"
        );
        case
    }

    #[track_caller]
    fn ends(self, name: &str, value: &Value) {
        assert_eq!(
            self.instance.status,
            Status::Completed,
            "{:#?}",
            self.instance
        );
        assert_eq!(self.instance.variables().get(name), Some(value));
    }
}

fn in_a_row(node: &str, id: &str) -> String {
    process(&format!(
        r#"<startEvent id="s"/>{node}<endEvent id="e"/>{}"#,
        flows(&format!("s>{id}>e"))
    ))
}

#[test]
fn what_a_person_gave_is_not_thrown_away() {
    let xml = in_a_row(&mapped("userTask", "t", "", "given * price"), "t");
    Case::begin(&xml, json!({"price": "dear"}))
        .completes(json!({"given": 3}))
        .stands_at("t")
        // It fails again, and keeps it again.
        .tries_again()
        .stands_at("t")
        .sets(json!({"price": 7}))
        .tries_again()
        .ends("total", &json!(21));
}

#[test]
fn a_name_that_is_not_known_is_no_mistake() {
    let xml = in_a_row(&mapped("userTask", "t", "", "neither"), "t");
    Case::begin(&xml, json!({}))
        .completes(json!({"given": 3}))
        .ends("total", &json!(null));
}

#[test]
fn what_was_done_inside_is_not_done_again() {
    let inside = format!(
        r#"<startEvent id="i"/><userTask id="w"/><endEvent id="o"/>{}"#,
        flows("i>w>o")
    );
    let xml = in_a_row(&mapped("subProcess", "t", &inside, "given * price"), "t");
    Case::begin(&xml, json!({"price": "dear"}))
        .completes(json!({"given": 3}))
        .stands_at("t")
        .sets(json!({"price": 7}))
        .tries_again()
        .ends("total", &json!(21));
}

#[test]
fn what_a_called_process_did_is_not_done_again() {
    let xml = in_a_row(
        &mapped("callActivity", "t", "", "given * 2").replace(r#"id="t""#, r#"id="t" calledElement="q""#),
        "t",
    )
    .replace(
        "</definitions>",
        &format!(
            r#"<process id="q" isExecutable="true"><startEvent id="i"/><userTask id="w"/><endEvent id="o"/>{}</process></definitions>"#,
            flows("i>w>o")
        ),
    );
    let case = Case::begin(&xml, json!({}))
        .completes(json!({"given": "three"}))
        .stands_at("t")
        .tries_again()
        .stands_at("t");
    assert_eq!(case.instance.frames.len(), 2);
    // Who ends it ends what is kept of it.
    let case = case.takes(Input::Cancel {
        reason: "nobody can count it".into(),
    });
    assert_eq!(case.instance.status, Status::Cancelled);
}

#[test]
fn what_a_message_brought_is_not_lost() {
    let catch = mapped(
        "intermediateCatchEvent",
        "t",
        r#"<messageEventDefinition messageRef="m"/>"#,
        "given * price",
    );
    let xml = in_a_row(&catch, "t").replace("<process", r#"<message id="m" name="M"/><process"#);
    let message = Input::Message {
        name: "M".into(),
        to: None,
        key: None,
        vars: vars(json!({"given": 3})),
    };
    Case::begin(&xml, json!({"price": "dear"}))
        .takes(message)
        .stands_at("t")
        .sets(json!({"price": 7}))
        .tries_again()
        .ends("total", &json!(21));
}

/// What the first of several triggers brings may not be enough for the mapping: the others are
/// waited for all the same, and nothing goes on without them.
#[test]
fn a_start_that_takes_several_things_waits_for_all_before_it_maps() {
    let start = mapped(
        "startEvent",
        "s",
        r#"<messageEventDefinition messageRef="m"/><messageEventDefinition messageRef="n"/>"#,
        "given * price",
    )
    .replace(r#"id="s""#, r#"id="s" parallelMultiple="true""#);
    let xml = process(&format!(
        r#"{start}<userTask id="t"/><endEvent id="e"/>{}"#,
        flows("s>t>e")
    ))
    .replace(
        "<process",
        r#"<message id="m" name="M"/><message id="n" name="N"/><process"#,
    );
    let process = compile(&xml);
    let case = Case {
        instance: process.instance(),
        process,
        effects: Vec::new(),
    };
    let case = case.takes(Input::Start {
        at: Some("s#0".into()),
        vars: vars(json!({"price": "dear"})),
    });
    assert_eq!(case.instance.incidents().count(), 0);
    let case = case.takes(Input::Message {
        name: "N".into(),
        to: None,
        key: None,
        vars: vars(json!({"given": 3})),
    });
    let case = case.stands_at("s").sets(json!({"price": 7}));
    let token = case.instance.incidents().next().unwrap().0;
    let case = case.takes(Input::Retry { token });
    case.completes(json!({})).ends("total", &json!(21));
}

#[test]
fn a_border_event_keeps_what_it_brought() {
    let border = mapped(
        "boundaryEvent",
        "b",
        r#"<messageEventDefinition messageRef="m"/>"#,
        "given * price",
    );
    for interrupts in ["true", "false"] {
        let border = border.replace(
            r#"id="b""#,
            &format!(r#"id="b" attachedToRef="w" cancelActivity="{interrupts}""#),
        );
        let xml = process(&format!(
            r#"<startEvent id="s"/><userTask id="w"/>{border}<endEvent id="e"/><endEvent id="e2"/>{}"#,
            flows("s>w>e; b>e2")
        ))
        .replace("<process", r#"<message id="m" name="M"/><process"#);
        let message = Input::Message {
            name: "M".into(),
            to: None,
            key: None,
            vars: vars(json!({"given": 3})),
        };
        let mut case = Case::begin(&xml, json!({"price": "dear"}))
            .takes(message)
            .stands_at("b")
            .sets(json!({"price": 7}))
            .tries_again();
        if interrupts == "false" {
            case = case.completes(json!({}));
        }
        case.ends("total", &json!(21));
    }
}

#[test]
fn an_instance_keeps_its_work_until_its_output_has_a_value() {
    let xml = in_a_row(
        r#"<userTask id="t"><multiInstanceLoopCharacteristics tongban:collection="l" tongban:elementVariable="x"
        tongban:outputCollection="total" tongban:outputElement="x * price"/></userTask>"#,
        "t",
    );
    let stopped = |case: &Case| {
        case.instance
            .incidents()
            .map(|(token, ..)| token)
            .collect::<Vec<_>>()
    };
    let case = Case::begin(&xml, json!({"l": [1, 2], "price": "dear"}))
        .completes(json!({}))
        .completes(json!({}));
    assert_eq!(stopped(&case).len(), 2);
    let mut case = case.sets(json!({"price": 7}));
    for token in stopped(&case) {
        case = case.takes(Input::Retry { token });
    }
    case.ends("total", &json!([7, 14]));
}

#[test]
fn a_script_whose_output_fails_is_told() {
    let script = r"<script>{given: 3}</script>";
    let node = mapped("scriptTask", "t", script, "given * price")
        .replace(r#"id="t""#, r#"id="t" scriptFormat="feel""#);
    let ran = run(&in_a_row(&node, "t"), json!({"price": "dear"}), "[]").ends("failed");
    assert_eq!(ran.of("incident"), ["t"]);
}

/// All tokens that it takes have come; what stopped does not wait for as many again.
#[test]
fn what_takes_several_tokens_is_tried_again_alone() {
    let xml = process(&format!(
        r#"<startEvent id="s"/><task id="two" completionQuantity="2"/>
        <userTask id="t" startQuantity="2"><extensionElements><tongban:input target="total" source="given * price"/></extensionElements></userTask>
        <endEvent id="e"/>{}"#,
        flows("s>two>t>e")
    ));
    let case = Case::begin(&xml, json!({"given": 3, "price": "dear"})).sets(json!({"price": 7}));
    let token = case.instance.incidents().next().unwrap().0;
    let case = case.takes(Input::Retry { token });
    assert_eq!(case.instance.waiting().count(), 1);
    case.completes(json!({"total": 21}))
        .ends("total", &json!(21));
}

/// Instances of before have no such thing.
#[test]
fn an_old_state_is_read() {
    let xml = in_a_row(&mapped("userTask", "t", "", "given"), "t");
    let case = Case::begin(&xml, json!({}));
    let state = serde_json::to_value(&case.instance).unwrap();
    let token = &state["tokens"]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap();
    assert_eq!(token.get("kept"), None);
    assert!(
        state["frames"]
            .as_object()
            .unwrap()
            .values()
            .all(|frame| frame.get("keys").is_none())
    );
    case.completes(json!({"given": 1})).ends("total", &json!(1));
}
