//! Operations of an interface: read from its `OpenAPI` document, found again by method and path.

use std::collections::HashSet;

use kernel::{Finding, Text};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Operations of a resource at the most.
const MOST: usize = 1000;
const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];

/// Something that can be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = GatewayOperation)]
pub struct Operation {
    #[schema(example = "GET")]
    pub method: String,
    /// With `{names}` for what differs from call to call.
    #[schema(example = "/persons/{id}")]
    pub path: String,
    #[schema(example = "一个人的登记信息")]
    pub summary: String,
}

impl Operation {
    /// As grants, statements and the log name it: `GET /persons/{id}`.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What of a document cannot be used is told whole, each finding with its remedy.
pub fn import(document: &str) -> Result<Vec<Operation>, Vec<Finding>> {
    let one = |text: Text| vec![Finding::new("document", text)];
    let document = read(document).map_err(one)?;
    let version = document.get("openapi").and_then(Value::as_str);
    if !version.is_some_and(|version| version.starts_with("3.")) {
        return Err(one(Text::new("gateway-openapi-version")));
    }
    let paths = document.get("paths").and_then(Value::as_object);
    let paths = paths.ok_or_else(|| one(Text::new("gateway-openapi-paths")))?;
    let (mut all, mut findings, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for (path, item) in paths {
        let mut found = |key| {
            let text = Text::new(key).with("path", path);
            findings.push(Finding::new(format!("document/paths/{path}"), text));
        };
        if !is_template(path) {
            found("gateway-openapi-path");
            continue;
        }
        if item.get("$ref").is_some() {
            found("gateway-openapi-reference");
            continue;
        }
        for method in METHODS {
            let Some(described) = item.get(method) else {
                continue;
            };
            let text = |name| described.get(name).and_then(Value::as_str);
            let operation = Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                summary: text("summary")
                    .or_else(|| text("operationId"))
                    .unwrap_or_default()
                    .trim()
                    .to_owned(),
            };
            if seen.insert((method, anonymous(path))) {
                all.push(operation);
            } else {
                found("gateway-openapi-twice");
            }
        }
    }
    if all.is_empty() && findings.is_empty() {
        findings = one(Text::new("gateway-openapi-paths"));
    }
    if all.len() > MOST {
        findings = one(Text::new("gateway-openapi-many").with("most", MOST));
    }
    if findings.is_empty() {
        Ok(all)
    } else {
        Err(findings)
    }
}

/// JSON, or YAML. Aliases that would make a small file a large document are refused.
fn read(document: &str) -> Result<Value, Text> {
    let document = document.trim_start_matches('\u{feff}').trim_start();
    if document.starts_with('{') {
        return serde_json::from_str(document)
            .map_err(|e| Text::new("gateway-openapi-json").with("problem", e));
    }
    serde_saphyr::from_str(document)
        .map_err(|e| Text::new("gateway-openapi-yaml").with("problem", e))
}

/// A path whose parts are plain words, or whole `{names}`.
fn is_template(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    let is_plain = |part: &str| !part.contains(['{', '}', '?', '#']) && part != "." && part != "..";
    let is_name = |part: &str| {
        let inner = part.strip_prefix('{').and_then(|p| p.strip_suffix('}'));
        inner.is_some_and(|name| !name.is_empty() && is_plain(name))
    };
    rest.is_empty()
        || rest.split('/').enumerate().all(|(place, part)| {
            is_name(part) || (is_plain(part) && !(part.is_empty() && place == 0))
        })
}

fn is_variable(part: &str) -> bool {
    part.starts_with('{')
}

/// Two templates that differ in names only are one.
fn anonymous(path: &str) -> String {
    let parts = path.split('/');
    let parts = parts.map(|part| if is_variable(part) { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// How a called path stands to a resource's operations.
#[derive(Debug, PartialEq, Eq)]
pub enum Match<'a> {
    Operation(&'a Operation),
    /// The path is there, under other methods.
    OtherMethods(Vec<&'a str>),
    None,
}

/// The operation of a call. Of several the one with most words of its own counts, as `/persons/new`
/// before `/persons/{id}`. A path that two programs may read differently matches nothing.
pub fn find<'a>(operations: &'a [Operation], method: &str, path: &str) -> Match<'a> {
    if !is_plain_path(path) {
        return Match::None;
    }
    let fitting: Vec<&Operation> = operations.iter().filter(|o| fits(&o.path, path)).collect();
    let own = fitting.iter().filter(|o| o.method == method);
    let variables = |o: &Operation| o.path.split('/').filter(|part| is_variable(part)).count();
    match own.min_by_key(|o| variables(o)) {
        Some(operation) => Match::Operation(operation),
        None if fitting.is_empty() => Match::None,
        None => Match::OtherMethods(fitting.iter().map(|o| o.method.as_str()).collect()),
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (mut own, mut called) = (template.split('/'), path.split('/'));
    loop {
        match (own.next(), called.next()) {
            (None, None) => return true,
            (Some(own), Some(called)) if is_variable(own) => {
                if called.is_empty() {
                    return false;
                }
            }
            (Some(own), Some(called)) if is_same(own, called) => {}
            _ => return false,
        }
    }
}

/// As the API reads them.
fn is_same(own: &str, called: &str) -> bool {
    percent_decode_str(own).eq(percent_decode_str(called))
}

/// Nothing that climbs, no parameter of a part, and nothing in disguise.
fn is_plain_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.contains("//")
        && !path.contains(['\\', ';'])
        && !path.split('/').any(|part| part == "." || part == "..")
        && path.split('%').skip(1).all(is_rightly_encoded)
        && percent_decode_str(path).decode_utf8().is_ok()
}

/// Whether what follows a percent sign is a byte that has to be written so. Letters, digits and
/// what separates need no disguise, and an encoded percent sign could be decoded twice.
fn is_rightly_encoded(rest: &str) -> bool {
    let digits = rest
        .get(..2)
        .filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
    let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
    byte.is_some_and(|byte| {
        !byte.is_ascii_alphanumeric() && !byte.is_ascii_control() && !b"-._~/\\;?#%".contains(&byte)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(paths: &Value) -> String {
        json!({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths})
            .to_string()
    }

    fn keys(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|f| f.text.key).collect()
    }

    #[test]
    fn a_document_gives_its_operations() {
        let all = import(&document(&json!({
            "/persons/{id}": {"get": {"summary": "一个人"}, "parameters": []},
            "/persons": {"post": {"operationId": "addPerson"}},
        })));
        let all = all.unwrap();
        let names: Vec<_> = all.iter().map(Operation::name).collect();
        assert_eq!(names, ["GET /persons/{id}", "POST /persons"]);
        assert_eq!(all[0].summary, "一个人");
        assert_eq!(all[1].summary, "addPerson");
    }

    #[test]
    fn a_document_may_be_yaml() {
        let yaml = "# 户籍\nopenapi: '3.0.3'\ninfo: {title: t, version: '1'}\npaths:\n  /persons/{id}:\n    get:\n      summary: 一个人\n      responses:\n        200: &ok\n          description: 有\n        404: *ok\n  /persons:\n    post: {operationId: addPerson}\n";
        let names: Vec<_> = import(yaml).unwrap().iter().map(Operation::name).collect();
        assert_eq!(names, ["GET /persons/{id}", "POST /persons"]);
    }

    #[test]
    fn aliases_do_not_blow_a_document_up() {
        let line = |n: u32| {
            let before = vec![format!("*a{}", n - 1); 10].join(", ");
            format!("a{n}: &a{n} [{before}]")
        };
        let mut bomb = vec![
            "openapi: 3.0.0".to_owned(),
            "a0: &a0 [x, x, x, x, x, x, x, x, x, x]".to_owned(),
        ];
        bomb.extend((1..12).map(line));
        let found = import(&bomb.join("\n")).unwrap_err();
        assert_eq!(keys(&found), ["gateway-openapi-yaml"]);
    }

    #[test]
    fn what_cannot_be_used_is_told_whole() {
        for (document, key) in [
            ("{\"openapi\": ", "gateway-openapi-json"),
            ("openapi: [3", "gateway-openapi-yaml"),
            ("openapi: 3.0.0", "gateway-openapi-paths"),
            ("just words", "gateway-openapi-version"),
            ("", "gateway-openapi-version"),
        ] {
            assert_eq!(keys(&import(document).unwrap_err()), [key], "{document}");
        }
        let old = json!({"swagger": "2.0", "paths": {}}).to_string();
        assert_eq!(
            keys(&import(&old).unwrap_err()),
            ["gateway-openapi-version"]
        );
        assert_eq!(
            keys(&import(&document(&json!({}))).unwrap_err()),
            ["gateway-openapi-paths"]
        );
        let wrong = import(&document(&json!({
            "persons": {"get": {}},
            "/a/{x}": {"get": {}},
            "/a/{y}": {"get": {}},
            "/b/x{y}": {"get": {}},
            "/c": {"$ref": "other.json"},
        })));
        assert_eq!(
            keys(&wrong.unwrap_err()),
            [
                "gateway-openapi-path",
                "gateway-openapi-twice",
                "gateway-openapi-path",
                "gateway-openapi-reference"
            ]
        );
    }

    #[test]
    fn a_call_finds_its_operation_and_nothing_climbs() {
        let all = import(&document(&json!({
            "/persons/{id}": {"get": {}},
            "/persons/new": {"get": {}, "post": {}},
            "/": {"get": {}},
            "/人口/{id}": {"get": {}},
        })));
        let all = all.unwrap();
        let check = |method: &str, path: &str, expected: &str| {
            let found = match find(&all, method, path) {
                Match::Operation(operation) => operation.name(),
                Match::OtherMethods(methods) => methods.join(","),
                Match::None => "none".into(),
            };
            assert_eq!(found, expected, "{method} {path}");
        };
        check("GET", "/persons/7", "GET /persons/{id}");
        check("GET", "/persons/new", "GET /persons/new");
        check("DELETE", "/persons/7", "GET");
        check("POST", "/persons/new", "POST /persons/new");
        check("GET", "/", "GET /");
        check("GET", "/persons/%E5%BC%A0%20a", "GET /persons/{id}");
        check("GET", "/%e4%ba%BA%E5%8F%A3/7", "GET /人口/{id}");
        for path in [
            "/persons",
            "/persons/",
            "/persons/7/x",
            "/persons/..",
            "/persons/%2e%2e",
            "//persons/7",
            "/persons/a%2Fb",
            "persons/7",
            "/persons/a\\b",
            // What the API reads as /persons/new, or may.
            "/persons/%6eew",
            "/persons/%6Eew",
            "/persons/%256eew",
            "/persons/new;x",
            "/persons/new%3bx",
            "/persons/new%3Fx",
            "/persons/new%23",
            "/%70ersons/new",
            "/persons/new%0a",
            // No bytes, and no text.
            "/persons/%+6",
            "/persons/%6",
            "/persons/%",
            "/persons/%C0%AF",
        ] {
            check("GET", path, "none");
        }
    }
}
