//! Constraints on operations and their data, on lists that an activity is repeated for, on who does
//! something, and on texts.

use super::{
    local,
    rules::{Place, Walk},
};
use crate::tree::Element;

/// Elements that say who does something.
pub(crate) const ROLES: &[&str] = &[
    "performer",
    "humanPerformer",
    "potentialOwner",
    "resourceRole",
];

impl<'a> Walk<'a> {
    pub(super) fn services(&mut self, element: &'a Element, place: Place<'a>) {
        if element.child("supportedInterfaceRef").is_some() && element.child("ioBinding").is_none()
        {
            self.tell(
                true,
                "interface-without-binding",
                element,
                "it offers an interface but binds no operation",
                "add `ioBinding`",
            );
        }
        let named = match element.name.as_str() {
            "serviceTask" => element.get("operationRef"),
            "sendTask" | "receiveTask" => element.get("messageRef"),
            _ => return,
        };
        let Some(named) = named.and_then(|name| self.find(name)) else {
            return;
        };
        self.one_set(element);
        let sides = match element.name.as_str() {
            "serviceTask" => vec![
                (named.child("inMessageRef"), "dataInput"),
                (named.child("outMessageRef"), "dataOutput"),
            ],
            _ => vec![],
        };
        for (message, kind) in sides {
            let message = message.and_then(|message| self.find(&message.text));
            self.carries(element, message, kind, place.is_executable);
        }
        match element.name.as_str() {
            "sendTask" => self.carries(element, Some(named), "dataInput", false),
            "receiveTask" => self.carries(element, Some(named), "dataOutput", false),
            _ => {}
        }
    }

    fn one_set(&mut self, element: &'a Element) {
        let Some(data) = element.child("ioSpecification") else {
            return;
        };
        for set in ["inputSet", "outputSet"] {
            if data.children_named(set).count() > 1 {
                let text =
                    format!("a task with a message or operation has one `{set}` at the most");
                self.tell(true, "operation-sets", element, &text, "leave one set");
            }
        }
    }

    /// A task has one piece of data for its message, and of the same structure. Where the message
    /// says what it carries, an operation's task `must` have it.
    fn carries(
        &mut self,
        element: &'a Element,
        message: Option<&'a Element>,
        kind: &str,
        must: bool,
    ) {
        let carried = message.and_then(|message| self.structure(message.get("itemRef")));
        let data: Vec<&Element> = element
            .child("ioSpecification")
            .map(|data| data.children_named(kind).collect())
            .unwrap_or_default();
        if data.is_empty() && must && carried.is_some() {
            let text = format!("it has no `{kind}` for what its operation's message carries");
            let remedy = "add it to `ioSpecification`, with the message's item definition";
            self.tell(true, "operation-data", element, &text, remedy);
        }
        if data.len() > 1 && message.is_some() {
            let text = format!("a task with a message has one `{kind}` at the most");
            self.tell(true, "operation-sets", element, &text, "leave one");
        }
        let own = data.first().and_then(|data| data.get("itemSubjectRef"));
        if let (Some(carried), Some(own)) = (carried, self.structure(own))
            && carried != own
        {
            let text = format!("its data is `{own}`, its message carries `{carried}`");
            let remedy = "let both have the same item definition";
            self.tell(true, "item-mismatch", element, &text, remedy);
        }
    }

    /// The structure of an item definition.
    fn structure(&self, item: Option<&str>) -> Option<String> {
        let item = self.find(item?)?;
        item.get("structureRef").map(|s| local(s).to_owned())
    }

