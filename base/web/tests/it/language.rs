use axum::{body::Body, http::Method};
use web::{Language, Texts};

use crate::house::{House, texts};

/// Path, headers, language found.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

#[store::db_test]
async fn the_readers_language_is_found(db: store::Db) {
    let house = House::new(db);
    let cases: [Case; 7] = [
        ("/hello", &[], "zh-CN"),
        (
            "/hello",
            &[("accept-language", "de,en;q=0.7,zh;q=0.3")],
            "en",
        ),
        ("/hello", &[("accept-language", "zh-HK,zh;q=0.9")], "zh-TW"),
        ("/hello", &[("accept-language", "zh-Hant")], "zh-TW"),
        (
            "/hello",
            &[("accept-language", "en"), ("cookie", "a=b; lang=zh-CN")],
            "zh-CN",
        ),
        ("/hello?lang=en", &[("cookie", "lang=zh-CN")], "en"),
        ("/hello?lang=tlh", &[("cookie", "lang=en")], "en"),
    ];
    for (path, headers, expected) in cases {
        let answer = house.send(Method::GET, path, headers, Body::empty()).await;
        assert_eq!(answer.body, format!("{expected} {path}"), "{headers:?}");
        assert_eq!(answer.header("content-language"), expected);
    }
}

#[store::db_test]
async fn a_chosen_language_is_remembered(db: store::Db) {
    let house = House::new(db);
    let answer = house.get("/hello?lang=en").await;
    assert!(answer.header("set-cookie").starts_with("lang=en;"));
    assert_eq!(house.get("/hello").await.header("set-cookie"), "");
}

#[test]
fn english_has_every_key_of_chinese_and_no_other() {
    let texts = texts();
    assert_eq!(texts.problems(), [""; 0]);
    assert_eq!(texts.keys("zh-CN"), texts.keys("en"));
    assert!(texts.keys("en").contains(&"web-name"));
}

#[test]
fn words_fall_back_to_chinese_and_then_to_the_key() {
    let texts = Texts::new([("zh-CN", "only-here = 仅有中文\n"), ("en", "both = Both\n")]);
    assert_eq!(texts.text(Language::En, "only-here", &[]), "仅有中文");
    assert_eq!(texts.text(Language::En, "nowhere", &[]), "nowhere");
    assert_eq!(texts.text(Language::ZhTw, "nowhere", &[]), "nowhere");
}

#[test]
fn traditional_characters_come_from_simplified_ones() {
    let texts = texts();
    assert_eq!(texts.text(Language::ZhTw, "web-workbench", &[]), "工作臺");
    assert_eq!(texts.script(Language::ZhTw, "食品经营许可"), "食品經營許可");
    assert_eq!(texts.script(Language::ZhCn, "食品经营许可"), "食品经营许可");
}

#[test]
fn numbers_choose_the_plural_and_codes_keep_their_zeros() {
    let texts = texts();
    let count = |n: &str| texts.text(Language::En, "web-errors", &[("count", n.to_owned())]);
    assert_eq!(count("1"), "One thing needs your attention");
    assert_eq!(count("3"), "3 things need your attention");
    let id = texts.text(Language::En, "web-request", &[("id", "0012".to_owned())]);
    assert_eq!(id, "Request number 0012");
}

#[test]
fn mistakes_in_messages_are_reported() {
    let texts = Texts::new([("en", "a = A\na = B\n= lost\n")]);
    assert_eq!(texts.problems().len(), 2, "{:?}", texts.problems());
}
