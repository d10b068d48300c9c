//! PromQL, as Prometheus 3 documents it, over any source of series.
//!
//! The crate reads text and series and gives values: no storage, no HTTP, no clock, no threads.
//!
//! ```
//! use std::sync::Arc;
//! use chasar_query::{Answer, Answered, Labels, Options, Query, Request, Result, Samples, Source};
//!
//! struct One;
//!
//! impl Source for One {
//!     fn select(&self, request: &Request<'_>) -> Result<Answer> {
//!         let labels = Labels::new([("__name__", "jobs_total"), ("host", "alpha")]);
//!         let fits = request.matchers.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or_default()));
//!         let times_ms = Arc::new((0..60).map(|s| s * 1000).collect());
//!         let values = Arc::new((0..60).map(|s| f64::from(s) * 2.0).collect());
//!         let series = if fits { vec![Samples { labels, times_ms, values }] } else { Vec::new() };
//!         Ok(Answer { series, tier: "raw", ..Answer::default() })
//!     }
//! }
//!
//! let query = Query::parse("sum by (host) (rate(jobs_total[30s]))")?;
//! let output = query.instant(&One, 59_000, &Options::default())?;
//! let Answered::Vector(found) = output.value else { panic!("a vector was asked for") };
//! assert_eq!(found[0].labels.to_string(), r#"{host="alpha"}"#);
//! assert_eq!(found[0].value, 2.0);
//! # Ok::<(), chasar_query::Error>(())
//! ```
//!
//! # How it works
//!
//! Text becomes a checked tree whose parts know their places. What the selectors need is read from
//! the [`Source`], each selector once; where one place alone needs a series, it is worked on as it is read
//! and forgotten. Then every part is evaluated for all steps at once: an
//! instant vector is a column of values for each series, a window slides over a series' samples
//! from one end to the other. An instant query is the same with one step.

mod aggregate;
mod annotations;
mod ast;
mod binary;
mod error;
mod eval;
mod functions;
mod kahan;
mod labels;
mod limits;
mod matcher;
mod matching;
mod parse;
mod pattern;
mod print;
mod query;
mod rank;
pub mod script;
mod select;
mod source;
mod value;

pub use ast::ValueType;
pub use error::{Error, Kind, Result, Span};
pub use labels::{Labels, NAME, Pair};
pub use limits::{Budget, Options};
pub use matcher::{MatchOp, Matcher};
pub use parse::{MAX_DEPTH, MAX_TEXT_BYTES, duration_ms, parse_selector};
pub use query::{Answered, Output, Query, Sample, Series, Stats};
pub use source::{Answer, Fold, Hints, Read, Request, STALE, Samples, Source, Take, is_stale};
