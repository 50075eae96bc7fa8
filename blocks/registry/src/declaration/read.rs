//! Reads a declaration from its JSON Schema, and says everything that is wrong with it.

use kernel::mask;
use serde_json::{Map, Value};

use super::{Code, Conflict, Declaration, Field, Kind, Role, Search, Title};

/// Something wrong with a declaration: where (steps from the root), what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub path: Vec<String>,
    pub text: String,
    pub remedy: String,
}

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Names that tables of this crate have, or that would hide a history table.
const RESERVED: [&str; 10] = [
    "batch",
    "declaration",
    "match_pair",
    "match_run",
    "merge",
    "objection",
    "read",
    "refusal",
    "source",
    "statement",
];
const ROOT_KEYS: [&str; 9] = [
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "type",
    "required",
    "properties",
    "x-tongban",
];
const REGISTRY_KEYS: [&str; 4] = ["title_en", "key", "subject", "name"];
const FIELD_KEYS: [&str; 10] = [
    "$comment",
    "title",
    "description",
    "type",
    "format",
    "maxLength",
    "minimum",
    "maximum",
    "enum",
    "x-tongban",
];
const OWN_KEYS: [&str; 13] = [
    "title_en",
    "scale",
    "code",
    "code_table",
    "reference",
    "sensitivity",
    "mask",
    "authority",
    "conflict",
    "search",
    "match",
    "unique",
    "basis",
];

struct Reader {
    mistakes: Vec<Mistake>,
}

/// The declaration, or everything that is wrong with it.
pub fn read(schema: &Value) -> Result<Declaration, Vec<Mistake>> {
    let mut reader = Reader {
        mistakes: Vec::new(),
    };
    let declaration = reader.declaration(schema);
    match declaration {
        Some(declaration) if reader.mistakes.is_empty() => Ok(declaration),
        _ => Err(reader.mistakes),
    }
}

impl Reader {
    fn wrong(&mut self, path: &[&str], text: impl Into<String>, remedy: impl Into<String>) {
        self.mistakes.push(Mistake {
            path: path.iter().map(|&step| step.to_owned()).collect(),
            text: text.into(),
            remedy: remedy.into(),
        });
    }

    fn only(&mut self, path: &[&str], object: &Map<String, Value>, known: &[&str]) {
        for key in object.keys().filter(|key| !known.contains(&key.as_str())) {
            let path: Vec<_> = path.iter().copied().chain([key.as_str()]).collect();
            let text = format!("the keyword \"{key}\" is not known here");
            self.wrong(&path, text, format!("use one of {}", known.join(", ")));
        }
    }

    fn declaration(&mut self, schema: &Value) -> Option<Declaration> {
        let Some(root) = schema.as_object() else {
            self.wrong(&[], "the file is no JSON object", "write a JSON Schema");
            return None;
        };
        self.only(&[], root, &ROOT_KEYS);
        if root.get("$schema").and_then(Value::as_str) != Some(DIALECT) {
            let remedy = format!("write \"$schema\": \"{DIALECT}\"");
            self.wrong(
                &["$schema"],
                "the dialect is not JSON Schema 2020-12",
                remedy,
            );
        }
        if root.get("type").and_then(Value::as_str) != Some("object") {
            self.wrong(
                &["type"],
                "a record is an object",
                "write \"type\": \"object\"",
            );
        }
        let id = self.id(root)?;
        let empty = Map::new();
        let own = root.get("x-tongban").and_then(Value::as_object);
        let own = own.unwrap_or(&empty);
        self.only(&["x-tongban"], own, &REGISTRY_KEYS);
        let title = self.title(&[], root, own);
        let required = self.names(&["required"], root.get("required"));
        let mut fields = Vec::new();
        match root.get("properties").and_then(Value::as_object) {
            Some(properties) if !properties.is_empty() => {
                for (id, schema) in properties {
                    fields.extend(self.field(id, schema, required.contains(id)));
                }
            }
            _ => self.wrong(
                &["properties"],
                "the registry has no field",
                "declare fields",
            ),
        }
        if fields.iter().any(|f| f.mask == Some(mask::Kind::Id)) {
            for field in &mut fields {
                field.is_beside_number = true;
            }
        }
        let text = |name: &str| own.get(name).and_then(Value::as_str).map(str::to_owned);
        let declaration = Declaration {
            id,
            title,
            key: self.names(&["x-tongban", "key"], own.get("key")),
            subject: text("subject"),
            name: text("name"),
            fields,
        };
        self.whole(&declaration, &required);
        Some(declaration)
    }

