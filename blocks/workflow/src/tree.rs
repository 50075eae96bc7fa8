//! A small element tree of an XML file, with line numbers, read defensively.
//!
//! Refuses document types (and with them external entities and entity bombs), depth and size
//! beyond what any diagram needs.

use quick_xml::{
    NsReader, XmlVersion,
    events::{BytesStart, Event},
    name::ResolveResult,
};

/// No hand-drawn process comes near these; a file beyond them is a mistake or an attack.
pub const MAX_BYTES: usize = 20 * 1024 * 1024;
const MAX_DEPTH: usize = 200;

/// Why a file is not readable at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub rule: &'static str,
    pub line: u32,
    pub text: String,
}

#[derive(Debug, Default)]
pub struct Element {
    pub namespace: String,
    pub name: String,
    pub attributes: Vec<Attribute>,
    pub children: Vec<Element>,
    pub text: String,
    pub line: u32,
}

#[derive(Debug)]
pub struct Attribute {
    pub namespace: String,
    pub name: String,
    pub value: String,
}

impl Element {
    /// Value of an attribute without a namespace.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_in("", name)
    }

    pub fn get_in(&self, namespace: &str, name: &str) -> Option<&str> {
        let found = self
            .attributes
            .iter()
            .find(|a| a.namespace == namespace && a.name == name);
        found.map(|a| a.value.as_str())
    }

    /// The first child of that local name, whatever its namespace.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    pub fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        self.get(name)
            .map(|value| matches!(value.trim(), "true" | "1"))
    }
}

struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u32,
}

impl Lines<'_> {
    /// Line of a byte offset; offsets only ever grow.
    fn at(&mut self, offset: u64) -> u32 {
        let offset = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.bytes.len());
        let passed = self.bytes.get(self.at..offset).unwrap_or_default();
        let breaks = passed.split(|&byte| byte == b'\n').count() - 1;
        self.line = self
            .line
            .saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX));
        self.at = self.at.max(offset);
        self.line
    }
}

/// Reads a file into its root element.
pub fn parse(bytes: &[u8]) -> Result<Element, Unreadable> {
    let refuse = |rule, line, text: &str| Unreadable {
        rule,
        line,
        text: text.to_owned(),
    };
    if bytes.len() > MAX_BYTES {
        return Err(refuse("xml-too-large", 1, "the file is larger than 20 MiB"));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|_| refuse("xml-encoding", 1, "the file is not UTF-8 text"))?;
    let mut reader = NsReader::from_str(text);
    let mut lines = Lines {
        bytes,
        at: 0,
        line: 1,
    };
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        let offset = reader.buffer_position();
        let line = lines.at(offset);
        let event = reader
            .read_event()
            .map_err(|e| refuse("xml-malformed", line, &e.to_string()))?;
        match event {
            Event::Start(start) => {
                if open.len() >= MAX_DEPTH || (open.is_empty() && root.is_some()) {
                    return Err(refuse(
                        "xml-malformed",
                        line,
                        "elements are nested too deeply, or there are two roots",
                    ));
                }
                open.push(element(&reader, &start, line)?);
            }
            Event::Empty(start) => {
                if open.is_empty() && root.is_some() {
                    return Err(refuse("xml-malformed", line, "there are two root elements"));
                }
                let element = element(&reader, &start, line)?;
                attach(&mut open, &mut root, element);
            }
            Event::End(_) => {
                if let Some(element) = open.pop() {
                    attach(&mut open, &mut root, element);
                }
            }
            Event::Text(text) => append(&mut open, &text.xml10_content()),
            Event::CData(text) => append(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                let known = match reference.resolve_char_ref() {
                    Ok(Some(character)) => Some(character),
                    _ => predefined(&reference.xml10_content()),
                };
                let Some(character) = known else {
                    return Err(refuse(
                        "xml-entity",
                        line,
                        "the file uses an entity that XML does not define",
                    ));
                };
                append(&mut open, character.encode_utf8(&mut [0; 4]));
            }
            Event::DocType(_) => {
                return Err(refuse(
                    "xml-doctype",
                    line,
                    "the file has a document type declaration",
                ));
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    if !open.is_empty() {
        return Err(refuse(
            "xml-malformed",
            lines.line,
            "the file ends inside an element",
        ));
    }
    root.ok_or_else(|| refuse("xml-malformed", 1, "the file has no element"))
}

fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

fn append(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn attach(open: &mut [Element], root: &mut Option<Element>, element: Element) {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None => *root = Some(element),
    }
}

fn element(
    reader: &NsReader<&[u8]>,
    start: &BytesStart<'_>,
    line: u32,
) -> Result<Element, Unreadable> {
    let wrong = |text: String| Unreadable {
        rule: "xml-malformed",
        line,
        text,
    };
    let (namespace, name) = reader.resolver().resolve_element(start.name());
    let mut element = Element {
        namespace: space(&namespace).map_err(wrong)?,
        name: name.as_ref().to_owned(),
        line,
        ..Element::default()
    };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|e| wrong(e.to_string()))?;
        if attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let (namespace, name) = reader.resolver().resolve_attribute(attribute.key);
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|e| Unreadable {
                rule: "xml-entity",
                line,
                text: e.to_string(),
            })?;
        element.attributes.push(Attribute {
            namespace: space(&namespace).map_err(wrong)?,
            name: name.as_ref().to_owned(),
            value: value.into_owned(),
        });
    }
    Ok(element)
}

fn space(resolved: &ResolveResult<'_>) -> Result<String, String> {
    match resolved {
        ResolveResult::Bound(namespace) => Ok(namespace.as_ref().to_owned()),
        ResolveResult::Unbound => Ok(String::new()),
        ResolveResult::Unknown(prefix) => Err(format!("the prefix `{prefix}` is not declared")),
    }
}
