//! The columns of the table: which fit into a width, and what stands in them.

use ratatui::style::Style;

use super::format::{self, or_unknown};
use super::theme::Theme;
use crate::state::{HISTORY, Moment, Node, SortBy};

/// One column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// One that can be sorted by.
    Of(SortBy),
    /// The little history of CPU.
    History,
}

use SortBy::*;

/// The columns from left to right, each with its heading, its least width, whether it stands to
/// the right, and its rank: when room is short, those of the highest rank go first.
const COLUMNS: [(Column, &str, usize, bool, u8); 12] = [
    (Column::Of(Node), "NODE", 8, false, 0),
    (Column::Of(State), "STATE", 5, false, 1),
    (Column::Of(Cpu), "CPU%", 5, true, 2),
    (Column::Of(Memory), "MEM%", 5, true, 3),
    (Column::Of(Disk), "DISK%", 6, true, 6),
    (Column::Of(Load), "LOAD", 5, true, 5),
    (Column::Of(Receive), "RX/s", 6, true, 7),
    (Column::Of(Transmit), "TX/s", 6, true, 8),
    (Column::Of(Processes), "PROCS", 6, true, 10),
    (Column::Of(Uptime), "UPTIME", 7, true, 11),
    (Column::Of(Age), "AGE", 5, true, 4),
    (Column::History, "CPU HISTORY", 11, false, 9),
];

/// A host name rarely needs more; beyond it the history gets the room.
const NODE_WIDTH: usize = 32;

/// A column with its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    pub(crate) column: Column,
    pub(crate) heading: &'static str,
    pub(crate) width: usize,
    pub(crate) right: bool,
}

/// The columns that fit into `width`, one blank between them; host names and history share what is left.
pub(crate) fn layout(width: usize) -> Vec<Placed> {
    let mut by_rank: Vec<usize> = (0..COLUMNS.len()).collect();
    by_rank.sort_by_key(|i| COLUMNS[*i].4);
    let mut chosen = Vec::new();
    let mut used = 0;
    for i in by_rank {
        let gap = usize::from(!chosen.is_empty());
        // The least important columns are not worth shortened host names.
        let reserve = if COLUMNS[i].4 >= 9 { 8 } else { 0 };
        if used + gap + COLUMNS[i].2 + reserve > width && !chosen.is_empty() {
            break;
        }
        used += gap + COLUMNS[i].2;
        chosen.push(i);
    }
    chosen.sort_unstable();
    let mut columns: Vec<Placed> = chosen
        .iter()
        .map(|i| {
            let (column, heading, width, right, _) = COLUMNS[*i];
            Placed { column, heading, width, right }
        })
        .collect();
    let mut left = width.saturating_sub(used);
    let has_history = columns.iter().any(|c| c.column == Column::History);
    for column in &mut columns {
        let most = match column.column {
            Column::Of(Node) if has_history => NODE_WIDTH,
            Column::Of(Node) => usize::MAX,
            Column::History => HISTORY,
            _ => continue,
        };
        let more = left.min(most.saturating_sub(column.width));
        column.width += more;
        left -= more;
    }
    if let Some(node) = columns.first_mut() {
        node.width = node.width.min(width);
    }
    columns
}

/// What stands in `column` for `node`, and how it looks.
pub(crate) fn cell(column: &Placed, node: &Node, moment: Moment, theme: Theme) -> (String, Style) {
    let plain = Style::new();
    match column.column {
        Column::Of(Node) => (node.hostname.to_string(), plain),
        Column::Of(State) => {
            let state = node.state(moment.known);
            (state.word().to_owned(), theme.state(state))
        }
        Column::Of(Cpu) => (or_unknown(node.cpu_percent, format::percent), theme.cpu(node.cpu_percent)),
        Column::Of(Memory) => {
            (or_unknown(node.memory_percent, format::percent), theme.memory(node.memory_percent))
        }
        Column::Of(Disk) => (or_unknown(node.disk_percent, format::percent), theme.disk(node.disk_percent)),
        Column::Of(Load) => {
            // A load of one for each core is a busy computer.
            let share = node.load1.zip(node.cores).map(|(load, cores)| 100.0 * load / cores as f64);
            let style = if node.load1.is_none() { theme.dim() } else { theme.share(share, 100.0, 200.0) };
            (or_unknown(node.load1, format::load), style)
        }
        Column::Of(Receive) => (or_unknown(node.rates.receive_bytes, format::bytes), plain),
        Column::Of(Transmit) => (or_unknown(node.rates.transmit_bytes, format::bytes), plain),
        Column::Of(Processes) => (or_unknown(node.processes, format::count), plain),
        Column::Of(Uptime) => (or_unknown(node.uptime_seconds, format::uptime), plain),
        Column::Of(Age) => (or_unknown(node.age(moment.now), format::age), plain),
        Column::History => {
            (format::sparkline(node.history.iter(), column.width), theme.cpu(node.cpu_percent))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fill_any_width_and_never_more() {
        for width in 0..300 {
            let columns = layout(width);
            let used: usize = columns.iter().map(|c| c.width).sum::<usize>() + columns.len() - 1;
            assert!(used <= width.max(1), "{used} of {width}");
        }
        let headings = |w| layout(w).iter().map(|c| c.heading).collect::<Vec<_>>().join(" ");
        assert_eq!(headings(0), "NODE");
        assert_eq!(headings(40), "NODE STATE CPU% MEM% LOAD AGE");
        assert_eq!(headings(80), "NODE STATE CPU% MEM% DISK% LOAD RX/s TX/s AGE CPU HISTORY");
        assert_eq!(layout(120).len(), COLUMNS.len());
    }
}
