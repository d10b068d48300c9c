//! Processes: how many, and the busiest of them by name.

use std::fmt;

use chasar_wire_derive::Read;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Text;
use crate::json::{Fault, Parser, Read};
use crate::limits::{LimitError, MAX_PROCESSES};

/// Number of processes by state, and of threads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProcessCounts {
    /// All processes.
    #[serde(default)]
    pub total: u64,
    /// Running or ready to run (`R`).
    #[serde(default)]
    pub running: u64,
    /// Sleeping (`S`).
    #[serde(default)]
    pub sleeping: u64,
    /// In uninterruptible sleep (`D`).
    #[serde(default)]
    pub disk_sleep: u64,
    /// Idle kernel threads (`I`).
    #[serde(default)]
    pub idle: u64,
    /// Stopped or traced (`T`, `t`).
    #[serde(default)]
    pub stopped: u64,
    /// Ended, not yet waited for (`Z`).
    #[serde(default)]
    pub zombie: u64,
    /// In any other state.
    #[serde(default)]
    pub other: u64,
    /// Threads of all processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
    /// Tasks ready to run on all processors now (`procs_running` of `/proc/stat`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks_running: Option<u64>,
    /// Tasks blocked on I/O now (`procs_blocked` of `/proc/stat`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks_blocked: Option<u64>,
    /// The largest process id the system gives out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pid: Option<u64>,
}

/// One process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Process {
    /// Name, as the system gives it (Linux: `comm`); bytes that are not UTF-8 are replaced.
    pub name: Text,
    /// Process id.
    pub pid: u32,
    /// State in psutil's words: `running`, `sleeping`, `disk-sleep`, `stopped`, `tracing-stop`, `zombie`, `dead`, `idle`,
    /// or `unknown` where the system does not tell.
    pub status: Text,
    /// Processor time used since the last report, 100 being one core; `None` before there is a previous reading.
    pub percent_cpu_used: Option<f64>,
    /// Resident memory as a share of the host's, 0 to 100.
    pub percent_memory_used: Option<f64>,
    /// Owner's name, or number where it has none.
    pub user: Option<Text>,
    /// Resident memory.
    pub resident_bytes: Option<u64>,
    /// Threads.
    pub threads: Option<u32>,
    /// When it started, Unix seconds.
    pub start_time_seconds: Option<f64>,
}

/// The value of one process on the wire; its name is the key.
#[derive(Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Process"))]
struct Entry<T> {
    /// Process id.
    pid: u32,
    /// State in psutil's words: `running`, `sleeping`, `disk-sleep`, `stopped`, `tracing-stop`, `zombie`, `dead`, `idle`,
    /// or `unknown` where the system does not tell.
    status: T,
    /// Processor time used since the last report, 100 being one core; `null` before there is a previous reading.
    #[serde(default)]
    percent_cpu_used: Option<f64>,
    /// Resident memory as a share of the host's, 0 to 100.
    #[serde(default)]
    percent_memory_used: Option<f64>,
    /// Owner's name, or number where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<T>,
    /// Resident memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resident_bytes: Option<u64>,
    /// Threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    threads: Option<u32>,
    /// When it started, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start_time_seconds: Option<f64>,
}

/// Processes, on the wire an object from name to process as in 2016.
///
/// The first process of a name has the bare name as its key; further ones have `name#pid`, so
/// none is lost. A name that itself ends in `#` and digits always gets the suffix, so no two
/// processes share a key and the name can be read back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProcessTable(pub Vec<Process>);

/// From this many processes on, names seen are kept in a set rather than searched in a row.
const SEARCH_IN_A_ROW: usize = 128;

impl Serialize for ProcessTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        let mut seen = std::collections::HashSet::new();
        for (i, p) in self.0.iter().enumerate() {
            let taken = if self.0.len() < SEARCH_IN_A_ROW {
                self.0[..i].iter().any(|q| q.name == p.name)
            } else {
                !seen.insert(p.name.as_str())
            };
            if taken || ends_like_a_suffix(&p.name) {
                map.serialize_key(&format_args!("{}#{}", p.name, p.pid))?;
            } else {
                map.serialize_key(p.name.as_str())?;
            }
            map.serialize_value(&Entry {
                pid: p.pid,
                status: p.status.as_str(),
                percent_cpu_used: p.percent_cpu_used,
                percent_memory_used: p.percent_memory_used,
                user: p.user.as_deref(),
                resident_bytes: p.resident_bytes,
                threads: p.threads,
                start_time_seconds: p.start_time_seconds,
            })?;
        }
        map.end()
    }
}

fn ends_like_a_suffix(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(_, digits)| digits.bytes().all(|b| b.is_ascii_digit()))
}

/// The name before `#pid`, if `key` ends so.
fn strip_pid(key: &str, pid: u32) -> Option<&str> {
    let (name, digits) = key.rsplit_once('#')?;
    (ends_like_a_suffix(key) && digits.parse() == Ok(pid)).then_some(name)
}

impl Process {
    fn of(key: Text, entry: Entry<Text>) -> Process {
        let name = strip_pid(&key, entry.pid).map(Text::from);
        Process {
            name: name.unwrap_or(key),
            pid: entry.pid,
            status: entry.status,
            percent_cpu_used: entry.percent_cpu_used,
            percent_memory_used: entry.percent_memory_used,
            user: entry.user,
            resident_bytes: entry.resident_bytes,
            threads: entry.threads,
            start_time_seconds: entry.start_time_seconds,
        }
    }
}

impl Read for ProcessTable {
    fn read(parser: &mut Parser<'_>) -> Result<Self, Fault> {
        let mut processes = Vec::new();
        parser.map(|parser, key| {
            if processes.len() == MAX_PROCESSES {
                return Err(parser.limit(LimitError::Processes));
            }
            processes.push(Process::of(key.into(), Entry::read(parser)?));
            Ok(())
        })?;
        Ok(ProcessTable(processes))
    }
}

impl<'de> Deserialize<'de> for ProcessTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = ProcessTable;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object from process name to process")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ProcessTable, A::Error> {
                let mut processes = Vec::new();
                while let Some((key, entry)) = map.next_entry::<Text, Entry<Text>>()? {
                    if processes.len() == MAX_PROCESSES {
                        return Err(serde::de::Error::custom(LimitError::Processes));
                    }
                    processes.push(Process::of(key, entry));
                }
                Ok(ProcessTable(processes))
            }
        }
        deserializer.deserialize_map(Table)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ProcessTable {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ProcessTable".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "description": "Processes by name; further ones of a name have the key `name#pid`.",
            "maxProperties": MAX_PROCESSES,
            "additionalProperties": generator.subschema_for::<Entry<Text>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(name: &str, pid: u32) -> Process {
        Process { name: name.into(), pid, status: "sleeping".into(), ..Process::default() }
    }

    #[test]
    fn further_processes_of_a_name_get_their_pid() {
        let json = serde_json::to_value(ProcessTable(vec![named("sh", 1), named("sh", 2), named("a#3", 3)]))
            .unwrap();
        let keys: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["a#3#3", "sh", "sh#2"]);
    }

    proptest! {
        #[test]
        fn no_process_is_lost(names in prop::collection::vec("[ab#0-9]{0,4}", 0..200)) {
            let table = ProcessTable(names.iter().enumerate().map(|(i, n)| named(n, i as u32)).collect());
            let json = serde_json::to_string(&table).unwrap();
            let keys: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(keys.len(), table.0.len(), "two processes under one key");
            prop_assert_eq!(serde_json::from_str::<ProcessTable>(&json).unwrap(), table);
        }
    }
}
