//! Expressions as JSON, as Prometheus's `/api/v1/parse_query` gives them.

use crate::ast::{At, Binary, Expr, Group, Node, Selector, ValueType, When};
use crate::matcher::Matcher;

use super::number;

/// A text in quotes.
fn text(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn list(values: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", values.into_iter().collect::<Vec<_>>().join(","))
}

fn texts(values: &[String]) -> String {
    list(values.iter().map(|v| text(v)))
}

fn when(when: &When) -> String {
    let (timestamp, edge) = match when.at {
        Some(At::Time(ms)) => (ms.to_string(), "null"),
        Some(At::Start) => ("null".into(), "\"start\""),
        Some(At::End) => ("null".into(), "\"end\""),
        None => ("null".into(), "null"),
    };
    format!("\"offset\":{},\"timestamp\":{timestamp},\"startOrEnd\":{edge}", when.offset_ms)
}

fn selector(selector: &Selector) -> String {
    let matcher = |m: &Matcher| {
        format!("{{\"name\":{},\"type\":{},\"value\":{}}}", text(&m.name), text(m.op.sign()), text(&m.value))
    };
    let name = text(selector.name.as_deref().unwrap_or_default());
    let matchers = list(selector.matchers.iter().map(matcher));
    let (kind, range) = match selector.range_ms {
        Some(range_ms) => ("matrixSelector", format!("\"range\":{range_ms},")),
        None => ("vectorSelector", String::new()),
    };
    format!("{{\"type\":\"{kind}\",\"name\":{name},{range}\"matchers\":{matchers},{}}}", when(&selector.when))
}

fn binary(node: &Binary) -> String {
    let vectors = node.left.value_type() == ValueType::Vector && node.right.value_type() == ValueType::Vector;
    let matching = &node.matching;
    let card = match matching.group {
        _ if node.op.is_set() => "many-to-many",
        Group::OneToOne => "one-to-one",
        Group::ManyToOne => "many-to-one",
        Group::OneToMany => "one-to-many",
    };
    let matching = if vectors {
        format!(
            "{{\"card\":\"{card}\",\"include\":{},\"labels\":{},\"on\":{}}}",
            texts(&matching.include),
            texts(&matching.labels),
            matching.on
        )
    } else {
        "null".into()
    };
    format!(
        "{{\"type\":\"binaryExpr\",\"op\":{},\"lhs\":{},\"rhs\":{},\"matching\":{matching},\"bool\":{}}}",
        text(node.op.sign()),
        tree(&node.left),
        tree(&node.right),
        node.bool
    )
}

fn type_name(of: ValueType) -> &'static str {
    match of {
        ValueType::Scalar => "scalar",
        ValueType::Text => "string",
        ValueType::Vector => "vector",
        ValueType::Matrix => "matrix",
    }
}

/// The expression as a JSON object.
pub(crate) fn tree(expr: &Expr) -> String {
    match &expr.node {
        Node::Number(value) => format!("{{\"type\":\"numberLiteral\",\"val\":{}}}", text(&number(*value))),
        Node::Text(value) => format!("{{\"type\":\"stringLiteral\",\"val\":{}}}", text(value)),
        Node::Paren(inner) => format!("{{\"type\":\"parenExpr\",\"expr\":{}}}", tree(inner)),
        Node::Negate(inner) => format!("{{\"type\":\"unaryExpr\",\"op\":\"-\",\"expr\":{}}}", tree(inner)),
        Node::Binary(node) => binary(node),
        Node::Aggregate(node) => format!(
            "{{\"type\":\"aggregation\",\"op\":{},\"expr\":{},\"param\":{},\"grouping\":{},\"without\":{}}}",
            text(node.op.name()),
            tree(&node.expr),
            node.param.as_ref().map_or("null".into(), tree),
            texts(&node.labels),
            node.without
        ),
        Node::Call(node) => {
            let function = node.function;
            format!(
                "{{\"type\":\"call\",\"func\":{{\"name\":{},\"argTypes\":{},\"variadic\":{},\"returnType\":{}}},\
                 \"args\":{}}}",
                text(function.name),
                list(function.args().iter().map(|a| text(type_name(*a)))),
                function.variadic(),
                text(type_name(function.returns)),
                list(node.args.iter().map(tree))
            )
        }
        Node::Selector(node) => selector(node),
        Node::Subquery(node) => format!(
            "{{\"type\":\"subquery\",\"expr\":{},\"range\":{},\"step\":{},{}}}",
            tree(&node.expr),
            node.range_ms,
            node.step_ms.unwrap_or(0),
            when(&node.when)
        ),
    }
}
