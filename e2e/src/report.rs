//! What a report must have.

use serde_json::Value;

/// Asserts that the keys of 2016 are there and have their types; a number that the host does not have is null.
#[track_caller]
pub fn assert_2016(report: &Value) {
    let text = |value: &Value, what: &str| assert!(value.is_string(), "{what}: {value}");
    let number = |value: &Value, what: &str| assert!(value.is_number(), "{what}: {value}");
    let clock = |value: &Value, what: &str| {
        let text = value.as_str().unwrap_or_else(|| panic!("{what}: {value}"));
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        assert_eq!(shape, "9999-99-99 99:99:99.999999", "{what}: {text}");
    };
    clock(&report["computer_utc_clock"], "computer_utc_clock");
    clock(&report["computer_clock"], "computer_clock");
    text(&report["hostname"], "hostname");
    assert!(report["mac_address"].is_string() || report["mac_address"].is_null(), "mac_address");
    for interface in report["ipv4_interfaces"].as_array().expect("ipv4_interfaces is a list") {
        text(&interface["addr"], "addr");
        for key in ["netmask", "broadcast"] {
            assert!(interface.get(key).is_some_and(|v| v.is_string() || v.is_null()), "{key} of {interface}");
        }
    }
    let cores = report["cpu"]["percent_used"].as_array().expect("cpu.percent_used is a list");
    assert!(!cores.is_empty(), "no cores");
    for core in cores {
        assert!(core.as_f64().is_some_and(|p| (0.0..=100.0).contains(&p)) || core.is_null(), "core: {core}");
    }
    for key in ["total_bytes", "total_bytes_used", "percent_used"] {
        number(&report["memory"][key], key);
    }
    for key in ["total_bytes", "total_bytes_used", "total_bytes_free", "percent_used"] {
        number(&report["disk"][key], key);
    }
    let processes = report["process"].as_object().expect("process is an object");
    assert!(!processes.is_empty(), "no processes");
    for (name, process) in processes {
        assert!(process["pid"].is_u64(), "{name}: {process}");
        text(&process["status"], name);
        for key in ["percent_cpu_used", "percent_memory_used"] {
            assert!(
                process.get(key).is_some_and(|v| v.is_number() || v.is_null()),
                "{key} of {name}: {process}"
            );
        }
    }
}
