//! A query as it was understood: types are checked, every part knows its place in the text.

use crate::error::Span;
use crate::functions::Function;
use crate::matcher::Matcher;

/// What an expression gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// A number a step.
    Scalar,
    /// A text.
    Text,
    /// Series with at most one sample a step.
    Vector,
    /// Series with a stretch of samples a step.
    Matrix,
}

impl ValueType {
    /// Prometheus's word for it in messages.
    pub fn shown(self) -> &'static str {
        match self {
            ValueType::Scalar => "scalar",
            ValueType::Text => "string",
            ValueType::Vector => "instant vector",
            ValueType::Matrix => "range vector",
        }
    }
}

/// A part of a query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expr {
    pub(crate) node: Node,
    pub(crate) span: Span,
    /// How deep it nests, for the limit.
    pub(crate) depth: usize,
}

/// What a part of a query is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Number(f64),
    Text(String),
    Paren(Box<Expr>),
    /// Only minus: a plus is dropped by the parser.
    Negate(Box<Expr>),
    Binary(Box<Binary>),
    Aggregate(Box<Aggregate>),
    Call(Call),
    Selector(Selector),
    Subquery(Box<Subquery>),
}

/// `left op right`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Binary {
    pub(crate) op: Operator,
    pub(crate) left: Expr,
    pub(crate) right: Expr,
    /// A comparison that gives 0 or 1 instead of filtering.
    pub(crate) bool: bool,
    pub(crate) matching: Matching,
}

/// An operator between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    And,
    Or,
    Unless,
}

impl Operator {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Sub => "-",
            Operator::Mul => "*",
            Operator::Div => "/",
            Operator::Mod => "%",
            Operator::Pow => "^",
            Operator::Atan2 => "atan2",
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::LessEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterEqual => ">=",
            Operator::And => "and",
            Operator::Or => "or",
            Operator::Unless => "unless",
        }
    }

    pub(crate) fn compares(self) -> bool {
        use Operator::*;
        matches!(self, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual)
    }

    pub(crate) fn is_set(self) -> bool {
        matches!(self, Operator::And | Operator::Or | Operator::Unless)
    }

    /// Higher binds tighter.
    pub(crate) fn precedence(self) -> u8 {
        match self {
            Operator::Or => 1,
            Operator::And | Operator::Unless => 2,
            _ if self.compares() => 3,
            Operator::Add | Operator::Sub => 4,
            Operator::Pow => 6,
            _ => 5,
        }
    }
}

/// Which series of both sides belong together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Matching {
    /// `on`: only the labels; `ignoring` (also when nothing was said): all but the labels.
    pub(crate) on: bool,
    /// Whether `on` or `ignoring` was written at all.
    pub(crate) said: bool,
    pub(crate) labels: Vec<String>,
    pub(crate) group: Group,
    /// Labels that `group_left` and `group_right` take over from the one side.
    pub(crate) include: Vec<String>,
    /// What stands for a series that is missing on the left, and on the right.
    pub(crate) fill: (Option<f64>, Option<f64>),
}

/// Which side may have several series for one of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Group {
    #[default]
    OneToOne,
    /// `group_left`
    ManyToOne,
    /// `group_right`
    OneToMany,
}

/// An aggregation over series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Aggregate {
    pub(crate) op: AggregateOp,
    pub(crate) param: Option<Expr>,
    pub(crate) expr: Expr,
    pub(crate) without: bool,
    pub(crate) labels: Vec<String>,
    /// Whether `by` or `without` was written.
    pub(crate) said: bool,
}

/// What an aggregation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AggregateOp {
    Sum,
    Min,
    Max,
    Avg,
    Group,
    Stddev,
    Stdvar,
    Count,
    CountValues,
    Bottomk,
    Topk,
    Quantile,
    Limitk,
    LimitRatio,
}

