//! Names of metrics and labels, as Prometheus makes them of OpenTelemetry's: with the unit and what the
//! metric is behind them, and underscores for all characters that a classic name cannot have.

/// Units whose word is another one.
const UNITS: &[(&str, &str)] = &[
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("1", ""),
    ("%", "percent"),
];

/// Units behind a slash.
const PER: &[(&str, &str)] = &[
    ("s", "second"),
    ("m", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("mo", "month"),
    ("y", "year"),
];

/// The name of a metric. `is_counter`: a sum that only grows.
pub fn metric_name(name: &str, unit: &str, is_counter: bool, is_gauge: bool) -> String {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == ':';
    let mut words: Vec<&str> = name.split(|c| !is_of_name(c)).filter(|word| !word.is_empty()).collect();
    let (main, per) = unit.split_once('/').map_or((unit, ""), |(main, per)| (main, per));
    let (main, per) = (word(main, UNITS), word(per, PER));
    if !main.is_empty() && !words.contains(&&*main) {
        words.push(&main);
    }
    if !per.is_empty() && !words.contains(&&*per) {
        words.extend(["per", &per]);
    }
    for (suffix, has) in [("total", is_counter), ("ratio", is_gauge && unit == "1")] {
        if has {
            words.retain(|word| *word != suffix);
            words.push(suffix);
        }
    }
    let joined = words.join("_");
    if joined.starts_with(|c: char| c.is_ascii_digit()) { format!("_{joined}") } else { joined }
}

/// The word for a unit; what is in braces is a remark.
fn word(unit: &str, known: &[(&str, &str)]) -> String {
    let unit = unit.trim();
    if unit.contains(['{', '}']) {
        return String::new();
    }
    if let Some((_, word)) = known.iter().find(|(short, _)| *short == unit) {
        return (*word).to_owned();
    }
    let words = unit.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_")
}

/// The name of a label.
pub fn label_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        out.push_str("key_");
    }
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.ends_with('_') {
            out.push('_');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_those_that_prometheus_makes() {
        for (name, unit, is_counter, is_gauge, expected) in [
            ("http.server.request.duration", "s", false, false, "http_server_request_duration_seconds"),
            ("http.server.requests", "1", true, false, "http_server_requests_total"),
            ("system.io", "By", true, false, "system_io_bytes_total"),
            ("system_total_io", "foo/bar", true, false, "system_io_foo_per_bar_total"),
            ("hw.gpu.memory.utilization", "1", false, true, "hw_gpu_memory_utilization_ratio"),
            ("system.memory.usage_bytes", "By", false, true, "system_memory_usage_bytes"),
            ("speed", "m/s", false, true, "speed_meters_per_second"),
            ("speed.per.second", "/s", false, true, "speed_per_second"),
            ("queue.length", "{items}", false, true, "queue_length"),
            ("errors", "{errors}/s", false, true, "errors_per_second"),
            ("2xx__answers", "", true, false, "_2xx_answers_total"),
            ("temp", "Cel", false, true, "temp_celsius"),
            ("load", "%", false, true, "load_percent"),
            ("a:b", "", false, false, "a:b"),
            ("größe", "", false, true, "gr_e"),
        ] {
            assert_eq!(metric_name(name, unit, is_counter, is_gauge), expected, "{name} {unit}");
        }
        for (name, expected) in
            [("http.method", "http_method"), ("2nd", "key_2nd"), ("a..b", "a_b"), ("_x", "_x"), ("", "")]
        {
            assert_eq!(label_name(name), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_name_is_a_classic_one(name in ".*", unit in ".{0,8}", is_counter: bool) {
            let metric = metric_name(&name, &unit, is_counter, !is_counter);
            prop_assert!(metric.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':'));
            prop_assert!(!metric.starts_with(|c: char| c.is_ascii_digit()));
            let label = label_name(&name);
            prop_assert!(label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
            prop_assert!(!label.starts_with(|c: char| c.is_ascii_digit()));
        }
    }
}