    fn id(&mut self, root: &Map<String, Value>) -> Option<String> {
        let id = root.get("$id").and_then(Value::as_str).unwrap_or_default();
        let remedy = "use 1 to 32 small letters, digits and underscores, a letter first";
        if !is_name(id, 32) {
            self.wrong(&["$id"], format!("\"{id}\" cannot name a registry"), remedy);
            return None;
        }
        if RESERVED.contains(&id) || id.ends_with("_history") {
            self.wrong(
                &["$id"],
                format!("the name \"{id}\" is taken"),
                "choose another",
            );
            return None;
        }
        Some(id.to_owned())
    }

    fn title(&mut self, path: &[&str], of: &Map<String, Value>, own: &Map<String, Value>) -> Title {
        let text = |value: Option<&Value>| {
            let text = value.and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let title = Title {
            zh: text(of.get("title")),
            en: text(own.get("title_en")),
        };
        if title.zh.is_empty() || title.en.is_empty() {
            let remedy = "write \"title\" in Chinese, and \"title_en\" below \"x-tongban\"";
            self.wrong(path, "there is no title in both languages", remedy);
        }
        title
    }

    fn names(&mut self, path: &[&str], value: Option<&Value>) -> Vec<String> {
        let Some(value) = value else {
            return Vec::new();
        };
        let names: Option<Vec<String>> = value.as_array().and_then(|all| {
            let names = all.iter().map(|name| name.as_str().map(str::to_owned));
            names.collect()
        });
        if names.is_none() {
            self.wrong(path, "this is no list of names", "write [\"…\", \"…\"]");
        }
        names.unwrap_or_default()
    }

    fn field(&mut self, id: &str, schema: &Value, is_required: bool) -> Option<Field> {
        let at = ["properties", id];
        if !is_name(id, 48) || id.starts_with("record_") {
            let remedy = "use at most 48 small letters, digits and underscores, a letter first, \
                          and not record_ in front";
            self.wrong(&at, format!("\"{id}\" cannot name a field"), remedy);
            return None;
        }
        let Some(schema) = schema.as_object() else {
            self.wrong(
                &at,
                "a field is declared by an object",
                "write { \"type\": … }",
            );
            return None;
        };
        self.only(&at, schema, &FIELD_KEYS);
        let empty = Map::new();
        let own = schema.get("x-tongban").and_then(Value::as_object);
        let own = own.unwrap_or(&empty);
        self.only(&["properties", id, "x-tongban"], own, &OWN_KEYS);
        let kind = self.kind(id, schema, own)?;
        let bound = |name: &str, otherwise| {
            schema
                .get(name)
                .and_then(Value::as_i64)
                .unwrap_or(otherwise)
        };
        let text = |name: &str| own.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Field {
            id: id.to_owned(),
            title: self.title(&at, schema, own),
            kind,
            is_required,
            max_length: self.max_length(id, kind, schema),
            range: (bound("minimum", i64::MIN), bound("maximum", i64::MAX)),
            code: self.word(id, own, "code", &CODES),
            code_table: text("code_table"),
            one_of: self.names(&["properties", id, "enum"], schema.get("enum")),
            reference: text("reference"),
            sensitivity: self.sensitivity(id, own),
            mask: self.mask(id, own),
            is_beside_number: false,
            authority: self.names(
                &["properties", id, "x-tongban", "authority"],
                own.get("authority"),
            ),
            conflict: self
                .word(id, own, "conflict", &CONFLICTS)
                .unwrap_or_default(),
            search: self.word(id, own, "search", &SEARCHES).unwrap_or_default(),
            is_unique: own.get("unique").and_then(Value::as_bool).unwrap_or(false),
            role: self.word(id, own, "match", &ROLES),
        })
    }