impl AggregateOp {
    const ALL: [AggregateOp; 14] = {
        use AggregateOp::*;
        [
            Sum,
            Min,
            Max,
            Avg,
            Group,
            Stddev,
            Stdvar,
            Count,
            CountValues,
            Bottomk,
            Topk,
            Quantile,
            Limitk,
            LimitRatio,
        ]
    };

    pub(crate) fn name(self) -> &'static str {
        match self {
            AggregateOp::Sum => "sum",
            AggregateOp::Min => "min",
            AggregateOp::Max => "max",
            AggregateOp::Avg => "avg",
            AggregateOp::Group => "group",
            AggregateOp::Stddev => "stddev",
            AggregateOp::Stdvar => "stdvar",
            AggregateOp::Count => "count",
            AggregateOp::CountValues => "count_values",
            AggregateOp::Bottomk => "bottomk",
            AggregateOp::Topk => "topk",
            AggregateOp::Quantile => "quantile",
            AggregateOp::Limitk => "limitk",
            AggregateOp::LimitRatio => "limit_ratio",
        }
    }

    /// Names are not case-sensitive.
    pub(crate) fn find(name: &str) -> Option<AggregateOp> {
        Self::ALL.into_iter().find(|op| op.name().eq_ignore_ascii_case(name))
    }

    /// What stands before the vector in the parentheses.
    pub(crate) fn param(self) -> Option<ValueType> {
        use AggregateOp::*;
        match self {
            CountValues => Some(ValueType::Text),
            Bottomk | Topk | Quantile | Limitk | LimitRatio => Some(ValueType::Scalar),
            _ => None,
        }
    }
}

/// A function applied to arguments.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) function: &'static Function,
    pub(crate) args: Vec<Expr>,
}

/// When a selector or subquery looks, seen from the step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct When {
    pub(crate) offset_ms: i64,
    /// Whether `offset` was written.
    pub(crate) offset_said: bool,
    pub(crate) at: Option<At>,
}

/// What `@` says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum At {
    /// Unix milliseconds.
    Time(i64),
    Start,
    End,
}

/// Series by their labels; with a range a matrix, otherwise an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Selector {
    /// The name before the braces.
    pub(crate) name: Option<String>,
    /// With one for the name.
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) range_ms: Option<i64>,
    pub(crate) when: When,
}

/// An instant vector evaluated over a range.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Subquery {
    pub(crate) expr: Expr,
    pub(crate) range_ms: i64,
    /// `None`: the default resolution.
    pub(crate) step_ms: Option<i64>,
    pub(crate) when: When,
}

impl Expr {
    /// What it is made of that is evaluated at the same instants, in the order of the text.
    pub(crate) fn children(&self) -> Vec<&Expr> {
        match &self.node {
            Node::Paren(inner) | Node::Negate(inner) => vec![inner],
            Node::Binary(binary) => vec![&binary.left, &binary.right],
            Node::Aggregate(aggregate) => aggregate.param.iter().chain([&aggregate.expr]).collect(),
            Node::Call(call) => call.args.iter().collect(),
            Node::Number(_) | Node::Text(_) | Node::Selector(_) | Node::Subquery(_) => Vec::new(),
        }
    }

    pub(crate) fn value_type(&self) -> ValueType {
        match &self.node {
            Node::Number(_) => ValueType::Scalar,
            Node::Text(_) => ValueType::Text,
            Node::Paren(inner) | Node::Negate(inner) => inner.value_type(),
            Node::Binary(binary) => match (binary.left.value_type(), binary.right.value_type()) {
                (ValueType::Scalar, ValueType::Scalar) => ValueType::Scalar,
                _ => ValueType::Vector,
            },
            Node::Aggregate(_) => ValueType::Vector,
            Node::Call(call) => call.function.returns,
            Node::Selector(Selector { range_ms: Some(_), .. }) | Node::Subquery(_) => ValueType::Matrix,
            Node::Selector(_) => ValueType::Vector,
        }
    }

    /// Without parentheses around it.
    pub(crate) fn bare(&self) -> &Expr {
        match &self.node {
            Node::Paren(inner) => inner.bare(),
            _ => self,
        }
    }
}
