//! Report to bytes.

use crate::Report;
use crate::report::Replay;

/// More than [`encode_end`] ever adds.
pub const MAX_END_BYTES: usize = 128;

/// Writes `report` as JSON to the end of `out`, without allocating where `out` has room.
///
/// # Panics
/// Never: every value of a report has a JSON form (numbers that are not finite become `null`).
pub fn encode(report: &Report, out: &mut Vec<u8>) {
    serde_json::to_writer(out, report).expect("a report always has a JSON form");
}

/// Adds `leaving` and `replay` to a report written by [`encode`] without them: a report to several
/// masternodes is written once, and these differ for each.
///
/// # Panics
/// When `json` does not end as a report does.
pub fn encode_end(leaving: bool, replay: Option<Replay>, json: &mut Vec<u8>) {
    if !leaving && replay.is_none() {
        return;
    }
    assert_eq!(json.pop(), Some(b'}'), "a report is an object");
    if leaving {
        json.extend_from_slice(br#","leaving":true"#);
    }
    if let Some(replay) = replay {
        json.extend_from_slice(br#","replay":"#);
        serde_json::to_writer(&mut *json, &replay).expect("two numbers always have a JSON form");
    }
    json.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_added_later_is_read_like_one_written_at_once() {
        let most = Replay { pending: u64::MAX, from_sequence: u64::MAX };
        for leaving in [None, Some(true)] {
            for replay in [None, Some(Replay { pending: 3, from_sequence: 7 }), Some(most)] {
                let mut at_once = Report { hostname: "h".into(), ..Report::default() };
                let mut json = Vec::new();
                encode(&at_once, &mut json);
                let before = json.len();
                encode_end(leaving == Some(true), replay, &mut json);
                assert!(json.len() <= before + MAX_END_BYTES);
                (at_once.leaving, at_once.replay) = (leaving, replay);
                assert_eq!(crate::decode(&json).unwrap(), at_once);
            }
        }
    }
}
