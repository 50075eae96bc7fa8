//! A small element tree of an XML file, with line numbers, read defensively.
//!
//! Refuses document types (and with them external entities and entity bombs), depth and size
//! beyond what any diagram needs. Text comes in UTF-8, in UTF-16 with its mark, or in what the
//! XML declaration names.

use std::{borrow::Cow, ops::Range};

use quick_xml::{
    NsReader, XmlVersion,
    events::{BytesRef, BytesStart, Event},
    name::{PrefixDeclaration, ResolveResult},
};

/// No hand-drawn process comes near these; a file beyond them is a mistake or an attack.
pub const MAX_BYTES: usize = 20 * 1024 * 1024;
const MAX_DEPTH: usize = 200;
const MAX_ELEMENTS: usize = 500_000;
const MAX_ATTRIBUTES: usize = 200;

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
    /// Prefixes that the element declares, with their namespaces.
    pub bound: Vec<(String, String)>,
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

/// The text of a file: by its byte order mark, else by the encoding that its declaration names.
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Unreadable> {
    if bytes.len() > MAX_BYTES {
        return Err(refuse("xml-too-large", 1, "the file is larger than 20 MiB"));
    }
    let wrong = |name: &str| refuse("xml-encoding", 1, &format!("the file is not {name} text"));
    let marked = encoding_rs::Encoding::for_bom(bytes).map(|(encoding, _)| encoding);
    let encoding = marked.or_else(|| {
        Some(match bytes {
            [0, b'<', ..] => encoding_rs::UTF_16BE,
            [b'<', 0, ..] => encoding_rs::UTF_16LE,
            _ => return None,
        })
    });
    if let Some(encoding) = encoding {
        let (text, _, has_errors) = encoding.decode(bytes);
        return if has_errors {
            Err(wrong(encoding.name()))
        } else {
            Ok(text)
        };
    }
    // A file that reads as UTF-8 is UTF-8, whatever it says of itself: text that was decoded on
    // its way keeps its old declaration, and no other encoding gives valid UTF-8 by chance.
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(Cow::Borrowed(text));
    }
    let label = declared_encoding(bytes).and_then(|place| bytes.get(place));
    let label = label.ok_or_else(|| wrong("UTF-8"))?;
    let encoding = encoding_rs::Encoding::for_label(label).ok_or_else(|| {
        let label = String::from_utf8_lossy(label);
        refuse(
            "xml-encoding",
            1,
            &format!("the encoding `{label}` is not known"),
        )
    })?;
    match encoding.decode_without_bom_handling(bytes) {
        (text, false) => Ok(text),
        _ => Err(wrong(encoding.name())),
    }
}

/// A file as it is kept: UTF-8 stays as it came, byte for byte; text in another encoding becomes
/// UTF-8 and says so.
pub fn to_utf8(bytes: &[u8]) -> Result<String, Unreadable> {
    let mut text = match decode(bytes)? {
        Cow::Borrowed(text) => return Ok(std::str::from_utf8(bytes).unwrap_or(text).to_owned()),
        Cow::Owned(text) => text,
    };
    if let Some(place) = declared_encoding(text.as_bytes()) {
        text.replace_range(place, "UTF-8");
    }
    Ok(text)
}

/// Where the value of `<?xml … encoding="…"?>` stands.
fn declared_encoding(bytes: &[u8]) -> Option<Range<usize>> {
    let head = bytes.get(..bytes.len().min(200))?;
    let end = head.windows(2).position(|pair| pair == b"?>")?;
    let declaration = head.get(..end).filter(|d| d.starts_with(b"<?xml"))?;
    let word = declaration
        .windows(8)
        .position(|word| word == b"encoding")?;
    let rest = declaration.get(word + 8..)?;
    let open = rest.iter().position(|byte| matches!(byte, b'"' | b'\''))?;
    let quote = *rest.get(open)?;
    let value = rest.get(open + 1..)?;
    let length = value.iter().position(|byte| *byte == quote)?;
    let begin = word + 8 + open + 1;
    Some(begin..begin + length)
}