    fn kind(
        &mut self,
        id: &str,
        schema: &Map<String, Value>,
        own: &Map<String, Value>,
    ) -> Option<Kind> {
        let text = |name: &str| schema.get(name).and_then(Value::as_str);
        let kind = match (text("type"), text("format")) {
            (Some("string"), None) => Kind::Text,
            (Some("string"), Some("date")) => Kind::Date,
            (Some("string"), Some("decimal")) => {
                let scale = own.get("scale").and_then(Value::as_u64);
                let scale = scale.and_then(|scale| u8::try_from(scale).ok());
                let Some(scale) = scale.filter(|scale| *scale <= 6) else {
                    let remedy = "write \"scale\": 0 to 6 below \"x-tongban\"";
                    let text = "a decimal number needs its decimal places";
                    self.wrong(&["properties", id, "format"], text, remedy);
                    return None;
                };
                Kind::Decimal { scale }
            }
            (Some("integer"), None) => Kind::Integer,
            (Some("boolean"), None) => Kind::Boolean,
            (kind, format) => {
                let kind = kind.unwrap_or("none");
                let format = format.map_or_else(String::new, |f| format!(" with format \"{f}\""));
                let remedy = "use string (alone, with format date, or with format decimal), \
                              integer or boolean";
                let text = format!("the type {kind}{format} is not known");
                self.wrong(&["properties", id, "type"], text, remedy);
                return None;
            }
        };
        Some(kind)
    }

    fn max_length(&mut self, id: &str, kind: Kind, schema: &Map<String, Value>) -> usize {
        let given = schema.get("maxLength").and_then(Value::as_u64);
        let given = given.and_then(|n| usize::try_from(n).ok());
        match (kind, given) {
            (Kind::Text, Some(length)) if (1..=10_000).contains(&length) => length,
            (Kind::Text, _) => {
                let remedy = "write \"maxLength\": 1 to 10000";
                self.wrong(&["properties", id], "a text needs a largest length", remedy);
                1
            }
            _ => 40,
        }
    }

    fn sensitivity(&mut self, id: &str, own: &Map<String, Value>) -> u8 {
        let level = own.get("sensitivity").and_then(Value::as_u64);
        match level.and_then(|level| u8::try_from(level).ok()) {
            Some(level) if (1..=5).contains(&level) => level,
            _ => {
                let remedy = "write \"sensitivity\": 1 public, 2 internal, 3 sensitive, \
                              4 highly sensitive or 5 important";
                self.wrong(
                    &["properties", id],
                    "the field has no level of sensitivity",
                    remedy,
                );
                5
            }
        }
    }

    fn mask(&mut self, id: &str, own: &Map<String, Value>) -> Option<mask::Kind> {
        let word = own.get("mask")?;
        let kind = serde_json::from_value(word.clone());
        if kind.is_err() {
            let remedy = "use name, id, passport, mobile, landline, email, bank_card, address, \
                          birth_date, plate, money or certificate_no";
            let path = ["properties", id, "x-tongban", "mask"];
            self.wrong(&path, format!("the mask {word} is not known"), remedy);
        }
        kind.ok()
    }

    fn word<T: Copy>(
        &mut self,
        id: &str,
        own: &Map<String, Value>,
        name: &str,
        known: &[(&str, T)],
    ) -> Option<T> {
        let word = own.get(name)?;
        let found = known.iter().find(|(key, _)| word.as_str() == Some(key));
        if found.is_none() {
            let all: Vec<_> = known.iter().map(|(key, _)| *key).collect();
            let path = ["properties", id, "x-tongban", name];
            let text = format!("{word} is no value of \"{name}\"");
            self.wrong(&path, text, format!("use one of {}", all.join(", ")));
        }
        found.map(|(_, value)| *value)
    }

