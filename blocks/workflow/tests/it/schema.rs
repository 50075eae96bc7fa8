//! Rules of the XML Schema and of references: what stands where, numbers, ids, and what names what.

use workflow::{check::Severity, read, simulate};

use crate::{
    conformance::{Case, between, case, of_files, told},
    model::{file, flows, process},
};

/// One task `t` on the way from `s` to `e`, with `more` beside it.
fn on_way(task: &str, more: &str) -> String {
    between(&format!("{more}{task}"), "s>t>e")
}

pub fn cases() -> Vec<Case> {
    [places(), values(), lanes(), pools(), data()]
        .into_iter()
        .flatten()
        .collect()
}

fn places() -> Vec<Case> {
    let t = r#"<task id="t"/>"#;
    let inside = |inner: &str| on_way(&format!(r#"<task id="t">{inner}</task>"#), "");
    let lane = |inner: &str| {
        let lanes = format!(r#"<laneSet id="ls"><lane id="l">{inner}</lane></laneSet>"#);
        on_way(t, &lanes)
    };
    let timer = "<timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition>";
    let misplaced = |element, bad: &str, good: &str| case("element-misplaced", element, bad, good);
    let whole = process(&on_way(t, ""));
    let second = r#"<definitions id="d2" targetNamespace="t"><process id="q" isExecutable="true"/></definitions></definitions>"#;
    let flow = |inner: &str| {
        format!(
            r#"{}<sequenceFlow id="f" sourceRef="s" targetRef="t">{inner}</sequenceFlow>"#,
            between(t, "t>e")
        )
    };
    vec![
        misplaced(
            "x",
            &lane(r#"<task id="x"/>"#),
            &lane("<flowNodeRef>t</flowNodeRef>"),
        ),
        misplaced(
            "x",
            &inside(r#"<exclusiveGateway id="x"/>"#),
            &inside("<documentation>x</documentation>"),
        ),
        misplaced("t", &inside(timer), &inside("<auditing/>")),
        misplaced(
            "x",
            &inside(r#"<lane id="x"/>"#),
            &inside(r#"<extensionElements><lane id="x"/></extensionElements>"#),
        ),
        misplaced(
            "t",
            &inside("<script>1</script>"),
            &on_way(
                r#"<scriptTask id="t" scriptFormat="FEEL"><script>1</script></scriptTask>"#,
                "",
            ),
        ),
        misplaced("f", &flow(timer), &flow("<documentation>x</documentation>")),
        of_files(
            "element-misplaced",
            "d2",
            whole.replace("</definitions>", second),
            whole.clone(),
        ),
        told(of_files(
            "element-misplaced",
            "x",
            process(&lane(r#"<task id="x"/>"#)).replace("\"true\"", "\"false\""),
            process(&lane("<flowNodeRef>t</flowNodeRef>")),
        )),
    ]
}

fn values() -> Vec<Case> {
    let looped = |maximum: &str| {
        on_way(
            &format!(
                r#"<userTask id="t"><standardLoopCharacteristics loopMaximum="{maximum}"><loopCondition>true</loopCondition></standardLoopCharacteristics></userTask>"#
            ),
            "",
        )
    };
    let counted = |count: &str| {
        on_way(
            &format!(r#"<task id="t" {count} completionQuantity="1"/>"#),
            "",
        )
    };
    let many = |minimum: &str| {
        file(&format!(
            r#"<collaboration id="c"><participant id="pp" processRef="p"><participantMultiplicity id="n" minimum="{minimum}" maximum="3"/></participant></collaboration><process id="p">{}</process>"#,
            between("", "s>e")
        ))
    };
    let named = |id: &str| {
        format!(
            r#"<startEvent id="s"/><endEvent id="{id}"/><sequenceFlow id="f" sourceRef="s" targetRef="{id}"/>"#
        )
    };
    let id = |bad: &'static str, good: &str| case("id-malformed", bad, &named(bad), &named(good));
    vec![
        case("value-unknown", "t", &looped("abc"), &looped("3")),
        case("value-unknown", "t", &looped("-3"), &looped("0")),
        case("value-unknown", "t", &looped("1.5"), &looped("${limit}")),
        case(
            "value-unknown",
            "t",
            &counted(r#"startQuantity="two""#),
            &counted(r#"startQuantity="2""#),
        ),
        of_files("value-unknown", "n", many("few"), many("2")),
        id("1 e", "e1"),
        id("1e", "_1e"),
        id("a/b", "a.b-c_d"),
        id("a:b", "结束"),
        told(of_files(
            "id-malformed",
            "1e",
            process(&named("1e")).replace("\"true\"", "\"false\""),
            process(&named("e1")),
        )),
    ]
}

fn lanes() -> Vec<Case> {
    let lane = |named: &str| {
        let lanes = format!(
            r#"<laneSet id="ls"><lane id="l"><flowNodeRef>{named}</flowNodeRef></lane></laneSet>"#
        );
        let inside = r#"<subProcess id="sub"><startEvent id="s1"/><endEvent id="e1"/><sequenceFlow id="f1" sourceRef="s1" targetRef="e1"/></subProcess>"#;
        let body = between(
            &format!(r#"{lanes}<textAnnotation id="note"/><task id="t"/>{inside}"#),
            "s>t>sub>e",
        );
        file(&format!(
            r#"<process id="p" isExecutable="true">{body}</process><process id="q"><task id="other"/></process>"#
        ))
    };
    let group = |value: &str| {
        file(&format!(
            r#"<category id="c"><categoryValue id="v" value="x"/></category><process id="p" isExecutable="true">{}<group id="g" categoryValueRef="{value}"/></process>"#,
            between("", "s>e")
        ))
    };
    vec![
        of_files("reference-type", "l", lane("s-t"), lane("t")),
        told(of_files("reference-type", "l", lane("note"), lane("t"))),
        of_files("lane-foreign-node", "l", lane("other"), lane("s1")),
        of_files("dangling-reference", "g", group("lost"), group("v")),
        of_files("reference-type", "g", group("c"), group("v")),
    ]
}

fn pools() -> Vec<Case> {
    let flowing = |from: &str, to: &str| {
        file(&format!(
            r#"<message id="m" name="m"/><collaboration id="c"><participant id="pp" processRef="p"/><participant id="pq"/><messageFlow id="f" sourceRef="{from}" targetRef="{to}"/></collaboration>
            <process id="p" isExecutable="true"><startEvent id="s"/><receiveTask id="r" messageRef="m"/><sendTask id="d" messageRef="m"/><endEvent id="e"/>{}</process>"#,
            flows("s>r>d>e")
        ))
    };
    let talking = |who: &str| {
        file(&format!(
            r#"<endPoint id="here"/><collaboration id="c"><participant id="pp" processRef="p"/><conversation id="v"><participantRef>{who}</participantRef></conversation></collaboration><process id="p">{}</process>"#,
            between("", "s>e")
        ))
    };
    vec![
        of_files(
            "message-flow-end",
            "f",
            flowing("r", "pq"),
            flowing("pq", "r"),
        ),
        of_files(
            "message-flow-end",
            "f",
            flowing("pq", "d"),
            flowing("d", "pq"),
        ),
        of_files("dangling-reference", "v", talking("lost"), talking("pp")),
        of_files("reference-type", "v", talking("here"), talking("pp")),
    ]
}

fn data() -> Vec<Case> {
    let moved = |to: &str| {
        on_way(
            &format!(
                r#"<userTask id="t"><ioSpecification><dataInput id="in"/><inputSet><dataInputRefs>in</dataInputRefs></inputSet><outputSet/></ioSpecification><dataInputAssociation id="da"><sourceRef>x</sourceRef><targetRef>{to}</targetRef></dataInputAssociation></userTask>"#
            ),
            r#"<dataObject id="x"/>"#,
        )
    };
    let listed = |list: &str| {
        on_way(
            &format!(
                r#"<userTask id="t"><multiInstanceLoopCharacteristics id="mi"><loopDataInputRef>{list}</loopDataInputRef></multiInstanceLoopCharacteristics></userTask>"#
            ),
            r#"<dataObject id="x" isCollection="true"/>"#,
        )
    };
    vec![
        case("reference-type", "da", &moved("t"), &moved("in")),
        told(of_files(
            "reference-type",
            "da",
            process(&moved("t")).replace("\"true\"", "\"false\""),
            process(&moved("in")),
        )),
        case("reference-type", "mi", &listed("t"), &listed("x")),
        // The name of a variable, as other engines write it.
        told(case(
            "dangling-reference",
            "mi",
            &listed("lost"),
            &listed("${lost}"),
        )),
    ]
}

fn ignored(xml: &str) -> Vec<(String, String)> {
    let model = read::read(xml.as_bytes()).unwrap();
    let all = model.ignored.into_iter();
    all.map(|one| (one.element, one.what)).collect()
}

#[test]
fn a_script_in_another_language_is_listed_as_without_effect() {
    let xml = |format: &str, text: &str| {
        process(&on_way(
            &format!(
                r#"<scriptTask id="t" scriptFormat="{format}"><script>{text}</script></scriptTask>"#
            ),
            "",
        ))
    };
    let groovy = xml("groovy", "x = 1");
    assert_eq!(
        ignored(&groovy),
        [(
            "t".to_owned(),
            "<script scriptFormat=\"groovy\">".to_owned()
        )]
    );
    assert_eq!(ignored(&xml("JavaScript", "x = 1")).len(), 1);
    assert!(ignored(&xml("FEEL", "{x: 1}")).is_empty());
    // It stays deployable, and `process check` tells.
    let mut out = Vec::new();
    let content = (groovy.into_bytes(), read::Imports::new());
    let files = [("a.bpmn".to_owned(), Ok(content))];
    assert_eq!(simulate::check_all(&files, false, &mut out).unwrap(), 0);
    let out = String::from_utf8(out).unwrap();
    assert!(
        out.contains("no effect [ignored] t: <script scriptFormat=\"groovy\">"),
        "{out}"
    );
}

#[test]
fn what_is_read_of_camunda_8_is_not_listed_as_without_effect() {
    let many = r#"<userTask id="t"><multiInstanceLoopCharacteristics><extensionElements><zeebe:loopCharacteristics inputCollection="=[1, 2]" inputElement="n" outputCollection="all" outputElement="=n"/><zeebe:unheard/></extensionElements></multiInstanceLoopCharacteristics></userTask>"#;
    let keyed = r#"<message id="m" name="paid"><extensionElements><zeebe:subscription correlationKey="=order"/></extensionElements></message><process "#;
    let xml = process(&on_way(many, ""))
        .replace("<process ", keyed)
        .replace(
            "<definitions ",
            r#"<definitions xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" "#,
        );
    let unheard = ("t".to_owned(), "<zeebe:unheard>".to_owned());
    assert_eq!(ignored(&xml), [unheard]);
}

/// The attributes of `t`, a task of that kind with those roles, and what is ignored of it.
fn with_roles(kind: &str, roles: &str) -> (Vec<Option<String>>, Vec<String>) {
    let xml = process(&on_way(&format!(r#"<{kind} id="t">{roles}</{kind}>"#), ""));
    let model = read::read(xml.as_bytes()).unwrap();
    let node = model.nodes.iter().find(|node| &*node.id == "t").unwrap();
    let of = |name: &str| node.attribute(name).map(str::to_owned);
    let found = ["assignee", "candidates", "users"].map(of).to_vec();
    (found, model.ignored.into_iter().map(|i| i.what).collect())
}

fn role(name: &str, text: &str) -> String {
    format!(
        "<{name}><resourceAssignmentExpression><formalExpression>{text}</formalExpression></resourceAssignmentExpression></{name}>"
    )
}

#[test]
fn potential_owners_are_candidates_and_performers_have_the_task() {
    let owner = |text: &str| {
        let (found, ignored) = with_roles("userTask", &role("potentialOwner", text));
        assert!(ignored.is_empty(), "{text}: {ignored:?}");
        (found[1].clone(), found[2].clone())
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(owner("examiner"), (some("examiner"), None));
    assert_eq!(owner("group(examiner)"), (some("examiner"), None));
    assert_eq!(owner("user(${clerk})"), (None, some("${clerk}")));
    assert_eq!(
        owner("user(wang), group(examiner), approver@hall, user(li)"),
        (some("examiner,approver@hall"), some("wang,li"))
    );
    assert_eq!(owner("${posts(a, b)}"), (some("${posts(a, b)}"), None));
    for name in ["humanPerformer", "performer"] {
        for text in ["wang", "user(wang)"] {
            let (found, ignored) = with_roles("userTask", &role(name, text));
            assert_eq!(found, [some("wang"), None, None]);
            assert!(ignored.is_empty());
        }
    }
    let both = [
        role("humanPerformer", "wang"),
        role("potentialOwner", "examiner"),
    ]
    .concat();
    let (found, _) = with_roles("userTask", &both);
    assert_eq!(found, [some("wang"), some("examiner"), None]);
}

#[test]
fn roles_that_are_not_understood_are_listed() {
    for (kind, roles, what) in [
        (
            "userTask",
            role("humanPerformer", "group(examiner)"),
            "<humanPerformer> group(examiner)",
        ),
        (
            "userTask",
            role("humanPerformer", "wang, li"),
            "<humanPerformer> wang, li",
        ),
        (
            "userTask",
            role("potentialOwner", "user(wang"),
            "<potentialOwner> user(wang",
        ),
        (
            "userTask",
            role("potentialOwner", "oldest(team)"),
            "<potentialOwner> oldest(team)",
        ),
        (
            "userTask",
            "<potentialOwner><resourceRef>post</resourceRef></potentialOwner>".to_owned(),
            "<potentialOwner>",
        ),
        ("serviceTask", role("performer", "wang"), "<performer> wang"),
    ] {
        let (found, ignored) = with_roles(kind, &roles);
        assert_eq!(found, [None, None, None], "{roles}");
        assert_eq!(ignored, [what]);
    }
    let of_process = process(&[role("potentialOwner", "examiner"), between("", "s>e")].concat());
    assert_eq!(
        ignored(&of_process),
        [("p".to_owned(), "<potentialOwner>".to_owned())]
    );
}

/// The processes and decisions that come with the server.
#[test]
fn every_pack_passes_the_checker() {
    let packs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs");
    let mut folders = vec![packs];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let ending = path.extension().unwrap_or_default();
            if ending == "bpmn" || ending == "dmn" {
                count += 1;
                let findings = simulate::check_file(&std::fs::read(&path).unwrap());
                let is_refused = findings.iter().any(|f| f.severity == Severity::Error);
                assert!(!is_refused, "{}: {findings:#?}", path.display());
            }
        }
    }
    assert!(count >= 9, "{count}");
}
