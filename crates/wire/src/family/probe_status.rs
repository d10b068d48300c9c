//! How each probe fared: part of every report, so that "nothing there" and "failed" are told apart.

use std::fmt;

use chasar_wire_derive::Read;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Text;
use crate::json::{Fault, Parser, Read};
use crate::limits::{LimitError, MAX_PROBES};

/// How one probe fared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProbeStatus {
    /// What came of it: `fresh`, `nothing here: reason` or `failed: reason`.
    pub outcome: Outcome,
    /// How long the reading took.
    pub duration_seconds: f64,
    /// How old the values are, for sources too slow to read at each sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<f64>,
}

/// What came of a probe; on the wire one text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// The values are in the report.
    #[default]
    Fresh,
    /// This host has no such thing, and why we think so.
    NothingHere(Text),
    /// It should have worked, and what went wrong.
    Failed(Text),
}

const FRESH: &str = "fresh";
const NOTHING_HERE: &str = "nothing here: ";
const FAILED: &str = "failed: ";

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Fresh => f.write_str(FRESH),
            Outcome::NothingHere(reason) => write!(f, "{NOTHING_HERE}{reason}"),
            Outcome::Failed(reason) => write!(f, "{FAILED}{reason}"),
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<&str> for Outcome {
    fn from(text: &str) -> Outcome {
        if text == FRESH {
            Outcome::Fresh
        } else if let Some(reason) = text.strip_prefix(NOTHING_HERE) {
            Outcome::NothingHere(reason.into())
        } else {
            // A word of a later version is not good news we understand.
            Outcome::Failed(text.strip_prefix(FAILED).unwrap_or(text).into())
        }
    }
}

impl Read for Outcome {
    fn read(parser: &mut Parser<'_>) -> Result<Outcome, Fault> {
        parser.text().map(|text| Outcome::from(&*text))
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(|text| Outcome::from(&*text))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Outcome {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Outcome".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^(fresh|nothing here: .*|failed: .*)$" })
    }
}

/// All probes by name; on the wire an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProbeStatuses(pub Vec<(Text, ProbeStatus)>);

impl ProbeStatuses {
    /// Whether no probe has reported, as in reports of 2016.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The status of one probe.
    pub fn get(&self, name: &str) -> Option<&ProbeStatus> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, s)| s)
    }
}

impl Serialize for ProbeStatuses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, status) in &self.0 {
            map.serialize_entry(name, status)?;
        }
        map.end()
    }
}

impl Read for ProbeStatuses {
    fn read(parser: &mut Parser<'_>) -> Result<Self, Fault> {
        let mut statuses = Vec::new();
        parser.map(|parser, name| {
            if statuses.len() == MAX_PROBES {
                return Err(parser.limit(LimitError::Probes));
            }
            statuses.push((name.into(), ProbeStatus::read(parser)?));
            Ok(())
        })?;
        Ok(ProbeStatuses(statuses))
    }
}

impl<'de> Deserialize<'de> for ProbeStatuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Statuses;
        impl<'de> Visitor<'de> for Statuses {
            type Value = ProbeStatuses;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object from probe name to its status")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ProbeStatuses, A::Error> {
                let mut statuses = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    if statuses.len() == MAX_PROBES {
                        return Err(serde::de::Error::custom(LimitError::Probes));
                    }
                    statuses.push(entry);
                }
                Ok(ProbeStatuses(statuses))
            }
        }
        deserializer.deserialize_map(Statuses)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ProbeStatuses {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ProbeStatuses".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "description": "Probes by name.",
            "maxProperties": MAX_PROBES,
            "additionalProperties": generator.subschema_for::<ProbeStatus>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_one_text() {
        for (outcome, text) in [
            (Outcome::Fresh, "\"fresh\""),
            (Outcome::NothingHere("no swap".into()), "\"nothing here: no swap\""),
            (Outcome::Failed("EIO".into()), "\"failed: EIO\""),
        ] {
            assert_eq!(serde_json::to_string(&outcome).unwrap(), text);
            assert_eq!(serde_json::from_str::<Outcome>(text).unwrap(), outcome);
        }
        assert_eq!(serde_json::from_str::<Outcome>("\"odd\"").unwrap(), Outcome::Failed("odd".into()));
    }
}
