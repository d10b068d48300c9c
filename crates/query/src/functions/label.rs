//! `label_replace` and `label_join`.

use std::sync::Arc;

use crate::ast::{Call, Expr};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::labels::{Labels, NAME};
use crate::limits::Meter;
use crate::pattern::Refused;
use crate::value::{Grid, Row, merge_same};

/// Longest value that a replacement may make.
const MAX_VALUE_BYTES: usize = 64 * 1024;

/// Longest value that a replacement could make if all its groups were the whole value.
const MAX_EXPANSION_BYTES: usize = 16 * MAX_VALUE_BYTES;

pub(crate) fn replace(eval: &mut Evaluator<'_>, call: &Call, expr: &Expr, grid: Grid) -> Result<Vec<Row>> {
    let rows = eval.vector(&call.args[0], grid)?;
    let mut texts = Vec::new();
    for arg in &call.args[1..] {
        texts.push(eval.text(arg, grid)?);
    }
    let [target, replacement, source, pattern] = &texts[..] else { return Ok(rows) };
    let regex = eval.patterns.whole_value(pattern).map_err(|refused| {
        let message = match refused {
            Refused::Wrong(_) => format!("invalid regular expression in label_replace(): {pattern}"),
            Refused::Large(message) => message,
        };
        Error::execution(call.args[4].span, message)
    })?;
    if target.is_empty() {
        let message = format!("invalid destination label name in label_replace(): {target}");
        return Err(Error::execution(call.args[1].span, message));
    }
    let target: Arc<str> = target.as_str().into();
    // Each group that the replacement names may be the whole value.
    let groups = replacement.bytes().filter(|b| *b == b'$').count();
    let rename = |labels: &Labels| {
        let text = labels.get(source).unwrap_or_default();
        eval.meter.work((text.len() as u64).saturating_mul(1 + pattern.len() as u64))?;
        let Some(found) = regex.captures(text) else { return Ok(None) };
        allowed(replacement.len() + groups * text.len(), MAX_EXPANSION_BYTES, expr)?;
        let mut value = String::new();
        found.expand(replacement, &mut value);
        allowed(value.len(), MAX_VALUE_BYTES, expr)?;
        Ok(Some(value))
    };
    rewritten(rows, &target, rename, expr, &eval.meter)
}

pub(crate) fn join(eval: &mut Evaluator<'_>, call: &Call, expr: &Expr, grid: Grid) -> Result<Vec<Row>> {
    let rows = eval.vector(&call.args[0], grid)?;
    let target = eval.text(&call.args[1], grid)?;
    let separator = eval.text(&call.args[2], grid)?;
    let mut sources = Vec::new();
    for arg in &call.args[3..] {
        let name = eval.text(arg, grid)?;
        if name.is_empty() {
            let message = format!("invalid source label name in label_join(): {name}");
            return Err(Error::execution(arg.span, message));
        }
        sources.push(name);
    }
    if target.is_empty() {
        let message = format!("invalid destination label name in label_join(): {target}");
        return Err(Error::execution(call.args[1].span, message));
    }
    let target: Arc<str> = target.as_str().into();
    let joined = |labels: &Labels| {
        let values: Vec<&str> = sources.iter().map(|s| labels.get(s).unwrap_or_default()).collect();
        let separators = values.len().saturating_sub(1) * separator.len();
        allowed(values.iter().map(|v| v.len()).sum::<usize>() + separators, MAX_VALUE_BYTES, expr)?;
        Ok(Some(values.join(&separator)))
    };
    rewritten(rows, &target, joined, expr, &eval.meter)
}

/// Before a value is made, and after where its length cannot be told before.
fn allowed(bytes: usize, most: usize, expr: &Expr) -> Result<()> {
    if bytes > most {
        let message = format!("a label's value has up to {bytes} bytes, more than {most}");
        return Err(Error::execution(expr.span, message));
    }
    Ok(())
}

fn rewritten(
    mut rows: Vec<Row>,
    target: &Arc<str>,
    value: impl Fn(&Labels) -> Result<Option<String>>,
    expr: &Expr,
    meter: &Meter<'_>,
) -> Result<Vec<Row>> {
    for row in &mut rows {
        meter.work(row.values.len() as u64)?;
        if let Some(value) = value(&row.labels)? {
            // Text counts as samples of the same size.
            meter.hold(1, value.len() / size_of::<f64>() + 1)?;
            row.labels = row.labels.with(target, &value.into());
            if &**target == NAME {
                row.drop_name = false;
            }
        }
    }
    merge_same(rows, expr.span)
}
