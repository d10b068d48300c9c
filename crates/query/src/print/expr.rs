//! Expressions back to text, on one line or, when that is too long, on several.

use crate::ast::{Aggregate, AggregateOp, At, Binary, Expr, Group, Node, Selector, When};
use crate::labels::{NAME, Name};

use super::{Quoted, duration, number};

/// Longest line, as Prometheus formats queries.
const MAX_LINE: usize = 100;

/// A label of a list, quoted when it has to be.
fn labels(names: &[String]) -> String {
    names.iter().map(|n| Name(n).to_string()).collect::<Vec<_>>().join(", ")
}

fn when(when: &When) -> String {
    let mut out = match when.at {
        Some(At::Time(ms)) => format!(" @ {:.3}", ms as f64 / 1000.0),
        Some(At::Start) => " @ start()".into(),
        Some(At::End) => " @ end()".into(),
        None => String::new(),
    };
    if when.offset_ms != 0 {
        out.push_str(&format!(" offset {}", duration(when.offset_ms)));
    }
    out
}

/// Words that mean something else in some places.
const WORDS: &[&str] = &[
    "and",
    "atan2",
    "bool",
    "by",
    "fill",
    "fill_left",
    "fill_right",
    "group_left",
    "group_right",
    "ignoring",
    "inf",
    "nan",
    "offset",
    "on",
    "or",
    "unless",
    "without",
];

/// Whether a metric's name needs no quotes.
fn is_metric(name: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphabetic() || matches!(b, b'_' | b':');
    name.bytes().next().is_some_and(letter)
        && name.bytes().all(|b| letter(b) || b.is_ascii_digit())
        && !WORDS.iter().any(|w| w.eq_ignore_ascii_case(name))
        && AggregateOp::find(name).is_none()
}

fn selector(selector: &Selector) -> String {
    let mut out = String::new();
    let mut inside: Vec<String> = Vec::new();
    let plain = selector.name.as_ref().filter(|name| is_metric(name));
    match (&selector.name, plain) {
        (_, Some(name)) => out.push_str(name),
        (Some(name), None) => inside.push(Quoted(name).to_string()),
        (None, _) => {}
    }
    let own = |name: &str, value: &str| name == NAME && selector.name.as_deref() == Some(value);
    inside.extend(selector.matchers.iter().filter(|m| !own(&m.name, &m.value)).map(ToString::to_string));
    if !inside.is_empty() {
        out.push_str(&format!("{{{}}}", inside.join(", ")));
    }
    if let Some(range_ms) = selector.range_ms {
        out.push_str(&format!("[{}]", duration(range_ms)));
    }
    out + &when(&selector.when)
}

fn operator(binary: &Binary) -> String {
    let mut out = binary.op.sign().to_string();
    if binary.bool {
        out.push_str(" bool");
    }
    let matching = &binary.matching;
    if matching.said && (matching.on || !matching.labels.is_empty() || matching.group != Group::OneToOne) {
        let word = if matching.on { "on" } else { "ignoring" };
        out.push_str(&format!(" {word} ({})", labels(&matching.labels)));
    }
    let group = match matching.group {
        Group::OneToOne => "",
        Group::ManyToOne => " group_left",
        Group::OneToMany => " group_right",
    };
    if !group.is_empty() {
        out.push_str(&format!("{group} ({})", labels(&matching.include)));
    }
    match matching.fill {
        (Some(a), Some(b)) if a.to_bits() == b.to_bits() => out.push_str(&format!(" fill ({})", number(a))),
        (left, right) => {
            for (word, value) in [("fill_left", left), ("fill_right", right)] {
                if let Some(value) = value {
                    out.push_str(&format!(" {word} ({})", number(value)));
                }
            }
        }
    }
    out
}

fn aggregation(aggregate: &Aggregate) -> String {
    let mut out = aggregate.op.name().to_string();
    if aggregate.said && (aggregate.without || !aggregate.labels.is_empty()) {
        let word = if aggregate.without { "without" } else { "by" };
        out.push_str(&format!(" {word} ({}) ", labels(&aggregate.labels)));
    }
    out
}

/// The expression on one line.
pub(crate) fn line(expr: &Expr) -> String {
    match &expr.node {
        Node::Number(value) => number(*value),
        Node::Text(text) => Quoted(text).to_string(),
        Node::Paren(inner) => format!("({})", line(inner)),
        Node::Negate(inner) => format!("-{}", line(inner)),
        Node::Binary(binary) => {
            format!("{} {} {}", line(&binary.left), operator(binary), line(&binary.right))
        }
        Node::Aggregate(aggregate) => {
            let param = aggregate.param.as_ref().map(|p| line(p) + ", ").unwrap_or_default();
            format!("{}({param}{})", aggregation(aggregate), line(&aggregate.expr))
        }
        Node::Call(call) => {
            let args: Vec<String> = call.args.iter().map(line).collect();
            format!("{}({})", call.function.name, args.join(", "))
        }
        Node::Selector(node) => selector(node),
        Node::Subquery(node) => {
            let step = node.step_ms.map(duration).unwrap_or_default();
            format!("{}[{}:{step}]{}", line(&node.expr), duration(node.range_ms), when(&node.when))
        }
    }
}

/// The expression with its parts indented where one line is too long.
pub(crate) fn pretty(expr: &Expr, level: usize) -> String {
    let indent = "  ".repeat(level);
    let whole = line(expr);
    if whole.len() <= MAX_LINE {
        return indent + &whole;
    }
    let list =
        |parts: &[&Expr]| parts.iter().map(|part| pretty(part, level + 1)).collect::<Vec<_>>().join(",\n");
    match &expr.node {
        Node::Paren(inner) => format!("{indent}(\n{}\n{indent})", pretty(inner, level + 1)),
        Node::Negate(inner) => format!("{indent}-{}", pretty(inner, level).trim_start()),
        Node::Binary(binary) => format!(
            "{}\n{indent}{}\n{}",
            pretty(&binary.left, level + 1),
            operator(binary),
            pretty(&binary.right, level + 1)
        ),
        Node::Aggregate(aggregate) => {
            let parts: Vec<&Expr> = aggregate.param.iter().chain([&aggregate.expr]).collect();
            format!("{indent}{}(\n{}\n{indent})", aggregation(aggregate), list(&parts))
        }
        Node::Call(call) if !call.args.is_empty() => {
            let parts: Vec<&Expr> = call.args.iter().collect();
            format!("{indent}{}(\n{}\n{indent})", call.function.name, list(&parts))
        }
        Node::Subquery(node) => {
            let step = node.step_ms.map(duration).unwrap_or_default();
            let range = duration(node.range_ms);
            format!("{}[{range}:{step}]{}", pretty(&node.expr, level), when(&node.when))
        }
        _ => indent + &whole,
    }
}
