//! Rules of data, services and collaborations (8.4, 9, 10.4).

use super::{Case, between, of_files};
use crate::model::{file, flows, process};

pub fn data() -> Vec<Case> {
    let items = r#"<itemDefinition id="i1" structureRef="Order"/><itemDefinition id="i2" structureRef="Fee"/><itemDefinition id="many" structureRef="Order" isCollection="true"/><message id="mi" itemRef="i1"/>
        <interface id="if"><operation id="op"><inMessageRef>mi</inMessageRef></operation></interface>"#;
    let with = |middle: &str| {
        file(&format!(
            r#"{items}<process id="p" isExecutable="true">{}</process>"#,
            between(middle, "s>t>e")
        ))
    };
    let io = |kind: &str, attributes: &str, inner: &str| {
        with(&format!(
            r#"<{kind} id="t" {attributes}><ioSpecification id="io">{inner}</ioSpecification></{kind}>"#
        ))
    };
    let sets = r#"<dataInput id="a"/><dataOutput id="b"/><inputSet id="in"><dataInputRefs>a</dataInputRefs></inputSet><outputSet id="out"><dataOutputRefs>b</dataOutputRefs></outputSet>"#;
    let good = io("task", "", sets);
    let moves = |from: &str, to: &str, more: &str| {
        with(&format!(
            r#"<dataObject id="d1" itemSubjectRef="{from}"/><dataObject id="d2" itemSubjectRef="{from}"/><task id="t"><ioSpecification><dataInput id="a" itemSubjectRef="{to}"/><inputSet><dataInputRefs>a</dataInputRefs></inputSet><outputSet/></ioSpecification>
            <dataInputAssociation id="da"><sourceRef>d1</sourceRef>{more}<targetRef>a</targetRef></dataInputAssociation></task>"#
        ))
    };
    let pair = |answer: &str| {
        format!(
            r#"<inputSet id="in"><outputSetRefs>out</outputSetRefs></inputSet><outputSet id="out">{answer}</outputSet>"#
        )
    };
    let given = r#"<dataInput id="a" itemSubjectRef="i1"/><inputSet id="in"><dataInputRefs>a</dataInputRefs></inputSet><outputSet id="out"/>"#;
    let performer = |inner: &str| {
        with(&format!(
            r#"<task id="t"><performer id="who">{inner}</performer></task>"#
        ))
        .replace("<process", r#"<resource id="post"><resourceParameter id="place" name="place"/></resource><process"#)
    };
    let repeated = |item: &str| {
        with(&format!(
            r#"<task id="t"><ioSpecification><dataInput id="a" itemSubjectRef="many" isCollection="true"/><inputSet><dataInputRefs>a</dataInputRefs></inputSet><outputSet/></ioSpecification>
            <multiInstanceLoopCharacteristics><loopDataInputRef>a</loopDataInputRef><inputDataItem id="one" itemSubjectRef="{item}"/></multiInstanceLoopCharacteristics></task>"#
        ))
    };
    let sub = |io: &str| {
        with(&format!(
            r#"<subProcess id="t">{io}<startEvent id="s1"/><endEvent id="e1"/>{}</subProcess>"#,
            flows("s1>e1")
        ))
    };
    let specification = |give: &str, take: &str| {
        format!(
            r#"<ioSpecification><dataInput id="{give}i" name="{give}"/><dataOutput id="{take}o" name="{take}"/><inputSet><dataInputRefs>{give}i</dataInputRefs></inputSet><outputSet><dataOutputRefs>{take}o</dataOutputRefs></outputSet></ioSpecification>"#
        )
    };
    let calls = |give: &str, take: &str| {
        let own = specification(give, take)
            .replace(r#" id=""#, r#" id="c"#)
            .replace("Refs>", "Refs>c")
            .replace("</dataInputRefs>c", "</dataInputRefs>")
            .replace("</dataOutputRefs>c", "</dataOutputRefs>");
        file(&format!(
            r#"<process id="p" isExecutable="true">{}</process><process id="q" isExecutable="true">{}<startEvent id="qs"/><endEvent id="qe"/>{}</process>"#,
            between(
                &format!(r#"<callActivity id="t" calledElement="q">{own}</callActivity>"#),
                "s>t>e"
            ),
            specification("area", "fee"),
            flows("qs>qe")
        ))
    };
    vec![
        of_files(
            "call-data",
            "t",
            calls("space", "fee"),
            calls("area", "fee"),
        ),
        of_files(
            "call-data",
            "t",
            calls("area", "price"),
            calls("area", "fee"),
        ),
        of_files(
            "data-not-in-set",
            "a",
            io(
                "task",
                "",
                r#"<dataInput id="a"/><inputSet id="in"/><outputSet id="out"/>"#,
            ),
            good.clone(),
        ),
        of_files(
            "data-set",
            "in",
            io(
                "task",
                "",
                &sets
                    .replace(
                        "</inputSet>",
                        "<optionalInputRefs>x</optionalInputRefs></inputSet>",
                    )
                    .replace(
                        r#"<dataInput id="a"/>"#,
                        r#"<dataInput id="a"/><dataInput id="x"/>"#,
                    ),
            ),
            good.clone(),
        ),
        of_files(
            "data-set",
            "out",
            io(
                "task",
                "",
                &sets
                    .replace(
                        "</outputSet>",
                        "<whileExecutingOutputRefs>x</whileExecutingOutputRefs></outputSet>",
                    )
                    .replace(
                        r#"<dataOutput id="b"/>"#,
                        r#"<dataOutput id="b"/><dataOutput id="x"/>"#,
                    ),
            ),
            good.clone(),
        ),
        of_files(
            "data-set",
            "in",
            io("task", "", &pair("")),
            io("task", "", &pair("<inputSetRefs>in</inputSetRefs>")),
        ),
        of_files(
            "data-association-sources",
            "da",
            moves("i1", "i1", "<sourceRef>d2</sourceRef>"),
            moves("i1", "i1", ""),
        ),
        of_files(
            "item-mismatch",
            "da",
            moves("i1", "i2", ""),
            moves("i1", "i1", ""),
        ),
        of_files(
            "item-mismatch",
            "t",
            io(
                "sendTask",
                r#"messageRef="mi""#,
                r#"<dataInput id="a" itemSubjectRef="i2"/><inputSet><dataInputRefs>a</dataInputRefs></inputSet><outputSet/>"#,
            ),
            io(
                "sendTask",
                r#"messageRef="mi""#,
                r#"<dataInput id="a" itemSubjectRef="i1"/><inputSet><dataInputRefs>a</dataInputRefs></inputSet><outputSet/>"#,
            ),
        ),
        of_files(
            "collection-mismatch",
            "d",
            with(r#"<task id="t"/><dataObject id="d" itemSubjectRef="many"/>"#),
            with(r#"<task id="t"/><dataObject id="d" itemSubjectRef="many" isCollection="true"/>"#),
        ),
        of_files(
            "sub-process-data",
            "io",
            sub(r#"<ioSpecification id="io"><inputSet/><outputSet/></ioSpecification>"#),
            sub(""),
        ),
        of_files(
            "operation-sets",
            "t",
            io(
                "serviceTask",
                r#"operationRef="op""#,
                &format!(r#"{given}<inputSet id="in2"/>"#),
            ),
            io("serviceTask", r#"operationRef="op""#, given),
        ),
        of_files(
            "operation-data",
            "t",
            with(r#"<serviceTask id="t" operationRef="op"/>"#),
            io("serviceTask", r#"operationRef="op""#, given),
        ),
        of_files(
            "resource-binding",
            "who",
            performer(
                r#"<resourceParameterBinding parameterRef="place"><formalExpression>1</formalExpression></resourceParameterBinding>"#,
            ),
            performer(
                r#"<resourceRef>post</resourceRef><resourceParameterBinding parameterRef="place"><formalExpression>1</formalExpression></resourceParameterBinding>"#,
            ),
        ),
        of_files(
            "resource-binding",
            "who",
            performer(
                r"<resourceRef>post</resourceRef><resourceAssignmentExpression><formalExpression>1</formalExpression></resourceAssignmentExpression>",
            ),
            performer(
                r"<resourceAssignmentExpression><formalExpression>1</formalExpression></resourceAssignmentExpression>",
            ),
        ),
        of_files("item-mismatch", "t", repeated("i2"), repeated("i1")),
        of_files(
            "text-format",
            "note",
            with(
                r#"<task id="t"/><textAnnotation id="note" textFormat="plain"><text>x</text></textAnnotation>"#,
            ),
            with(
                r#"<task id="t"/><textAnnotation id="note" textFormat="text/html; charset=utf-8"><text>x</text></textAnnotation>"#,
            ),
        ),
        of_files(
            "interface-without-binding",
            "p",
            process(&between("", "s>e")).replace(
                r#"<startEvent id="s"/>"#,
                r#"<supportedInterfaceRef>if</supportedInterfaceRef><startEvent id="s"/>"#,
            ),
            good,
        ),
    ]
}