    /// What the fields must be together.
    fn whole(&mut self, declaration: &Declaration, required: &[String]) {
        if declaration.key.is_empty() {
            let remedy = "write \"x-tongban\": { \"key\": [\"…\"] }";
            self.wrong(&["x-tongban"], "the registry has no key", remedy);
        }
        for name in &declaration.key {
            let is_fit = declaration.field(name).is_some_and(|f| f.is_required);
            if !is_fit {
                let text = format!("the key field \"{name}\" is not declared and required");
                let remedy = "declare it below \"properties\", and name it in \"required\"";
                self.wrong(&["x-tongban", "key"], text, remedy);
            }
        }
        for name in required {
            if declaration.field(name).is_none() {
                let text = format!("the required field \"{name}\" is not declared");
                self.wrong(&["required"], text, "declare it below \"properties\"");
            }
        }
        let named = [
            ("subject", &declaration.subject),
            ("name", &declaration.name),
        ];
        for (role, name) in named {
            if let Some(name) = name.as_ref().filter(|n| declaration.field(n).is_none()) {
                let text = format!("the field \"{name}\" is not declared");
                self.wrong(&["x-tongban", role], text, "name a field of this registry");
            }
        }
        let subject = declaration.subject.as_ref();
        if let Some(field) = subject.and_then(|id| declaration.field(id))
            && !super::is_indexed(field)
        {
            let text = format!("records cannot be found by their subject \"{}\"", field.id);
            let remedy = "write \"search\": \"exact\" below its \"x-tongban\"";
            self.wrong(&["properties", &field.id], text, remedy);
        }
        self.searches(declaration);
    }

    fn searches(&mut self, declaration: &Declaration) {
        let mut pinyin = declaration
            .fields
            .iter()
            .filter(|f| f.search == Search::Pinyin);
        if let Some(second) = pinyin.nth(1) {
            let path = ["properties", &second.id, "x-tongban", "search"];
            let text = "only one field can be searched by pinyin";
            self.wrong(&path, text, "use \"prefix\" for this one");
        }
        for field in &declaration.fields {
            let is_text = field.kind == Kind::Text;
            let needs_text = field.code.is_some()
                || field.code_table.is_some()
                || field.reference.is_some()
                || !field.one_of.is_empty()
                || matches!(field.search, Search::Prefix | Search::Pinyin);
            if needs_text && !is_text {
                let text = "codes, references, enumerations and prefixes are of texts";
                self.wrong(&["properties", &field.id], text, "make it a string");
            }
            if declaration.key.contains(&field.id) && field.authority.is_empty() {
                let text = "a key field needs a source with authority";
                let remedy = "write \"authority\": [\"…\"] below \"x-tongban\"";
                self.wrong(&["properties", &field.id], text, remedy);
            }
        }
    }
}

const CODES: [(&str, Code); 4] = [
    ("citizen", Code::Citizen),
    ("uscc", Code::Uscc),
    ("org", Code::Org),
    ("region", Code::Region),
];
const CONFLICTS: [(&str, Conflict); 3] = [
    ("authority_wins", Conflict::AuthorityWins),
    ("latest_wins", Conflict::LatestWins),
    ("manual", Conflict::Manual),
];
const ROLES: [(&str, Role); 6] = [
    ("number", Role::Number),
    ("name", Role::Name),
    ("sex", Role::Sex),
    ("birth", Role::Birth),
    ("phone", Role::Phone),
    ("address", Role::Address),
];
const SEARCHES: [(&str, Search); 3] = [
    ("exact", Search::Exact),
    ("prefix", Search::Prefix),
    ("pinyin", Search::Pinyin),
];

fn is_name(text: &str, longest: usize) -> bool {
    text.len() <= longest
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
