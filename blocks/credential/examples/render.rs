//! Renders and signs one sample certificate to the path given; prints how long each took.
fn main() {
    let path = std::env::args().nth(1).unwrap_or_else(|| "/tmp/sample.pdf".into());
    let setter = credential::Typesetter::new(Vec::new()).expect("typesetter");
    let now = chrono::Utc::now();
    let seal = credential::seal::Seal::open(std::path::Path::new("/tmp/sample-keys"), "云港市", now).expect("seal");
    let data = serde_json::json!({
        "type": {"name": "食品经营许可证", "name_en": "Food Business Licence"},
        "number": "JY20260000000018", "zzbs": "1.2.156.3005.2.11110000000000019K001.11110000000000019K.2025000001.001.D",
        "issuer": {"name": "示范市场监督管理局（合成）", "code": "11110000000000019K"},
        "holder": {"name": "示例餐饮有限公司（合成）", "code": "91110000000000019K"},
        "issued_on": "2026-11-22", "valid_from": "2026-11-22", "valid_to": "2031-11-21",
        "items": [{"title":"经营者名称","value":"示例餐饮有限公司（合成）"},{"title":"经营场所","value":"示范区文昌路1号"},{"title":"有效期","value":"2026年11月22日 至 2031年11月21日"}],
        "face": {}, "verify_url": "http://127.0.0.1:8080/verify/1.2.156", "demo": true, "place": "云港市"
    });
    for i in 0..20 {
        let start = std::time::Instant::now();
        let pdf = setter.render(&credential::typeset::Sheet { template: "#import \"/tongban/certificate.typ\": *\n#face(json(\"/data.json\"))", data: &data, qr: Some("http://127.0.0.1:8080/verify/1.2"), metadata: Some("{\"a\":1}"), now }).expect("render");
        let rendered = start.elapsed();
        std::fs::write(format!("{path}.plain"), &pdf).expect("write");
        let signed = credential::pdf::sign(&pdf, &seal, &credential::pdf::Statement { organ: "示范市场监督管理局（合成）", reason: "证照签发", at: now }).expect("sign");
        eprintln!("{i} {:?} {:?} {} {:?}", rendered, start.elapsed(), signed.len(), credential::pdf::inspect(&signed, &seal));
        std::fs::write(&path, &signed).expect("write");
    }
}
