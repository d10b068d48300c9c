//! Queries back to text: what is printed is read as the same query again.

use std::fs;
use std::path::Path;

use chasar_query::Query;

/// All expressions of our scripts that are valid.
fn expressions() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder of scripts") {
        let text = fs::read_to_string(entry.expect("a readable folder").path()).expect("a script is text");
        for line in text.lines().filter(|l| l.starts_with("eval")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let skip = if words[1] == "instant" { 4 } else { 8 };
            let rest = line.split_inclusive(' ').skip(skip).collect::<String>();
            if Query::parse(&rest).is_ok() {
                found.push(rest);
            }
        }
    }
    assert!(found.len() > 200, "only {} expressions", found.len());
    found
}

#[test]
fn printed_is_read_as_the_same() {
    for text in expressions() {
        let query = Query::parse(&text).expect("it was valid before");
        let line = query.to_string();
        let again = Query::parse(&line).unwrap_or_else(|e| panic!("{text} became {line}: {e}"));
        assert_eq!(again.to_string(), line, "of {text}");
        assert_eq!(again.tree_json(), query.tree_json(), "{text} became {line}");
        let pretty = query.formatted();
        let again = Query::parse(&pretty).unwrap_or_else(|e| panic!("{text} became {pretty}: {e}"));
        assert_eq!(again.tree_json(), query.tree_json(), "{text} became {pretty}");
    }
}

#[test]
fn long_queries_get_lines() {
    let text = "sum by(host)(rate(a_very_long_metric_name_indeed_total{mode='user',host=~'x.*'}[5m]))/on(host)\
                group_left(os)another_very_long_metric_name_total>bool 1";
    let wanted = r#"    sum by (host) (rate(a_very_long_metric_name_indeed_total{mode="user", host=~"x.*"}[5m]))
  / on (host) group_left (os)
    another_very_long_metric_name_total
> bool
  1"#;
    assert_eq!(Query::parse(text).expect("valid").formatted(), wanted);
    let short = Query::parse("-x{ a = 'b' }  offset 90m@3  ").expect("valid");
    assert_eq!(short.formatted(), r#"-x{a="b"} @ 3.000 offset 1h30m"#);
}

#[test]
fn trees_are_prometheus_json() {
    let query = Query::parse("sum by (a) (rate(x[5m])) > 1").expect("valid");
    let wanted = concat!(
        r#"{"type":"binaryExpr","op":">","lhs":{"type":"aggregation","op":"sum","expr":"#,
        r#"{"type":"call","func":{"name":"rate","argTypes":["matrix"],"variadic":0,"returnType":"vector"},"args":["#,
        r#"{"type":"matrixSelector","name":"x","range":300000,"matchers":"#,
        r#"[{"name":"__name__","type":"=","value":"x"}],"offset":0,"timestamp":null,"startOrEnd":null}]},"#,
        r#""param":null,"grouping":["a"],"without":false},"#,
        r#""rhs":{"type":"numberLiteral","val":"1"},"matching":null,"bool":false}"#
    );
    assert_eq!(query.tree_json(), wanted);
}

#[test]
fn parts_are_what_gives_series() {
    let parts = |text: &str| Query::parse(text).expect("a query").parts();
    let alert = "(a / b{x=\"1\"} < 0.1 and on (x) rate(c[5m]) > bool 2) unless a";
    assert_eq!(
        parts(alert),
        [
            "a / b{x=\"1\"} < 0.1 and on (x) rate(c[5m]) > bool 2",
            "a / b{x=\"1\"} < 0.1",
            "a / b{x=\"1\"}",
            "a",
            "b{x=\"1\"}",
            "rate(c[5m]) > bool 2",
            "rate(c[5m])",
        ]
    );
    assert_eq!(
        parts("topk(scalar(k), -max_over_time(a[1h:1m]))"),
        ["k", "-max_over_time(a[1h:1m])", "max_over_time(a[1h:1m])"]
    );
    assert!(parts("a").is_empty() && parts("1 + 1").is_empty());
}
