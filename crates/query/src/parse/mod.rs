//! Text to checked expressions: a precedence-climbing parser over tokens with places.
//!
//! It is written by hand because every part of the result has to know its place in the text, for
//! errors and for annotations, and because nesting has to be bounded while it is read.

mod check;
mod lexer;
mod modifiers;
mod selector;

use crate::ast::{Aggregate, AggregateOp, Binary, Call, Expr, Group, Matching, Node, Operator, ValueType};
use crate::error::{Error, Result, Span};
use crate::functions;
use crate::matcher::Matcher;
use crate::pattern::Patterns;
use lexer::Token;

/// Longest text of a query, in bytes.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;

/// How deep expressions may nest; a chain of operators of the same rank nests too.
pub const MAX_DEPTH: usize = 100;

/// Reads a whole query.
pub(crate) fn expression(text: &str) -> Result<Expr> {
    let parse = || {
        let mut parser = Parser::new(text)?;
        if parser.peek() == &Token::End {
            return Err(Error::parse(parser.span(), "no expression found in input"));
        }
        let expr = parser.expr(0)?;
        parser.end()?;
        Ok(expr)
    };
    parse().map_err(|e: Error| e.placed(text))
}

/// Reads a series selector like `up`, `{job="a"}` or `{"name with spaces", job=~"a|b"}`, as `match[]`
/// of the HTTP API takes it. A metric's name becomes a matcher of the label `__name__`.
///
/// # Errors
/// When it is something else, a pattern is no regular expression, or every matcher also matches the
/// empty value (which would select every series there is).
///
/// ```
/// let matchers = chasar_query::parse_selector(r#"node_load1{instance=~"web.*"}"#)?;
/// assert_eq!(matchers[1].to_string(), r#"__name__="node_load1""#);
/// # Ok::<(), chasar_query::Error>(())
/// ```
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>> {
    let parse = || {
        let mut parser = Parser::new(text)?;
        let begin = parser.span();
        let selector = parser.selector()?;
        parser.end()?;
        check::selects_something(&selector, begin)?;
        Ok(selector.matchers)
    };
    parse().map_err(|e: Error| e.placed(text))
}

pub use lexer::duration_ms;

/// Reads a selector that may also be empty, as scripts describe series.
pub(crate) fn description(text: &str) -> Result<Vec<Matcher>> {
    let parse = || {
        let mut parser = Parser::new(text)?;
        let selector = parser.selector()?;
        parser.end()?;
        Ok(selector.matchers)
    };
    parse().map_err(|e: Error| e.placed(text))
}

/// Reads a quoted string.
pub(crate) fn string(text: &str) -> Result<String> {
    let mut parser = Parser::new(text)?;
    match parser.next() {
        (Token::Text(text), _) => parser.end().map(|()| text),
        (_, span) => Err(Error::parse(span, "expected a string").placed(text)),
    }
}

struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
    /// How deep the reading itself nests.
    nesting: usize,
    patterns: Patterns,
}

