//! `MIB_TCPTABLE` and `MIB_TCP6TABLE`: how many TCP connections are in which state.

use chasar_wire::family::TcpStates;

use super::bytes::Bytes;

/// Bytes of a row for IPv4 (`MIB_TCPROW`).
pub const IPV4_ROW_BYTES: usize = 20;
/// Bytes of a row for IPv6 (`MIB_TCP6ROW`).
pub const IPV6_ROW_BYTES: usize = 52;

/// Counts the rows of a table, which begin with the state, into `states`.
pub fn count(buffer: Bytes<'_>, row_bytes: usize, states: &mut TcpStates) {
    let Some(rows) = buffer.u32(0) else { return };
    for i in 0..rows as usize {
        let Some(state) = i.checked_mul(row_bytes).and_then(|at| buffer.u32(4 + at)) else { return };
        // RFC 4022, tcpConnectionState.
        let of_state = match state {
            1 => &mut states.close,
            2 => &mut states.listen,
            3 => &mut states.syn_sent,
            4 => &mut states.syn_recv,
            5 => &mut states.established,
            6 => &mut states.fin_wait1,
            7 => &mut states.fin_wait2,
            8 => &mut states.close_wait,
            9 => &mut states.closing,
            10 => &mut states.last_ack,
            11 => &mut states.time_wait,
            _ => continue,
        };
        *of_state += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_state_and_none_beyond_the_end() {
        let mut table = vec![3, 0, 0, 0];
        for state in [2u32, 5, 5, 11] {
            table.extend(state.to_le_bytes());
            table.extend([0; 16]);
        }
        let counted = |table: &[u8]| {
            let mut states = TcpStates::default();
            count(Bytes::new(table, 0), IPV4_ROW_BYTES, &mut states);
            states
        };
        assert_eq!(counted(&table), TcpStates { listen: 1, established: 2, ..TcpStates::default() });
        table[0] = 200;
        assert_eq!(counted(&table).time_wait, 1, "as far as the buffer goes");
        assert_eq!(counted(&[1]), TcpStates::default());
    }
}
