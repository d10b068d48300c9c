//! What a node is called: its own identity, one derived for nodes of 2016, one for a clone.

use std::sync::Arc;

use chasar_wire::Report;

/// 64-bit FNV-1a: stable over versions and machines, which `std`'s hasher does not promise.
fn fnv(parts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for part in parts {
        // 0xff is no byte of UTF-8, so ("a", "bc") and ("ab", "c") differ.
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash
}

/// Tells two hosts that use one identity apart: host name and MAC address, hashed.
pub(crate) fn fingerprint(report: &Report) -> u64 {
    fnv(&[&report.hostname, report.mac_address.as_deref().unwrap_or("")])
}

/// The name of a node of 2016, which has no identity: `legacy-<host name>-<hash of host name and MAC>`.
///
/// The host name is cut to 32 characters that are safe in a topic; the hash keeps names apart.
pub(crate) fn legacy_id(report: &Report, fingerprint: u64) -> Arc<str> {
    let host: String = report
        .hostname
        .chars()
        .take(32)
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' })
        .collect();
    format!("legacy-{host}-{:08x}", fingerprint as u32).into()
}

/// The name of the `attempt`th node that claims `id`: `<id>~<hash>`. `~` is in no identity that a
/// node can give itself, so this collides with no other node.
pub(crate) fn clone_id(id: &str, fingerprint: u64, attempt: u64) -> Arc<str> {
    let mixed = fingerprint.wrapping_add(attempt.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    format!("{id}~{:06x}", (mixed ^ mixed >> 32) & 0xff_ffff).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(hostname: &str, mac: Option<&str>) -> Report {
        Report { hostname: hostname.into(), mac_address: mac.map(Into::into), ..Report::default() }
    }

    #[test]
    fn legacy_names_are_topic_safe_stable_and_apart() {
        let id = |hostname, mac| {
            let report = report(hostname, mac);
            legacy_id(&report, fingerprint(&report)).to_string()
        };
        let hostile = id("a/b \u{0}\n*é", Some("00:11:22:33:44:55"));
        assert!(hostile.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{hostile}");
        assert_eq!(id("pi", None), "legacy-pi-c67a0e78");
        assert_ne!(id("pi", Some("aa:bb:cc:dd:ee:ff")), id("pi", None));
        assert_ne!(id("a b", None), id("a_b", None));
        assert!(id(&"x".repeat(255), None).len() <= 64);
    }

    #[test]
    fn clones_get_names_no_node_can_give_itself() {
        let id = clone_id("n1", 7, 0);
        assert!(id.starts_with("n1~") && id.len() == 9, "{id}");
        assert_eq!(id, clone_id("n1", 7, 0));
        assert_ne!(id, clone_id("n1", 7, 1));
        assert_ne!(id, clone_id("n1", 8, 0));
    }
}
