//! What a sender is told: `ExportMetricsServiceResponse`, or `google.rpc.Status`.

use chasar_remote_write::protobuf::{put_bytes, put_number};

/// The answer to a message that was read; with rejected points, why.
pub fn response(rejected_points: u64, why: &str) -> Vec<u8> {
    let (mut partial, mut out) = (Vec::new(), Vec::new());
    put_number(&mut partial, 1, rejected_points);
    if !why.is_empty() {
        put_bytes(&mut partial, 2, why.as_bytes());
    }
    if !partial.is_empty() {
        put_bytes(&mut out, 1, &partial);
    }
    out
}

/// The body of an answer that is none of success: the text is for people.
pub fn failure(why: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, 2, why.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_the_bytes_of_the_standard() {
        assert!(response(0, "").is_empty());
        assert_eq!(response(3, "no"), b"\x0a\x06\x08\x03\x12\x02no");
        assert_eq!(failure("no"), b"\x12\x02no");
    }
}
