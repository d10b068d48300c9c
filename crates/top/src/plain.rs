//! The table as plain text, for pipes and files: no colours, no cursor movement, only harmless characters.

use std::io::{self, Write};
use std::time::Instant;

use crate::state::{Fleet, LinkState, NodeState, Screen};
use crate::text;
use crate::view::{self, Theme};

/// Writes the fleet as it is `now`: one line about the whole, the headings, one line a node.
///
/// # Errors
/// What `out` says; a closed pipe is [`io::ErrorKind::BrokenPipe`].
pub fn write(
    out: &mut impl Write,
    fleet: &Fleet,
    screen: &Screen,
    width: usize,
    now: Instant,
) -> io::Result<()> {
    let counts = fleet.counts(now);
    let state = match fleet.link.state {
        LinkState::Connecting => "connecting",
        LinkState::Up => "up",
        LinkState::Lost => "lost",
    };
    let plural = if counts.total() == 1 { "node" } else { "nodes" };
    write!(out, "{} {state}, {} {plural}", text::clean(&fleet.link.address), counts.total())?;
    for state in NodeState::ALL.into_iter().filter(|s| counts.of(*s) > 0) {
        write!(out, ", {} {}", counts.of(state), state.word())?;
    }
    writeln!(out)?;
    let rows = fleet.rows(&screen.filter, screen.sort, screen.ascending(), now);
    if rows.is_empty() {
        return out.flush();
    }
    let columns = view::layout(width);
    let moment = fleet.moment(now);
    let line = |cell: &dyn Fn(&view::Placed) -> String| {
        let cells: Vec<String> = columns.iter().map(|c| text::pad(&cell(c), c.width, c.right)).collect();
        cells.join(" ").trim_end().to_owned()
    };
    writeln!(out, "{}", line(&|column| column.heading.to_owned()))?;
    for node in rows {
        writeln!(out, "{}", line(&|column| view::cell(column, node, moment, Theme { colour: false }).0))?;
    }
    out.flush()
}
