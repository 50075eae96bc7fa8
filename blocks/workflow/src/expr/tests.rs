use serde_json::json;

use super::*;

fn check(text: &str, variables: &Value, expected: &Value) {
    let expr = Expr::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    let value = expr
        .evaluate(variables.as_object().unwrap())
        .unwrap_or(Value::Null);
    assert_eq!(&value, expected, "{text} → {}", expr.as_feel());
}

#[test]
fn a_variable_may_be_called_like_a_function_or_a_keyword() {
    let all = json!({
        "amount": 12, "number": "x", "string": "y", "count": 5, "l": [1, 2], "contains": "z",
        "date": "2026-01-01", "time": "10:00", "duration": 5, "if": 3, "in": 4, "of": "6",
    });
    for text in [
        "${amount > 9}",
        "${amount == 12}",
        "${amount + 1 == 13}",
        "${l.size() == 2}",
        "${count > 4}",
        "${number == 'x' && string == 'y'}",
        "${contains.contains('z')}",
        "${date == '2026-01-01'}",
        "${if + in == 7}",
        "${of == 6}",
        "${execution.getVariable('time') == '10:00'}",
        "count(l) = 2",
        "duration = 5",
        "date = \"2026-01-01\"",
    ] {
        check(text, &all, &json!(true));
    }
}

#[test]
fn types_are_known_and_double_equals_compares() {
    let all = json!({"a": 1, "t": "x", "number": 5});
    for text in [
        "a == 1",
        "t == \"x\"",
        "t == 'x' and a == 1",
        "a instance of number",
        "t instance of string",
        "(t instance of string) and a instance of number",
        "number = 5",
    ] {
        check(text, &all, &json!(true));
    }
    check("a == 2", &all, &json!(false));
}

#[test]
fn feel_is_evaluated_over_json() {
    check(
        "amount > 1000 and region = \"511602\"",
        &json!({"amount": 1500, "region": "511602"}),
        &json!(true),
    );
    check("a + b", &json!({"a": 1, "b": 2}), &json!(3));
    check("a-b", &json!({"a": 1, "b": 2}), &json!(-1));
    check("面积 * 2", &json!({"面积": 60.5}), &json!(121));
    check("price * 0.1", &json!({"price": 12.5}), &json!(1.25));
    check(
        "case.applicant.age >= 18",
        &json!({"case": {"applicant": {"age": 18}}}),
        &json!(true),
    );
    check(
        "string length(name) + 1",
        &json!({"name": "合成"}),
        &json!(3),
    );
    check(
        "= x",
        &json!({"x": [1, {"a": null}]}),
        &json!([1, {"a": null}]),
    );
    check(
        "count(items) > 2",
        &json!({"items": [1, 2, 3]}),
        &json!(true),
    );
    check(
        "if ok then \"yes\" else \"no\"",
        &json!({"ok": false}),
        &json!("no"),
    );
    check(
        "{fee: n * 2, \"kind\": \"x\"}",
        &json!({"n": 4}),
        &json!({"fee": 8, "kind": "x"}),
    );
    check(
        "some i in items satisfies i > 2",
        &json!({"items": [1, 2, 3]}),
        &json!(true),
    );
    check(
        "date(d) + duration(\"P1D\")",
        &json!({"d": "2026-01-31"}),
        &json!("2026-02-01"),
    );
    check(
        "list contains(kinds, \"餐饮\")",
        &json!({"kinds": ["餐饮"]}),
        &json!(true),
    );
    check(
        "12345678901234567",
        &json!({}),
        &json!(12_345_678_901_234_567_i64),
    );
}

#[test]
fn braces_of_other_engines_are_translated() {
    check(
        "${approved == true && amount > 10}",
        &json!({"approved": true, "amount": 11}),
        &json!(true),
    );
    check("${!approved}", &json!({"approved": false}), &json!(true));
    check("${not empty reason}", &json!({"reason": "x"}), &json!(true));
    check("${empty reason}", &json!({"reason": ""}), &json!(true));
    check("${empty reason}", &json!({}), &json!(true));
    check(
        "${status == 'ok' || status eq \"fine\"}",
        &json!({"status": "fine"}),
        &json!(true),
    );
    check(
        "${a.b ne 'x' and n le 3}",
        &json!({"a": {"b": "y"}, "n": 3}),
        &json!(true),
    );
    check(
        "#{n mod 2 == 0 ? 'even' : 'odd'}",
        &json!({"n": 4}),
        &json!("even"),
    );
    check(
        "${execution.getVariable('a') == 1}",
        &json!({"a": 1}),
        &json!(true),
    );
    check(
        "post-${region}",
        &json!({"region": "511602"}),
        &json!("post-511602"),
    );
    check(
        "${outcome}",
        &json!({"outcome": "approve"}),
        &json!("approve"),
    );
    check(
        "${kinds.contains('b')}",
        &json!({"kinds": ["a", "b"]}),
        &json!(true),
    );
    check(
        "test.contains(\"a\")",
        &json!({"test": "xay"}),
        &json!(true),
    );
    check(
        "${name.startsWith('a') && !name.equals('ab')}",
        &json!({"name": "abc"}),
        &json!(true),
    );
    check(
        "approved == 'yes' && n > 1",
        &json!({"approved": "yes", "n": 2}),
        &json!(true),
    );
}

