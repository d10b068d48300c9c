//! Selectors: a metric's name, matchers in braces, lists of labels.

use super::Parser;
use super::lexer::Token;
use crate::ast::{Selector, When};
use crate::error::{Error, Result};
use crate::labels::NAME;
use crate::matcher::{MatchOp, Matcher};

/// Most matchers of a selector.
const MAX_MATCHERS: usize = 256;

impl Parser {
    /// A name, matchers in braces, or both.
    pub(super) fn selector(&mut self) -> Result<Selector> {
        let begin = self.span();
        let mut name = None;
        if let Token::Ident(word) = self.peek() {
            name = Some(word.clone());
            self.next();
        }
        let mut matchers = Vec::new();
        // A name in quotes within the braces.
        let mut quoted = None;
        if self.is("{") {
            self.next();
            while !self.take("}") {
                let place = self.span();
                let label = match self.next().0 {
                    Token::Ident(word) => word,
                    Token::Text(text) => {
                        if self.is(",") || self.is("}") {
                            if name.is_some() || quoted.is_some() {
                                let set = name.as_ref().or(quoted.as_ref()).map_or("", |n| n);
                                let message =
                                    format!("metric name must not be set twice: {set:?} or {text:?}");
                                return Err(Error::parse(place, message));
                            }
                            quoted = Some(text);
                            self.take(",");
                            continue;
                        }
                        text
                    }
                    _ => {
                        self.at = self.at.saturating_sub(1);
                        return Err(self.unexpected("in label matching, expected identifier or \"}\""));
                    }
                };
                let op = match self.peek() {
                    Token::Sign("=") => MatchOp::Equal,
                    Token::Sign("!=") => MatchOp::NotEqual,
                    Token::Sign("=~") => MatchOp::Match,
                    Token::Sign("!~") => MatchOp::NoMatch,
                    _ => {
                        return Err(self.unexpected("in label matching, expected label matching operator"));
                    }
                };
                self.next();
                let Token::Text(value) = self.peek().clone() else {
                    return Err(self.unexpected("in label matching, expected string"));
                };
                let matcher = Matcher::within(label, op, value, &mut self.patterns)
                    .map_err(|e| Error::parse(place.to(self.span()), e))?;
                self.next();
                matchers.push(matcher);
                if matchers.len() > MAX_MATCHERS {
                    return Err(Error::parse(place, format!("more than {MAX_MATCHERS} matchers")));
                }
                if !self.take(",") && !self.is("}") {
                    return Err(self.unexpected("in label matching, expected \",\" or \"}\""));
                }
            }
        } else if name.is_none() {
            return Err(self.unexpected("at the beginning of a selector"));
        }
        let name = name.or(quoted);
        if let (Some(set), Some(other)) = (&name, matchers.iter().find(|m| m.name == NAME)) {
            let message = format!("metric name must not be set twice: {set:?} or {:?}", other.value);
            return Err(Error::parse(begin.to(self.last()), message));
        }
        if let Some(name) = &name {
            let matcher = Matcher::new(NAME, MatchOp::Equal, name.clone());
            matchers.push(matcher.map_err(|e| Error::parse(self.last(), e))?);
        }
        Ok(Selector { name, matchers, range_ms: None, when: When::default() })
    }

    /// `(a, b, "c d")`
    pub(super) fn label_list(&mut self) -> Result<Vec<String>> {
        self.expect("(", "in grouping opts")?;
        let mut labels = Vec::new();
        while !self.take(")") {
            match self.peek() {
                Token::Ident(word) | Token::Text(word) if !word.is_empty() => labels.push(word.clone()),
                _ => return Err(self.unexpected("in grouping opts, expected label")),
            }
            self.next();
            if !self.take(",") && !self.is(")") {
                return Err(self.unexpected("in grouping opts, expected \",\" or \")\""));
            }
        }
        Ok(labels)
    }
}
