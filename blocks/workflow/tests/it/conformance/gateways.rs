//! Rules of gateways (10.6) and of event-based ones.

use super::{Case, MESSAGE, between, case, declared, of_files, told};
use crate::model::{file, flows};

pub fn gateways() -> Vec<Case> {
    let ab = r#"<task id="a"/><task id="b"/>"#;
    let with = |gateway: &str, list: &str| between(&format!("{ab}{gateway}"), list);
    let split = r#"<exclusiveGateway id="g" default="g-b"/>"#;
    let good = with(split, "s>g; g>a[x]; g>b; a>e; b>e");
    let both = with(r#"<parallelGateway id="g"/>"#, "s>g; g>a; g>b; a>e; b>e");
    let m = |id: &str, name: &str| {
        format!(
            r#"<intermediateCatchEvent id="{id}"><messageEventDefinition messageRef="{name}"/></intermediateCatchEvent>"#
        )
    };
    let choice = |more: &str, events: &str, list: &str| {
        declared(
            &format!(r#"<eventBasedGateway id="g" {more}/>{events}"#),
            list,
        )
    };
    let events = format!("{}{}", m("a", "m"), m("b", "m2"));
    let chosen = choice("", &events, "s>g; g>a>e; g>b>e");
    let receives = r#"<receiveTask id="a" messageRef="m"/>"#;
    let begins = |list: &str, more: &str| {
        file(&format!(
            r#"{MESSAGE}<process id="p" isExecutable="true"><endEvent id="e"/><task id="t"/><eventBasedGateway id="g" instantiate="true" {more}/>{events}{}</process>"#,
            flows(list)
        ))
    };
    vec![
        case("gateway-unconnected", "g", &with(split, "s>a>b>e"), &good),
        case(
            "branch-without-condition",
            "g",
            &with(r#"<exclusiveGateway id="g"/>"#, "s>g; g>a; g>b; a>e; b>e"),
            &good,
        ),
        case(
            "branch-without-condition",
            "g",
            &with(
                r#"<inclusiveGateway id="g"/>"#,
                "s>g; g>a[x]; g>b; a>e; b>e",
            ),
            &good,
        ),
        case(
            "default-not-outgoing",
            "g",
            &with(
                r#"<exclusiveGateway id="g" default="s-g"/>"#,
                "s>g; g>a[x]; g>b[y]; a>e; b>e",
            ),
            &good,
        ),
        case(
            "default-not-outgoing",
            "a",
            &between(
                r#"<task id="a" default="b-e"/><task id="b"/>"#,
                "s>a; a>b[x]; a>e; b>e",
            ),
            &between(
                r#"<task id="a" default="a-e"/><task id="b"/>"#,
                "s>a; a>b[x]; a>e; b>e",
            ),
        ),
        case(
            "default-not-allowed",
            "g",
            &with(
                r#"<parallelGateway id="g" default="g-a"/>"#,
                "s>g; g>a; g>b; a>e; b>e",
            ),
            &both,
        ),
        told(case(
            "default-with-condition",
            "g-b",
            &with(split, "s>g; g>a[x]; g>b[y]; a>e; b>e"),
            &good,
        )),
        told(case(
            "default-without-condition",
            "a",
            &between(r#"<task id="a" default="a-b"/><task id="b"/>"#, "s>a>b>e"),
            &good,
        )),
        told(case(
            "no-default",
            "g",
            &with(
                r#"<exclusiveGateway id="g"/>"#,
                "s>g; g>a[x]; g>b[y]; a>e; b>e",
            ),
            &good,
        )),
        case(
            "condition-not-allowed",
            "g-a",
            &with(r#"<parallelGateway id="g"/>"#, "s>g; g>a[x]; g>b; a>e; b>e"),
            &both,
        ),
        of_files(
            "condition-not-allowed",
            "g-a",
            choice("", &events, "s>g; g>a[x]; a>e; g>b>e"),
            chosen.clone(),
        ),
        case(
            "condition-syntax",
            "g-a",
            &with(split, "s>g; g>a[x >]; g>b; a>e; b>e"),
            &good,
        ),
        case(
            "conditional-flow-alone",
            "a",
            &with("", "s>a; a>b[x]; b>e"),
            &with("", "s>a>b>e"),
        ),
        case(
            "flow-to-itself",
            "g",
            &with(split, "s>g; g>a[x]; g>b; g>g[y]; a>e; b>e"),
            &good,
        ),
        case(
            "gateway-direction",
            "g",
            &with(
                r#"<parallelGateway id="g" gatewayDirection="Converging"/>"#,
                "s>g; g>a; g>b; a>e; b>e",
            ),
            &with(
                r#"<parallelGateway id="g" gatewayDirection="Diverging"/>"#,
                "s>g; g>a; g>b; a>e; b>e",
            ),
        ),
        case(
            "gateway-direction",
            "g",
            &with(
                r#"<exclusiveGateway id="g" gatewayDirection="Diverging"/>"#,
                "s>a>g; s>b>g; g>e",
            ),
            &with(
                r#"<exclusiveGateway id="g" gatewayDirection="Converging"/>"#,
                "s>a>g; s>b>g; g>e",
            ),
        ),
        case(
            "gateway-direction",
            "g",
            &with(
                r#"<parallelGateway id="g" gatewayDirection="Mixed"/>"#,
                "s>g; g>a; g>b; a>e; b>e",
            ),
            &with(
                r#"<parallelGateway id="g" gatewayDirection="Unspecified"/>"#,
                "s>g; g>a; g>b; a>e; b>e",
            ),
        ),
        told(case(
            "gateway-mixed",
            "g",
            &with(
                r#"<parallelGateway id="g"/>"#,
                "s>g; s>g; g>a; g>b; a>e; b>e",
            )
            .replacen(r#"id="s-g""#, r#"id="other""#, 1),
            &both,
        )),
        told(case(
            "gateway-superfluous",
            "g",
            &with(r#"<exclusiveGateway id="g"/>"#, "s>g>a>b>e"),
            &both,
        )),
        of_files(
            "event-gateway-targets",
            "g",
            choice("", r#"<task id="a"/><task id="b"/>"#, "s>g; g>a>e; g>b>e"),
            chosen.clone(),
        ),
        of_files(
            "event-gateway-targets",
            "g",
            choice("", &m("a", "m"), "s>g>a>e"),
            chosen.clone(),
        ),
        of_files(
            "event-gateway-targets",
            "g",
            choice(
                "",
                &format!(
                    r#"{receives}<boundaryEvent id="o" attachedToRef="a"><errorEventDefinition/></boundaryEvent><intermediateCatchEvent id="b"><timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition></intermediateCatchEvent>"#
                ),
                "s>g; g>a>e; g>b>e; o>e",
            ),
            choice(
                "",
                r#"<intermediateCatchEvent id="a"><messageEventDefinition messageRef="m"/><signalEventDefinition signalRef="sg"/></intermediateCatchEvent><intermediateCatchEvent id="b"><conditionalEventDefinition><condition>x</condition></conditionalEventDefinition></intermediateCatchEvent>"#,
                "s>g; g>a>e; g>b>e",
            ),
        ),
        of_files(
            "event-gateway-target-shared",
            "g",
            choice(
                "",
                &format!(r#"{events}<task id="t"/>"#),
                "s>t>g; g>a>e; g>b>e; t>a",
            ),
            chosen.clone(),
        ),
        of_files(
            "event-gateway-mixed",
            "g",
            choice(
                "",
                &format!("{receives}{}", m("b", "m2")),
                "s>g; g>a>e; g>b>e",
            ),
            chosen.clone(),
        ),
        of_files(
            "event-gateway-parallel",
            "g",
            choice(
                r#"eventGatewayType="Parallel""#,
                &events,
                "s>g; g>a>e; g>b>e",
            ),
            begins("g>a>t; g>b>t; t>e", r#"eventGatewayType="Parallel""#),
        ),
        of_files(
            "event-gateway-begins",
            "g",
            begins("g>a>t; g>b>t; t>e", "").replacen(
                r#"<messageEventDefinition messageRef="m2"/>"#,
                "<timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition>",
                1,
            ),
            begins("g>a>t; g>b>t; t>e", ""),
        ),
        of_files(
            "instantiate-with-incoming",
            "g",
            begins("g>a>t; g>b>t; t>e; t>g", ""),
            begins("g>a>t; g>b>t; t>e", ""),
        ),
        case(
            "instantiate-with-incoming",
            "a",
            &between(r#"<receiveTask id="a" instantiate="true"/>"#, "s>a>e"),
            r#"<receiveTask id="a" instantiate="true"/><endEvent id="e"/><sequenceFlow id="f" sourceRef="a" targetRef="e"/>"#,
        ),
    ]
}
