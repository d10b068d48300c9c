//! The order of the table.

use std::cmp::Ordering;
use std::time::Instant;

use super::Node;

/// What the table is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortBy {
    /// Host name.
    #[default]
    Node,
    /// State, the most pressing first.
    State,
    /// CPU used.
    Cpu,
    /// Memory used.
    Memory,
    /// Root file system used.
    Disk,
    /// Load over one minute.
    Load,
    /// Bytes received.
    Receive,
    /// Bytes sent.
    Transmit,
    /// Number of processes.
    Processes,
    /// Time since boot.
    Uptime,
    /// Age of the last report.
    Age,
}

impl SortBy {
    /// All of them, in the order of the columns.
    pub const ALL: [SortBy; 11] = [
        SortBy::Node,
        SortBy::State,
        SortBy::Cpu,
        SortBy::Memory,
        SortBy::Disk,
        SortBy::Load,
        SortBy::Receive,
        SortBy::Transmit,
        SortBy::Processes,
        SortBy::Uptime,
        SortBy::Age,
    ];

    /// The column `steps` to the right (or left, when negative), round the end.
    pub fn moved(self, steps: isize) -> SortBy {
        let at = SortBy::ALL.iter().position(|s| *s == self).unwrap_or(0);
        SortBy::ALL[(at as isize + steps).rem_euclid(SortBy::ALL.len() as isize) as usize]
    }

    /// Whether the first order of this column is from large to small: one looks for what is busy.
    pub fn largest_first(self) -> bool {
        !matches!(self, SortBy::Node | SortBy::State)
    }

    /// Orders two nodes; `ascending` does not touch the rule that the unknown comes last, nor that
    /// equals are in order of name.
    pub fn compare(self, a: &Node, b: &Node, ascending: bool, now: Instant) -> Ordering {
        let by_name = || a.hostname.cmp(&b.hostname).then_with(|| a.id.cmp(&b.id));
        let turn = |order: Ordering| if ascending { order } else { order.reverse() };
        let number = |key: fn(&Node) -> Option<f64>| match (key(a), key(b)) {
            (Some(x), Some(y)) => turn(x.total_cmp(&y)),
            (x, y) => y.is_some().cmp(&x.is_some()),
        };
        let order = match self {
            SortBy::Node => return turn(by_name()),
            SortBy::State => turn(a.state(now).cmp(&b.state(now))),
            SortBy::Cpu => number(|n| n.cpu_percent),
            SortBy::Memory => number(|n| n.memory_percent),
            SortBy::Disk => number(|n| n.disk_percent),
            SortBy::Load => number(|n| n.load1),
            SortBy::Receive => number(|n| n.rates.receive_bytes),
            SortBy::Transmit => number(|n| n.rates.transmit_bytes),
            SortBy::Processes => number(|n| n.processes.map(|p| p as f64)),
            SortBy::Uptime => number(|n| n.uptime_seconds),
            SortBy::Age => match (a.last_report, b.last_report) {
                // The later it came, the younger it is.
                (Some(x), Some(y)) => turn(y.cmp(&x)),
                (x, y) => y.is_some().cmp(&x.is_some()),
            },
        };
        order.then_with(by_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, cpu: Option<f64>) -> Node {
        let mut node = Node::new(name.into(), name.into());
        node.cpu_percent = cpu;
        node
    }

    fn order(by: SortBy, ascending: bool) -> String {
        let mut nodes = [node("c", Some(5.0)), node("b", None), node("a", Some(9.0)), node("d", Some(5.0))];
        nodes.sort_by(|a, b| by.compare(a, b, ascending, Instant::now()));
        nodes.iter().map(|n| n.hostname.as_str()).collect()
    }

    #[test]
    fn the_unknown_comes_last_both_ways() {
        assert_eq!(order(SortBy::Cpu, true), "cdab");
        assert_eq!(order(SortBy::Cpu, false), "acdb");
        assert_eq!(order(SortBy::Node, true), "abcd");
        assert_eq!(order(SortBy::Node, false), "dcba");
    }

    #[test]
    fn moving_goes_round() {
        assert_eq!(SortBy::Node.moved(-1), SortBy::Age);
        assert_eq!(SortBy::Age.moved(1), SortBy::Node);
        assert_eq!(SortBy::Node.moved(2), SortBy::Cpu);
    }
}