#[test]
fn unlike_operands_are_made_alike_as_there() {
    let held =
        json!({"n": 5, "m": 10, "five": "5", "ten": "10", "yes": "true", "ok": true, "a": "a"});
    for (text, expected) in [
        ("${n == '5'}", true),
        ("${n != '5'}", false),
        ("${five == 5}", true),
        ("${five == n}", true),
        ("${five != n}", false),
        ("${n > '4'}", true),
        ("${five < 10}", true),
        ("${five < m}", true),
        // Two texts are compared as texts.
        ("${five < ten}", false),
        ("${a != 5}", true),
        ("${yes == true}", true),
        ("${ok == 'true'}", true),
        ("${yes && ok}", true),
        ("${!yes}", false),
        ("${missing == 'x'}", false),
        ("${missing != 'x'}", true),
        ("${missing == null}", true),
        ("${n == 5.0 && five == 5.0}", true),
        ("${n + 1 == '6'}", true),
    ] {
        check(text, &held, &json!(expected));
    }
    check("${yes ? 'a' : 'b'}", &held, &json!("a"));
    check("${five + ten}", &held, &json!(15));
    check("${ten - five}", &held, &json!(5));
    check("${five * '3'}", &held, &json!(15));
    check("${a + a}", &held, &json!("aa"));
    check("${'n' + 'a'}", &held, &json!("na"));
    check("${1.5e3 + 2e-1}", &held, &json!(1500.2));
    for (text, expected) in [("${yes}", true), ("${a}", false), ("yes", false)] {
        let expr = Expr::parse(text).unwrap();
        assert_eq!(
            expr.is_true(held.as_object().unwrap()).unwrap(),
            expected,
            "{text}"
        );
    }
}

#[test]
fn maps_are_read_and_may_be_empty() {
    let held = json!({"map": {"a-b": 5, "c": 1}, "none": {}, "list": [], "text": ""});
    for (text, expected) in [
        ("${map['a-b'] == 5}", true),
        ("${map['c'] == 1}", true),
        (
            "${empty none && empty list && empty text && empty missing}",
            true,
        ),
        ("${empty map}", false),
        ("${none.isEmpty() && list.isEmpty()}", true),
        ("${map.isEmpty()}", false),
    ] {
        check(text, &held, &json!(expected));
    }
}

#[test]
fn what_is_written_twice_does_not_grow_without_end() {
    let empties = format!("${{{} a}}", "empty ".repeat(40));
    let parts = format!("${{a{}}}", ".contains('b')".repeat(30));
    let chain = format!("${{a{}}}", " == b".repeat(60));
    for text in [empties, parts, chain] {
        let _ = Expr::parse(&text);
    }
}

#[test]
fn what_may_not_end_is_told_from_the_rest() {
    for text in [
        "count(for x in 1..n, y in 1..n return x)",
        "some x in list satisfies x > 1",
        "{f: function(n) f(n + 1), r: f(1)}",
        r#""\"" + string(count(for x in l return x))"#,
        "{a: x + x, b: a + a, c: b + b}",
        "a[item > 1][item < 5]",
        "replace(replace(t, \"a\", \"aaaa\"), \"a\", \"aaaa\")",
        "/* \" */ count(for x in l return x) /* \" */",
        "distinct values(list)",
    ] {
        assert!(is_heavy(text), "{text}");
    }
    for text in [
        "amount > 1000 and region = \"for all\"",
        "{fee: n * 2, \"kind\": \"x\", due: date(d) + duration(\"P5D\")}",
        "if ok then items[1].price else 0",
        "amount in [100000..500000]",
        "count(items) > 2 and contains(name, \"sort\")",
    ] {
        assert!(!is_heavy(text), "{text}");
    }
}

#[test]
fn words_that_only_look_like_trouble_are_allowed() {
    check(
        "amount in [100000..500000]",
        &json!({"amount": 200_000}),
        &json!(true),
    );
    check(
        "${kind == 'external'}",
        &json!({"kind": "external"}),
        &json!(true),
    );
    check("externalId = 5", &json!({"externalId": 5}), &json!(true));
    assert!(Expr::parse("{f: function(x) external {java: {class: \"a\"}}}").is_err());
}