fn refuse(rule: &'static str, line: u32, text: &str) -> Unreadable {
    Unreadable {
        rule,
        line,
        text: text.to_owned(),
    }
}

/// Whether XML 1.0 allows the character.
fn is_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Reads a file into its root element.
pub fn parse(bytes: &[u8]) -> Result<Element, Unreadable> {
    let text = decode(bytes)?;
    if !text.chars().all(is_character) {
        return Err(refuse(
            "xml-malformed",
            1,
            "the file has characters that XML does not allow",
        ));
    }
    let mut reader = NsReader::from_str(&text);
    let mut lines = Lines {
        bytes: text.as_bytes(),
        at: 0,
        line: 1,
    };
    let mut tree = Tree::default();
    loop {
        let line = lines.at(reader.buffer_position());
        let event = reader
            .read_event()
            .map_err(|e| refuse("xml-malformed", line, &e.to_string()))?;
        match event {
            Event::Start(start) => {
                tree.room(line)?;
                tree.open.push(element(&reader, &start, line)?);
            }
            Event::Empty(start) => {
                tree.room(line)?;
                let element = element(&reader, &start, line)?;
                tree.attach(element);
            }
            Event::End(_) => {
                if let Some(element) = tree.open.pop() {
                    tree.attach(element);
                }
            }
            Event::Text(text) => tree.append(&text.xml10_content(), line)?,
            Event::CData(text) => tree.append(&text.xml10_content(), line)?,
            Event::GeneralRef(reference) => {
                let character = character(&reference).ok_or_else(|| {
                    let text = "the file uses an entity that XML does not define";
                    refuse("xml-entity", line, text)
                })?;
                tree.append(character.encode_utf8(&mut [0; 4]), line)?;
            }
            Event::DocType(_) => {
                let text = "the file has a document type declaration";
                return Err(refuse("xml-doctype", line, text));
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    if !tree.open.is_empty() {
        return Err(refuse(
            "xml-malformed",
            lines.line,
            "the file ends inside an element",
        ));
    }
    tree.root
        .ok_or_else(|| refuse("xml-malformed", 1, "the file has no element"))
}

/// The character for which a reference stands.
fn character(reference: &BytesRef<'_>) -> Option<char> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => Some(character).filter(|c| is_character(*c)),
        _ => predefined(&reference.xml10_content()),
    }
}

/// What has been read so far.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    count: usize,
}

impl Tree {
    /// Whether one more element may begin here.
    fn room(&mut self, line: u32) -> Result<(), Unreadable> {
        self.count += 1;
        if self.count > MAX_ELEMENTS {
            let text = format!("the file has more than {MAX_ELEMENTS} elements");
            return Err(refuse("xml-too-large", line, &text));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(refuse(
                "xml-malformed",
                line,
                "elements are nested too deeply",
            ));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(refuse("xml-malformed", line, "there are two root elements"));
        }
        Ok(())
    }

    fn append(&mut self, text: &str, line: u32) -> Result<(), Unreadable> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim_start_matches('\u{FEFF}').trim().is_empty() => {}
            None => {
                return Err(refuse(
                    "xml-malformed",
                    line,
                    "text stands outside of the root element",
                ));
            }
        }
        Ok(())
    }

    fn attach(&mut self, element: Element) {
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }
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
    // Comparing all with all, as the library would, takes too long for thousands.
    let mut seen = std::collections::HashSet::new();
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.map_err(|e| wrong(e.to_string()))?;
        if seen.len() >= MAX_ATTRIBUTES || !seen.insert(attribute.key.as_ref().to_owned()) {
            return Err(wrong(
                "an attribute is repeated, or there are too many".to_owned(),
            ));
        }
        let declares = attribute.key.as_namespace_binding();
        let (namespace, name) = reader.resolver().resolve_attribute(attribute.key);
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|e| Unreadable {
                rule: "xml-entity",
                line,
                text: e.to_string(),
            })?;
        if let Some(prefix) = declares {
            if let PrefixDeclaration::Named(prefix) = prefix {
                element.bound.push((prefix.to_owned(), value.into_owned()));
            }
            continue;
        }
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
