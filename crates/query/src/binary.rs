//! Operators between numbers, and between series and a number.

use crate::ast::{Binary, Operator};
use crate::value::{ABSENT, Row, is_absent};

/// The result of an arithmetic operator.
#[inline]
pub(crate) fn arithmetic(op: Operator, a: f64, b: f64) -> f64 {
    match op {
        Operator::Add => a + b,
        Operator::Sub => a - b,
        Operator::Mul => a * b,
        Operator::Div => a / b,
        Operator::Mod => a % b,
        Operator::Pow => power(a, b),
        Operator::Atan2 => a.atan2(b),
        _ => f64::from(u8::from(compare(op, a, b))),
    }
}

fn power(a: f64, b: f64) -> f64 {
    a.powf(b)
}

/// Whether a comparison holds.
#[inline]
pub(crate) fn compare(op: Operator, a: f64, b: f64) -> bool {
    match op {
        Operator::Equal => a == b,
        Operator::NotEqual => a != b,
        Operator::Less => a < b,
        Operator::LessEqual => a <= b,
        Operator::Greater => a > b,
        Operator::GreaterEqual => a >= b,
        _ => false,
    }
}

pub(crate) fn scalars(op: Operator, mut a: Vec<f64>, b: &[f64]) -> Vec<f64> {
    a.iter_mut().zip(b).for_each(|(a, b)| *a = arithmetic(op, *a, *b));
    a
}

/// Between every series and a scalar; `swapped` when the scalar stands on the left.
pub(crate) fn with_scalar(node: &Binary, mut rows: Vec<Row>, scalar: &[f64], swapped: bool) -> Vec<Row> {
    let op = node.op;
    let filters = op.compares() && !node.bool;
    for row in &mut rows {
        row.drop_name |= !filters;
        for (value, scalar) in row.values.iter_mut().zip(scalar) {
            if is_absent(*value) {
                continue;
            }
            let (a, b) = if swapped { (*scalar, *value) } else { (*value, *scalar) };
            if filters {
                if !compare(op, a, b) {
                    *value = ABSENT;
                }
            } else {
                *value = arithmetic(op, a, b);
            }
        }
    }
    if filters {
        rows.retain(|row| row.values.iter().any(|v| !is_absent(*v)));
    }
    rows
}