#[test]
fn what_is_no_expression_is_refused() {
    for text in [
        "",
        "a >",
        "${a",
        "${a b c}",
        "now() > x",
        "((((",
        "${foo.bar(}",
        "for i in 1..999999999 return i",
    ] {
        assert!(Expr::parse(text).is_err(), "{text}");
    }
    assert!(Expr::parse(&"(".repeat(5_000)).is_err());
    assert!(Expr::parse(&format!("1{}", "+1".repeat(5_000))).is_err());
    assert!(Expr::parse(&format!("1{}", "+1".repeat(100))).is_ok());
}

#[test]
fn a_missing_variable_is_never_true() {
    let expr = Expr::parse("amount > 1000").unwrap();
    assert!(!expr.is_true(&Map::new()).unwrap());
    let expr = Expr::parse("amount = \"x\"").unwrap();
    assert!(
        !expr
            .is_true(json!({"amount": 3}).as_object().unwrap())
            .unwrap()
    );
}

#[test]
fn what_is_counted_from_now_is_counted_from_the_step() {
    let vars = json!({
        "n": 2, "text": "3", "before": "2026-01-31T10:29:59+08:00", "day": "2026-01-31",
        "later": "2026-02-01T00:00:00", "utc": "2026-01-31T02:30:01Z", "odd": "soon",
    });
    let at = At {
        vars: vars.as_object().unwrap(),
        now: "2026-01-31T02:30:00Z".parse().unwrap(),
    };
    for (text, expected) in [
        ("${now()}", json!("2026-01-31T10:30:00+08:00")),
        ("${dateTime().toDate()}", json!("2026-01-31T10:30:00+08:00")),
        (
            "${dateTime().plusWeeks(1).toDate()}",
            json!("2026-02-07T10:30:00+08:00"),
        ),
        (
            "${dateTime().plusDays(3)}",
            json!("2026-02-03T10:30:00+08:00"),
        ),
        (
            "#{dateTime().plusMonths(1)}",
            json!("2026-02-28T10:30:00+08:00"),
        ),
        (
            "${dateTime().minusYears(1)}",
            json!("2025-01-31T10:30:00+08:00"),
        ),
        (
            "${dateTime().plusHours(n).minusMinutes(text).toDate()}",
            json!("2026-01-31T12:27:00+08:00"),
        ),
        (
            "${dateTime().plusDays(n + 1)}",
            json!("2026-02-03T10:30:00+08:00"),
        ),
        ("dateTime().plusDays(1)", json!("2026-02-01T10:30:00+08:00")),
        ("by ${now()}", json!("by 2026-01-31T10:30:00+08:00")),
        ("${before < now()}", json!(true)),
        ("${now() < before}", json!(false)),
        (
            "${utc > now() && utc < dateTime().plusMinutes(1)}",
            json!(true),
        ),
        ("${later > now()}", json!(true)),
        ("${later > dateTime().plusDays(1)}", json!(false)),
        ("${day < now()}", json!(true)),
        ("${odd < now()}", json!(false)),
        ("${unknown < now()}", json!(false)),
        ("${now() == now()}", json!(true)),
        ("${before != now()}", json!(true)),
    ] {
        let expr = Expr::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let value = expr
            .evaluate(&at)
            .unwrap_or_else(|e| panic!("{text}: {e} ({})", expr.as_feel()));
        assert_eq!(value, expected, "{text} → {}", expr.as_feel());
    }
    // A variable of that name is no clock.
    check("${now == 1}", &json!({"now": 1}), &json!(true));
    // Without a step there is no moment.
    assert!(
        Expr::parse("${now()}")
            .unwrap()
            .evaluate(&Map::new())
            .is_err()
    );
}

#[test]
fn other_dates_of_java_are_refused_by_name() {
    for (text, name) in [
        (
            "${dateTime().withTimeAtStartOfDay()}",
            "withTimeAtStartOfDay",
        ),
        ("${dateTime().plusSeconds(5)}", "plusSeconds"),
        ("${dateTime().plus(5)}", "plus"),
        ("${now().getTime()}", "getTime"),
        ("${dateTime().dayOfWeek}", "dayOfWeek"),
        ("${execution.getBusinessKey()}", "execution"),
    ] {
        let refused = Expr::parse(text).unwrap_err();
        assert!(refused.contains(&format!("`{name}`")), "{text}: {refused}");
    }
    for feel in ["now()", "now() > date(x)", "today()", "=now()"] {
        let refused = Expr::parse(feel).unwrap_err();
        assert!(refused.contains("use a variable"), "{feel}: {refused}");
    }
}
