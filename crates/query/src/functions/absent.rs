//! `absent` and `absent_over_time`: a value where there is none.

use crate::ast::{Expr, Node};
use crate::error::Result;
use crate::eval::Evaluator;
use crate::labels::{Labels, NAME};
use crate::matcher::MatchOp;
use crate::value::{ABSENT, Grid, Row, is_there};

pub(crate) fn absent(eval: &mut Evaluator<'_>, arg: &Expr, grid: Grid) -> Result<Vec<Row>> {
    eval.meter.hold(1, grid.steps)?;
    let mut present = vec![false; grid.steps];
    for row in eval.vector(arg, grid)? {
        present.iter_mut().zip(&row.values).for_each(|(p, v)| *p |= is_there(*v));
    }
    Ok(where_not(&present, labels_of(arg)))
}

pub(crate) fn absent_over_time(eval: &mut Evaluator<'_>, arg: &Expr, grid: Grid) -> Result<Vec<Row>> {
    eval.meter.hold(1, grid.steps)?;
    let mut present = vec![false; grid.steps];
    let matrix = eval.matrix(arg, grid)?;
    for track in &matrix.tracks {
        eval.meter.work(grid.steps as u64)?;
        matrix.frame.windows(&track.times, |step, from, to| present[step] |= from < to);
    }
    Ok(where_not(&present, labels_of(arg)))
}

fn where_not(present: &[bool], labels: Labels) -> Vec<Row> {
    let values: Vec<f64> = present.iter().map(|p| if *p { ABSENT } else { 1.0 }).collect();
    vec![Row { labels, drop_name: false, values }]
}

/// What a selector says of the labels of the series it does not find.
fn labels_of(arg: &Expr) -> Labels {
    let Node::Selector(selector) = &arg.bare().node else { return Labels::default() };
    // The first `=` sets a label; any other matcher of that name that comes later removes it.
    let mut equal: Vec<&str> = Vec::new();
    let mut said: Vec<(&str, &str)> = Vec::new();
    for matcher in selector.matchers.iter().filter(|m| m.name != NAME) {
        let name = matcher.name.as_str();
        if matcher.op == MatchOp::Equal && !equal.contains(&name) {
            equal.push(name);
            said.push((name, &matcher.value));
        } else {
            said.retain(|(n, _)| *n != name);
        }
    }
    Labels::new(said)
}
