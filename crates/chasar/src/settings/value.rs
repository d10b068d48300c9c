//! What the texts of settings mean.
//!
//! Every function reads one kind of value. Its error is the rest of a sentence that begins with the
//! value in quotes: `is not …; give …`.

use std::path::PathBuf;
use std::time::Duration;

use chasar_wire::limits::{MAX_INTERVAL_SECONDS, MAX_PROCESSES, MIN_INTERVAL_SECONDS};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    /// Not at all.
    Off,
    /// On this port of the address that all ports share.
    Port(u16),
    /// On a host and port of its own.
    Address(String, u16),
}

/// How many processes to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Processes {
    /// So many, the busiest.
    Busiest(usize),
    /// As many as a report may have.
    All,
    /// Not any.
    None,
}

/// Where history is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nowhere.
    Off,
    /// In the state folder.
    Usual,
    /// In this folder.
    Folder(PathBuf),
}

/// How much to log.
pub(crate) type Level = tracing::level_filters::LevelFilter;

/// How to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A host name or an address; `[::1]` is taken too and loses its brackets.
pub(crate) fn host(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    chasar_link::Endpoint::new(text, 0)
        .map(|_| bare.to_owned())
        .map_err(|_| "is not a host name or an IP address".to_owned())
}

/// Host names separated by commas.
pub(crate) fn hosts(text: &str) -> Result<Vec<String>, String> {
    let names: Result<Vec<String>, String> = text.split(',').map(|name| host(name.trim())).collect();
    names.map_err(|_| "is not a list of host names, separated by commas".to_owned())
}

/// A TCP port; 0 is a free one.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "is not a port; give a number from 0 to 65535".to_owned())
}

/// A TCP port of another computer.
pub(crate) fn port_to_connect(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("is not a port; give a number from 1 to 65535".to_owned()),
        Ok(port) => Ok(port),
    }
}

/// A port, `host:port`, or `off`.
pub(crate) fn listen(text: &str) -> Result<Listen, String> {
    if text == "off" {
        return Ok(Listen::Off);
    }
    if let Ok(port) = text.parse() {
        return Ok(Listen::Port(port));
    }
    host_and_port(text)
        .map(|(host, port)| Listen::Address(host, port))
        .ok_or_else(|| "is not an address; give a port, host:port, [IPv6]:port, or off".to_owned())
}

/// `host:port`, IPv6 addresses in brackets.
pub(crate) fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (name, digits) = text.rsplit_once(':')?;
    if name.contains(':') && !name.starts_with('[') {
        return None;
    }
    Some((host(name).ok()?, digits.parse().ok()?))
}

/// Addresses of other computers, separated by commas.
pub(crate) fn addresses(text: &str) -> Result<Vec<(String, u16)>, String> {
    let address = |text: &str| host_and_port(text.trim()).filter(|(_, port)| *port != 0);
    let addresses: Option<Vec<_>> = text.split(',').map(address).collect();
    addresses
        .ok_or_else(|| "is not an address; give host:port or [IPv6]:port, several with commas".to_owned())
}

/// Time between two reports.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let wrong = "is not an interval; give 0.1 to 3600 seconds, such as 0.5, 2s or 1m";
    let duration = duration(text).map_err(|_| wrong.to_owned())?;
    let range = MIN_INTERVAL_SECONDS..=MAX_INTERVAL_SECONDS;
    if range.contains(&duration.as_secs_f64()) { Ok(duration) } else { Err(wrong.to_owned()) }
}

/// A length of time: seconds, or a number with the unit `ms`, `s`, `m`, `h` or `d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 6] =
        [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0), ("", 1.0)];
    number_with_unit(text, &UNITS)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        // A century is beyond what the arithmetic of deadlines has to bear.
        .filter(|d| *d <= Duration::from_secs(100 * 366 * 86_400))
        .ok_or_else(|| {
            "is not a length of time; give seconds, or a unit as in 500ms, 90s, 15m, 2h, 1d".to_owned()
        })
}

/// How long something is kept: an hour at least.
pub(crate) fn keeping(text: &str) -> Result<Duration, String> {
    match duration(text) {
        Ok(time) if time < Duration::from_secs(3_600) => Err("is too short; give 1h or more".to_owned()),
        other => other,
    }
}

/// A size of 16 MiB or more.
pub(crate) fn large_size(text: &str) -> Result<u64, String> {
    match size(text) {
        Ok(bytes) if bytes < 16 << 20 => Err("is too little; give 16MiB or more".to_owned()),
        other => other,
    }
}

/// `on`, `off`, or a folder. A bare word is more likely a slip than a folder.
pub(crate) fn place(text: &str) -> Result<Place, String> {
    match text {
        "on" => Ok(Place::Usual),
        "off" => Ok(Place::Off),
        url if url.contains("://") => Err("is an address; give a folder, on, or off".to_owned()),
        folder if folder.contains(std::path::is_separator) => Ok(Place::Folder(path(folder)?)),
        _ => Err("is neither on nor off; for a folder here, put ./ before its name".to_owned()),
    }
}

/// How long to go on: more than nothing.
pub(crate) fn some_time(text: &str) -> Result<Duration, String> {
    match duration(text) {
        Ok(Duration::ZERO) => Err("is no time; give more than 0 seconds".to_owned()),
        other => other,
    }
}

