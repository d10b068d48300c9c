//! What follows an expression: ranges, subqueries, `offset` and `@`.

use super::Parser;
use super::lexer::Token;
use crate::ast::{At, Expr, Node, Subquery, ValueType, When};
use crate::error::{Error, Result};

/// Longest range, offset or step, in milliseconds (about 1,000 years); sums of a few stay far from
/// overflow.
pub(crate) const MAX_DURATION_MS: i64 = 1_000 * 366 * 86_400_000;

impl Parser {
    /// Takes all that follows a primary expression.
    pub(super) fn modifiers(&mut self, expr: &mut Expr) -> Result<()> {
        loop {
            if self.is("[") {
                self.brackets(expr)?;
            } else if self.is_word("offset") {
                self.offset(expr)?;
            } else if self.is("@") {
                self.at(expr)?;
            } else {
                return Ok(());
            }
            expr.span = expr.span.to(self.last());
        }
    }

    fn brackets(&mut self, expr: &mut Expr) -> Result<()> {
        let open = self.next().1;
        let range_ms = self.positive("in range, expected duration")?;
        if self.take("]") {
            return match &mut expr.node {
                Node::Selector(selector) if selector.range_ms.is_none() => {
                    if selector.when.at.is_some() {
                        return Err(Error::parse(open, "no @ modifiers allowed before range"));
                    }
                    if selector.when.offset_said {
                        return Err(Error::parse(open, "no offset modifiers allowed before range"));
                    }
                    selector.range_ms = Some(range_ms);
                    Ok(())
                }
                _ => Err(Error::parse(open, "ranges only allowed for vector selectors")),
            };
        }
        self.expect(":", "in range or subquery")?;
        let step_ms = match self.peek() {
            Token::Sign("]") => None,
            _ => Some(self.positive("in subquery, expected duration")?),
        };
        let close = self.expect("]", "in subquery selector")?;
        if expr.value_type() != ValueType::Vector {
            let message = format!(
                "subquery is only allowed on instant vector, got {} instead",
                expr.value_type().shown()
            );
            return Err(Error::parse(expr.span, message));
        }
        let (span, depth) = (expr.span.to(close), expr.depth + 1);
        let placeholder = Parser::node(Node::Number(0.0), span, 1)?;
        let inner = std::mem::replace(expr, placeholder);
        let subquery = Subquery { expr: inner, range_ms, step_ms, when: When::default() };
        *expr = Parser::node(Node::Subquery(Box::new(subquery)), span, depth)?;
        Ok(())
    }

    fn positive(&mut self, context: &str) -> Result<i64> {
        let place = self.span();
        let ms = self.duration(context)?;
        if ms <= 0 {
            return Err(Error::parse(place, "duration must be greater than 0"));
        }
        Ok(ms)
    }

    /// A duration, or a number of seconds.
    fn duration(&mut self, context: &str) -> Result<i64> {
        let place = self.span();
        let negate = self.take("-");
        if !negate {
            self.take("+");
        }
        let ms = match self.peek() {
            Token::Duration(ms) => *ms as f64,
            Token::Number(seconds) => (seconds * 1000.0).round(),
            _ => return Err(self.unexpected(context)),
        };
        self.next();
        if ms.is_nan() || ms.abs() > MAX_DURATION_MS as f64 {
            return Err(Error::parse(place, "duration out of range"));
        }
        Ok(if negate { -(ms as i64) } else { ms as i64 })
    }

    fn offset(&mut self, expr: &mut Expr) -> Result<()> {
        let place = self.next().1;
        let offset_ms = self.duration("in offset, expected duration")?;
        let Some(when) = when(expr) else {
            let message = "offset modifier must be preceded by an instant vector selector or range vector \
                           selector or a subquery";
            return Err(Error::parse(place, message));
        };
        if when.offset_said {
            return Err(Error::parse(place, "offset may not be set multiple times"));
        }
        (when.offset_ms, when.offset_said) = (offset_ms, true);
        Ok(())
    }

    fn at(&mut self, expr: &mut Expr) -> Result<()> {
        let place = self.next().1;
        let said = self.at_time()?;
        let Some(when) = when(expr) else {
            let message = "@ modifier must be preceded by an instant vector selector or range vector selector \
                           or a subquery";
            return Err(Error::parse(place, message));
        };
        if when.at.is_some() {
            return Err(Error::parse(place, "@ <timestamp> may not be set multiple times"));
        }
        when.at = Some(said);
        Ok(())
    }

    fn at_time(&mut self) -> Result<At> {
        let place = self.span();
        for (word, at) in [("start", At::Start), ("end", At::End)] {
            if self.take_word(word) {
                self.expect("(", "in @")?;
                self.expect(")", "in @")?;
                return Ok(at);
            }
        }
        let negate = self.take("-");
        if !negate {
            self.take("+");
        }
        let seconds = match self.peek() {
            Token::Number(seconds) => *seconds,
            Token::Duration(ms) => *ms as f64 / 1000.0,
            Token::Ident(word) if matches!(word.to_ascii_lowercase().as_str(), "inf" | "nan") => f64::NAN,
            _ => return Err(self.unexpected("in @, expected timestamp")),
        };
        self.next();
        let ms = (seconds * 1000.0).round();
        if ms.is_nan() || ms.abs() > 1e17 {
            return Err(Error::parse(place, "timestamp out of bounds for @ modifier"));
        }
        Ok(At::Time(if negate { -(ms as i64) } else { ms as i64 }))
    }
}

fn when(expr: &mut Expr) -> Option<&mut When> {
    match &mut expr.node {
        Node::Selector(selector) => Some(&mut selector.when),
        Node::Subquery(subquery) => Some(&mut subquery.when),
        _ => None,
    }
}
