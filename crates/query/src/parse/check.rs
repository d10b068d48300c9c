//! What grammar alone does not say: types of operands and arguments.

use crate::ast::{Aggregate, Binary, Call, Expr, Group, Selector, ValueType};
use crate::error::{Error, Result, Span};

/// At least one matcher must not match the empty value, or every series there is would be selected.
pub(super) fn selects_something(selector: &Selector, span: Span) -> Result<()> {
    if selector.matchers.iter().any(|m| !m.matches("")) {
        return Ok(());
    }
    let message = "vector selector must contain at least one non-empty matcher";
    Err(Error::parse(span, message))
}

fn operand(expr: &Expr) -> Result<bool> {
    match expr.value_type() {
        ValueType::Scalar => Ok(true),
        ValueType::Vector => Ok(false),
        _ => Err(Error::parse(
            expr.span,
            "binary expression must contain only scalar and instant vector types",
        )),
    }
}

pub(super) fn binary(binary: &Binary, place: Span) -> Result<()> {
    let scalars = (operand(&binary.left)?, operand(&binary.right)?);
    if scalars == (true, true) && binary.op.compares() && !binary.bool {
        return Err(Error::parse(place, "comparisons between scalars must use BOOL modifier"));
    }
    if (scalars.0 || scalars.1) && binary.op.is_set() {
        let message = format!("set operator {:?} not allowed in binary scalar expression", binary.op.sign());
        return Err(Error::parse(place, message));
    }
    let matching = &binary.matching;
    let matches = matching.said || matching.fill != (None, None);
    if (scalars.0 || scalars.1) && matches {
        return Err(Error::parse(place, "vector matching only allowed between instant vectors"));
    }
    if matching.on
        && matching.group != Group::OneToOne
        && let Some(twice) = matching.include.iter().find(|l| matching.labels.contains(l))
    {
        let message = format!("label {twice:?} must not occur in ON and GROUP clause at once");
        return Err(Error::parse(place, message));
    }
    Ok(())
}

pub(super) fn aggregate(aggregate: &Aggregate) -> Result<()> {
    let place = "aggregation expression";
    typed(&aggregate.expr, ValueType::Vector, place)?;
    if let (Some(param), Some(wanted)) = (&aggregate.param, aggregate.op.param()) {
        typed(param, wanted, "aggregation parameter")?;
    }
    Ok(())
}

pub(super) fn call(call: &Call, span: Span) -> Result<()> {
    let function = call.function;
    let (least, most) = (function.least(), function.most());
    let given = call.args.len();
    let complain = |how: &str, n: usize| {
        let name = function.name;
        Err(Error::parse(span, format!("expected {how}{n} argument(s) in call to {name:?}, got {given}")))
    };
    match most {
        Some(most) if least == most && given != least => return complain("", least),
        Some(most) if given > most => return complain("at most ", most),
        _ if given < least => return complain("at least ", least),
        _ => {}
    }
    for (i, arg) in call.args.iter().enumerate() {
        typed(arg, function.arg(i), &format!("call to function {:?}", function.name))?;
    }
    Ok(())
}

fn typed(expr: &Expr, wanted: ValueType, context: &str) -> Result<()> {
    let got = expr.value_type();
    if got == wanted {
        return Ok(());
    }
    let message = format!("expected type {} in {context}, got {}", wanted.shown(), got.shown());
    Err(Error::parse(expr.span, message))
}