    /// A call gives what the called process takes, and takes what it gives (10.3.6). They are told
    /// apart by their names; a call or process that declares nothing, or has a nameless piece,
    /// says nothing about it.
    pub(super) fn call(&mut self, element: &'a Element, place: Place<'a>) {
        let called = element
            .get("calledElement")
            .filter(|_| element.name == "callActivity");
        let called = called.and_then(|called| self.find(called));
        let data = |element: &'a Element| element.child("ioSpecification");
        let (Some(own), Some(theirs)) = (data(element), called.and_then(data)) else {
            return;
        };
        let names = |data: &'a Element, kind: &'a str| -> Option<Vec<&'a str>> {
            data.children_named(kind)
                .map(|one| one.get("name"))
                .collect()
        };
        for (kind, verb) in [("dataInput", "takes"), ("dataOutput", "gives")] {
            let (Some(own), Some(theirs)) = (names(own, kind), names(theirs, kind)) else {
                continue;
            };
            let lacks = |some: &[&str], others: &[&str]| -> Vec<String> {
                let missing = some.iter().filter(|name| !others.contains(name));
                missing.map(|name| format!("`{name}`")).collect()
            };
            let (missing, extra) = (lacks(&theirs, &own), lacks(&own, &theirs));
            let mut texts = Vec::new();
            if !missing.is_empty() {
                texts.push(format!(
                    "the called process {verb} {}, of which the call has no `{kind}`",
                    missing.join(", ")
                ));
            }
            if !extra.is_empty() {
                texts.push(format!(
                    "the call has the `{kind}` {}, which the called process does not declare",
                    extra.join(", ")
                ));
            }
            if !texts.is_empty() {
                let remedy = "give the data of the call the names that the called process declares";
                self.tell(
                    place.is_executable,
                    "call-data",
                    element,
                    &texts.join("; "),
                    remedy,
                );
            }
        }
    }

    /// Each run of an activity is given one piece of the list.
    pub(super) fn repeats(&mut self, element: &'a Element, place: Place<'a>) {
        if element.name != "multiInstanceLoopCharacteristics" {
            return;
        }
        for (list, item) in [
            ("loopDataInputRef", "inputDataItem"),
            ("loopDataOutputRef", "outputDataItem"),
        ] {
            let list = element.child(list).and_then(|list| self.find(&list.text));
            let list = self.structure(list.and_then(|list| list.get("itemSubjectRef")));
            let item = element.child(item).and_then(|e| e.get("itemSubjectRef"));
            if let (Some(list), Some(item)) = (list, self.structure(item))
                && list != item
            {
                let text = format!("the list is of `{list}`, and each run has `{item}`");
                let owner = place.parent.unwrap_or(element);
                let remedy = "let both have the same structure";
                self.tell(true, "item-mismatch", owner, &text, remedy);
            }
        }
    }

    /// Who does something is told by a resource and its parameters, or by an expression.
    pub(super) fn roles(&mut self, element: &'a Element) {
        if !ROLES.contains(&element.name.as_str()) {
            return;
        }
        let has_resource = element.child("resourceRef").is_some();
        if element.child("resourceParameterBinding").is_some() && !has_resource {
            let text = "it gives parameters to no resource";
            let remedy = "add `resourceRef`, or remove the parameters";
            self.tell(true, "resource-binding", element, text, remedy);
        }
        if element.child("resourceAssignmentExpression").is_some() && has_resource {
            let text = "it names a resource and has an expression as well";
            let remedy = "leave one of them";
            self.tell(true, "resource-binding", element, text, remedy);
        }
    }

    /// The format of a text is a media type (RFC 2046), as `text/plain`.
    pub(super) fn text_format(&mut self, element: &'a Element) {
        if !matches!(element.name.as_str(), "documentation" | "textAnnotation") {
            return;
        }
        let is_token = |text: &str| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c);
            !text.is_empty() && text.chars().all(is_part)
        };
        let format = element.get("textFormat").unwrap_or("text/plain");
        let media = format.split(';').next().unwrap_or_default().trim();
        if !media
            .split_once('/')
            .is_some_and(|(a, b)| is_token(a) && is_token(b))
        {
            let text = format!("`textFormat` is `{format}`, which is no media type");
            self.tell(
                true,
                "text-format",
                element,
                &text,
                "write one as `text/plain`",
            );
        }
    }
}