impl Parser {
    fn new(text: &str) -> Result<Parser> {
        if text.len() > MAX_TEXT_BYTES {
            let message = format!("the query has {} bytes, more than {MAX_TEXT_BYTES}", text.len());
            return Err(Error::parse(Span::default(), message));
        }
        Ok(Parser { tokens: lexer::tokens(text)?, at: 0, nesting: 0, patterns: Patterns::default() })
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn peek_second(&self) -> &Token {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)].0
    }

    fn span(&self) -> Span {
        self.tokens[self.at].1
    }

    /// The place of the token before.
    fn last(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].1
    }

    /// Goes on; the end stays.
    fn next(&mut self) -> (Token, Span) {
        let token = self.tokens[self.at].clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(s) if *s == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let is = self.is(sign);
        if is {
            self.next();
        }
        is
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Ident(name) if name.eq_ignore_ascii_case(word))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is = self.is_word(word);
        if is {
            self.next();
        }
        is
    }

    fn unexpected(&self, context: &str) -> Error {
        Error::parse(self.span(), format!("unexpected {} {context}", self.peek().shown()))
    }

    fn expect(&mut self, sign: &str, context: &str) -> Result<Span> {
        if !self.is(sign) {
            return Err(self.unexpected(&format!("{context}, expected {sign:?}")));
        }
        Ok(self.next().1)
    }

    fn end(&self) -> Result<()> {
        if self.peek() == &Token::End { Ok(()) } else { Err(self.unexpected("after the expression")) }
    }

    fn node(node: Node, span: Span, depth: usize) -> Result<Expr> {
        if depth > MAX_DEPTH {
            return Err(too_deep(span));
        }
        Ok(Expr { node, span, depth })
    }

    /// An expression whose operators all bind at least as tight as `least`.
    fn expr(&mut self, least: u8) -> Result<Expr> {
        self.nesting += 1;
        if self.nesting > MAX_DEPTH {
            return Err(too_deep(self.span()));
        }
        let mut left = self.unary()?;
        while let Some(op) = self.operator() {
            let rank = op.precedence();
            if rank < least {
                break;
            }
            let place = self.next().1;
            let (bool, matching) = self.matching(op)?;
            // Only powers lean to the right.
            let right = self.expr(if op == Operator::Pow { rank } else { rank + 1 })?;
            let (span, depth) = (left.span.to(right.span), 1 + left.depth.max(right.depth));
            let binary = Binary { op, left, right, bool, matching };
            check::binary(&binary, place)?;
            left = Parser::node(Node::Binary(Box::new(binary)), span, depth)?;
        }
        self.nesting -= 1;
        Ok(left)
    }

    fn operator(&self) -> Option<Operator> {
        Some(match self.peek() {
            Token::Sign(sign) => match *sign {
                "+" => Operator::Add,
                "-" => Operator::Sub,
                "*" => Operator::Mul,
                "/" => Operator::Div,
                "%" => Operator::Mod,
                "^" => Operator::Pow,
                "==" => Operator::Equal,
                "!=" => Operator::NotEqual,
                "<" => Operator::Less,
                "<=" => Operator::LessEqual,
                ">" => Operator::Greater,
                ">=" => Operator::GreaterEqual,
                _ => return None,
            },
            Token::Ident(word) => match word.to_ascii_lowercase().as_str() {
                "and" => Operator::And,
                "or" => Operator::Or,
                "unless" => Operator::Unless,
                "atan2" => Operator::Atan2,
                _ => return None,
            },
            _ => return None,
        })
    }

    /// What stands between an operator and its right side.
    fn matching(&mut self, op: Operator) -> Result<(bool, Matching)> {
        let mut matching = Matching::default();
        let at_bool = self.span();
        let bool = self.take_word("bool");
        if bool && !op.compares() {
            return Err(Error::parse(at_bool, "bool modifier can only be used on comparison operators"));
        }
        let listed = |p: &Parser| matches!(p.peek_second(), Token::Sign("("));
        if (self.is_word("on") || self.is_word("ignoring")) && listed(self) {
            matching.on = self.is_word("on");
            matching.said = true;
            self.next();
            matching.labels = self.label_list()?;
            for (word, group) in [("group_left", Group::ManyToOne), ("group_right", Group::OneToMany)] {
                let place = self.span();
                if self.take_word(word) {
                    if op.is_set() {
                        let message = format!("no grouping allowed for {:?} operation", op.sign());
                        return Err(Error::parse(place, message));
                    }
                    matching.group = group;
                    if self.is("(") {
                        matching.include = self.label_list()?;
                    }
                    break;
                }
            }
        }
        self.fill(op, &mut matching)?;
        Ok((bool, matching))
    }

    /// `fill(0)`, or `fill_left(0)` and `fill_right(0)`.
    fn fill(&mut self, op: Operator, matching: &mut Matching) -> Result<()> {
        loop {
            let place = self.span();
            let (left, right) = match self.peek() {
                Token::Ident(word) if matches!(self.peek_second(), Token::Sign("(")) => {
                    match word.to_ascii_lowercase().as_str() {
                        "fill" => (true, true),
                        "fill_left" => (true, false),
                        "fill_right" => (false, true),
                        _ => return Ok(()),
                    }
                }
                _ => return Ok(()),
            };
            self.next();
            self.expect("(", "in fill modifier")?;
            let value = self.expr(0)?;
            self.expect(")", "in fill modifier")?;
            let Node::Number(value_) = value.bare().node else {
                return Err(Error::parse(value.span, "a fill modifier takes a number"));
            };
            if op.is_set() {
                return Err(Error::parse(place, "fill modifiers are not allowed with set operators"));
            }
            if left {
                matching.fill.0 = Some(value_);
            }
            if right {
                matching.fill.1 = Some(value_);
            }
        }
    }

    fn unary(&mut self) -> Result<Expr> {
        let start = self.span();
        if self.take("+") || self.is("-") {
            let negate = self.take("-");
            // As tight as multiplication, so that -1^2 is -(1^2).
            let inner = self.expr(Operator::Pow.precedence())?;
            let span = start.to(inner.span);
            if !matches!(inner.value_type(), ValueType::Scalar | ValueType::Vector) {
                let message = format!(
                    "unary expression only allowed on expressions of type scalar or instant vector, got {:?}",
                    inner.value_type().shown()
                );
                return Err(Error::parse(start, message));
            }
            let depth = inner.depth + 1;
            return match inner.node {
                Node::Number(number) => {
                    Parser::node(Node::Number(if negate { -number } else { number }), span, 1)
                }
                _ if !negate => Ok(Expr { span, ..inner }),
                _ => Parser::node(Node::Negate(Box::new(inner)), span, depth),
            };
        }
        let mut expr = self.primary()?;
        self.modifiers(&mut expr)?;
        Ok(expr)
    }

    fn primary(&mut self) -> Result<Expr> {
        let start = self.span();
        match self.peek() {
            Token::Number(number) => {
                let number = *number;
                self.next();
                Parser::node(Node::Number(number), start, 1)
            }
            Token::Duration(ms) => {
                let number = *ms as f64 / 1000.0;
                self.next();
                Parser::node(Node::Number(number), start, 1)
            }
            Token::Text(text) => {
                let text = text.clone();
                self.next();
                Parser::node(Node::Text(text), start, 1)
            }
            Token::Sign("(") => {
                self.next();
                let inner = self.expr(0)?;
                let end = self.expect(")", "in parentheses")?;
                let depth = inner.depth + 1;
                Parser::node(Node::Paren(Box::new(inner)), start.to(end), depth)
            }
            Token::Sign("{") => self.vector(),
            Token::Ident(name) => {
                let name = name.clone();
                self.named(&name)
            }
            _ => Err(self.unexpected("at the beginning of an expression")),
        }
    }

    fn vector(&mut self) -> Result<Expr> {
        let start = self.span();
        let selector = self.selector()?;
        let span = start.to(self.last());
        check::selects_something(&selector, span)?;
        Parser::node(Node::Selector(selector), span, 1)
    }

    /// What begins with a name: a number, an aggregation, a function or a metric.
    fn named(&mut self, name: &str) -> Result<Expr> {
        let start = self.span();
        if let Some(op) = AggregateOp::find(name) {
            let by = |t: &Token| matches!(t, Token::Ident(w) if w.eq_ignore_ascii_case("by") || w.eq_ignore_ascii_case("without"));
            if matches!(self.peek_second(), Token::Sign("(")) || by(self.peek_second()) {
                return self.aggregate(op);
            }
        }
        if matches!(self.peek_second(), Token::Sign("(")) {
            return self.call(name);
        }
        let number = match name.to_ascii_lowercase().as_str() {
            "bool" | "on" | "ignoring" | "group_left" | "group_right" => {
                return Err(self.unexpected("at the beginning of an expression"));
            }
            "inf" => f64::INFINITY,
            "nan" => f64::NAN,
            _ => return self.vector(),
        };
        self.next();
        Parser::node(Node::Number(number), start, 1)
    }

    fn call(&mut self, name: &str) -> Result<Expr> {
        let start = self.span();
        let Some(function) = functions::find(name) else {
            return Err(Error::parse(start, format!("unknown function with name {name:?}")));
        };
        self.next();
        let (args, end) = self.arguments("in function call")?;
        let span = start.to(end);
        let depth = 1 + args.iter().map(|a| a.depth).max().unwrap_or(0);
        let call = Call { function, args };
        check::call(&call, span)?;
        Parser::node(Node::Call(call), span, depth)
    }

    fn arguments(&mut self, context: &str) -> Result<(Vec<Expr>, Span)> {
        self.expect("(", context)?;
        let mut args = Vec::new();
        if self.is(")") {
            return Ok((args, self.next().1));
        }
        loop {
            args.push(self.expr(0)?);
            if !self.take(",") {
                return Ok((args, self.expect(")", context)?));
            }
        }
    }

    fn aggregate(&mut self, op: AggregateOp) -> Result<Expr> {
        let start = self.span();
        self.next();
        let mut grouping = self.grouping()?;
        let (mut args, _) = self.arguments("in aggregation")?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        let span = start.to(self.last());
        let wanted = if op.param().is_some() { 2 } else { 1 };
        if args.len() != wanted {
            let message = match args.len() {
                0 => "no arguments for aggregate expression provided".to_string(),
                n => format!(
                    "wrong number of arguments for aggregate expression provided, expected {wanted}, got {n}"
                ),
            };
            return Err(Error::parse(span, message));
        }
        let Some(expr) = args.pop() else { return Err(Error::parse(span, "no arguments")) };
        let param = args.pop();
        let depth = 1 + expr.depth.max(param.as_ref().map_or(0, |p| p.depth));
        let said = grouping.is_some();
        let (without, labels) = grouping.unwrap_or_default();
        let aggregate = Aggregate { op, param, expr, without, labels, said };
        check::aggregate(&aggregate)?;
        Parser::node(Node::Aggregate(Box::new(aggregate)), span, depth)
    }

    fn grouping(&mut self) -> Result<Option<(bool, Vec<String>)>> {
        let without = self.is_word("without");
        if without || self.is_word("by") {
            self.next();
            return Ok(Some((without, self.label_list()?)));
        }
        Ok(None)
    }
}

fn too_deep(span: Span) -> Error {
    Error::parse(span, format!("the expression nests deeper than {MAX_DEPTH}"))
}
