//! Series selectors as `match[]` takes them.

use chasar_query::{Kind, parse_selector};

fn shown(text: &str) -> Vec<String> {
    parse_selector(text).unwrap_or_else(|e| panic!("{text}: {e}")).iter().map(|m| m.to_string()).collect()
}

#[test]
fn selectors_become_matchers() {
    assert_eq!(shown("up"), [r#"__name__="up""#]);
    assert_eq!(shown("job:up:sum5m"), [r#"__name__="job:up:sum5m""#]);
    assert_eq!(
        shown(r#"{job="a", x!="b",y=~"c.*" , z!~'d',}"#),
        [r#"job="a""#, r#"x!="b""#, r#"y=~"c.*""#, r#"z!~"d""#]
    );
    assert_eq!(
        shown(r#"{"näme with spaces", "a.b"="c"}"#),
        [r#""a.b"="c""#, r#"__name__="näme with spaces""#]
    );
    assert_eq!(shown(r#"{__name__=~"node_.*"}"#), [r#"__name__=~"node_.*""#]);
    assert_eq!(shown("sum{a=`\\d`}"), [r#"a="\\d""#, r#"__name__="sum""#]);
    let matchers = parse_selector(r#"{a=~"x|y"}"#).expect("valid");
    assert!(matchers[0].matches("x") && !matchers[0].matches("xy"), "patterns match the whole value");
}

#[test]
fn errors_say_where() {
    for (text, wanted) in [
        ("", "1:1: parse error: unexpected end of input"),
        ("{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        (r#"{a=""}"#, "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("{a=~\"(\"}", "1:2: parse error: error parsing regexp"),
        ("up[5m]", "1:3: parse error: unexpected \"[\" after the expression"),
        ("{\n a='1' b", "2:8: parse error: unexpected identifier \"b\" in label matching"),
        (r#"up{__name__="down"}"#, "1:1: parse error: metric name must not be set twice"),
        (r#"{"a", "b"}"#, "1:7: parse error: metric name must not be set twice"),
        ("{a=\"b", "1:4: parse error: unterminated quoted string"),
        ("$", "1:1: parse error: unexpected character: '$'"),
    ] {
        let error = parse_selector(text).expect_err(text);
        assert_eq!(error.kind, Kind::Parse);
        assert!(error.to_string().starts_with(wanted), "{text}: {error}");
    }
    let long = "a".repeat(chasar_query::MAX_TEXT_BYTES + 1);
    assert!(parse_selector(&long).is_err());
}
