//! Metadata of a certificate by GB/T 36903 short names, as one canonical text that is signed.

use std::collections::BTreeMap;

use identity::PartyKind;
use serde_json::Value;

use crate::certificate::Certificate;

/// JSON with sorted keys and without blanks: equal for equal certificates, so that a signature
/// can be checked against the row years later. Status is not part of it.
pub fn canonical(certificate: &Certificate) -> String {
    let (kind_name, kind_code) = match certificate.holder_kind {
        PartyKind::Legal => ("统一社会信用代码", "001"),
        PartyKind::Natural => ("公民身份号码", "111"),
    };
    let issued_on = certificate.issued_on.to_string();
    let valid_from = certificate.valid_from.to_string();
    let valid_to = certificate.valid_to.to_string();
    let created_at = certificate
        .created_at
        .to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let core = [
        ("ZZMC", certificate.type_name.as_str()),
        ("ZZLXMC", &certificate.type_name),
        ("ZZLXDM", &certificate.type_code),
        ("ZZBH", &certificate.number),
        ("ZZBS", &certificate.zzbs),
        ("ZZBFJG", &certificate.issuer_name),
        ("ZZBFJGDM", &certificate.issuer_code),
        ("ZZBFRQ", &issued_on),
        ("CZZT", &certificate.holder_name),
        ("CZZTDM", &certificate.holder_code),
        ("CZZTDMLX", kind_name),
        ("CZZTDMLXDM", kind_code),
        ("ZZYXQQSRQ", &valid_from),
        ("ZZYXQJZRQ", &valid_to),
        ("CJSJ", &created_at),
    ];
    let mut all: BTreeMap<String, Value> = core
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Value::from(value)))
        .collect();
    for (key, value) in &certificate.face {
        all.insert(format!("KZ_{key}"), value.clone());
    }
    let map: serde_json::Map<String, Value> = all.into_iter().collect();
    Value::Object(map).to_string()
}

/// The metadata, its signature and the key's name, as they are attached to the file.
pub fn attached(canonical: &str, signature: &str, key_id: &str) -> String {
    serde_json::json!({ "metadata": canonical, "algorithm": "SM2-SM3", "key": key_id, "signature": signature })
        .to_string()
}