/// A number of bytes; prefixes are powers of 1024.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    const K: f64 = 1024.0;
    const UNITS: [(&str, f64); 11] = [
        ("kib", K),
        ("mib", K * K),
        ("gib", K * K * K),
        ("kb", K),
        ("mb", K * K),
        ("gb", K * K * K),
        ("k", K),
        ("m", K * K),
        ("g", K * K * K),
        ("b", 1.0),
        ("", 1.0),
    ];
    number_with_unit(&text.to_ascii_lowercase(), &UNITS)
        .filter(|bytes| *bytes <= (1u64 << 50) as f64)
        .map(|bytes| bytes as u64)
        .ok_or_else(|| "is not a size; give bytes, or a unit as in 512K, 32MiB, 1G".to_owned())
}

/// Digits with at most one dot, then one of `units`.
fn number_with_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    // `parse` alone would take "inf", "1e9" and "-1" too.
    let number: f64 = number.parse().ok()?;
    Some(number * factor)
}

/// A number up to what a report may have, `all`, or `none`.
pub(crate) fn processes(text: &str) -> Result<Processes, String> {
    match text {
        "all" => Ok(Processes::All),
        "none" => Ok(Processes::None),
        number => match number.parse() {
            Ok(0) => Ok(Processes::None),
            Ok(n) if n <= MAX_PROCESSES => Ok(Processes::Busiest(n)),
            _ => Err(format!("is not a number of processes; give 0 to {MAX_PROCESSES}, all, or none")),
        },
    }
}

/// A path, which need not exist.
pub(crate) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("is not a path".to_owned()) } else { Ok(PathBuf::from(text)) }
}

/// `true` or `false`.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "is neither true nor false".to_owned())
}

/// A level of the log.
pub(crate) fn level(text: &str) -> Result<Level, String> {
    Ok(match text {
        "off" => Level::OFF,
        "error" => Level::ERROR,
        "warn" => Level::WARN,
        "info" => Level::INFO,
        "debug" => Level::DEBUG,
        "trace" => Level::TRACE,
        _ => return Err(one_of(text, &["off", "error", "warn", "info", "debug", "trace"])),
    })
}

/// A format of the log.
pub(crate) fn format(text: &str) -> Result<Format, String> {
    match text {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err(one_of(text, &["text", "json"])),
    }
}

fn one_of(text: &str, words: &[&str]) -> String {
    match super::problem::nearest(text, words.iter().copied()) {
        Some(word) => format!("is none of {}; did you mean \"{word}\"?", words.join(", ")),
        None => format!("is none of {}", words.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, ms) in
            [("1", 1000), ("0.5", 500), ("500ms", 500), ("2 s", 2000), ("1.5m", 90_000), ("0", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "-1", "1e9", "inf", "NaN", "1 1", "1..2", "5 parsecs", "999999999d", "1S"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for (text, fits) in
            [("0.1", true), ("3600", true), ("1h", true), ("0.09", false), ("3601", false), ("0", false)]
        {
            assert_eq!(interval(text).is_ok(), fits, "{text}");
        }
        assert!(some_time("0").is_err());
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("100", 100),
            ("1k", 1024),
            ("32MiB", 32 << 20),
            ("1.5G", 3 << 29),
            ("7 B", 7),
            ("2MB", 2 << 20),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1T1", "99999999999999G"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_kept_and_where() {
        assert_eq!((place("on"), place("off")), (Ok(Place::Usual), Ok(Place::Off)));
        assert_eq!(place("./x"), Ok(Place::Folder("./x".into())));
        for text in ["", "yes", "On", "http://victoria:8428/"] {
            assert!(place(text).is_err(), "{text}");
        }
        assert_eq!(keeping("1h"), Ok(Duration::from_secs(3_600)));
        assert!(keeping("59m").is_err() && keeping("never").is_err());
        assert_eq!(large_size("16MiB"), Ok(16 << 20));
        assert!(large_size("16").is_err());
    }

    #[test]
    fn addresses() {
        assert_eq!(listen("off"), Ok(Listen::Off));
        assert_eq!(listen("6666"), Ok(Listen::Port(6666)));
        assert_eq!(listen("localhost:7"), Ok(Listen::Address("localhost".into(), 7)));
        assert_eq!(listen("[::1]:7"), Ok(Listen::Address("::1".into(), 7)));
        for text in ["", "on", "70000", "::1:7", "a b:7", "host:", ":7"] {
            assert!(listen(text).is_err(), "{text}");
        }
        let two = Ok(vec![("a".to_owned(), 1), ("::1".to_owned(), 2)]);
        assert_eq!(super::addresses("a:1, [::1]:2"), two);
        for text in ["", "a", "a:0", "a:1,", "a:1;b:2", "::1:2"] {
            assert!(super::addresses(text).is_err(), "{text}");
        }
        assert_eq!(host("[::1]"), Ok("::1".into()));
        for text in ["", "a b", "http://x", "1.2.3"] {
            assert!(host(text).is_err(), "{text}");
        }
        assert!(port("0").is_ok() && port_to_connect("0").is_err() && port("65536").is_err());
    }

    #[test]
    fn words() {
        assert_eq!(processes("all"), Ok(Processes::All));
        assert_eq!(processes("0"), Ok(Processes::None));
        assert_eq!(processes("7"), Ok(Processes::Busiest(7)));
        assert!(processes("4097").is_err() && processes("-1").is_err());
        assert!(level("wran").unwrap_err().ends_with("did you mean \"warn\"?"));
        assert!(format("xml").unwrap_err().ends_with("text, json"));
    }
}
