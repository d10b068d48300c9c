//! The table of nodes.

use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::columns::{Column, cell, layout};
use super::theme::Theme;
use crate::state::{Node, NodeState, Screen, SortBy};
use crate::text;

/// Draws headings and as many `rows` as there is room for, from `screen.top` on. With `stale`, what
/// is shown is old: the link is down.
pub(super) fn draw(
    buf: &mut Buffer,
    area: Rect,
    rows: &[&Node],
    screen: &Screen,
    stale: bool,
    now: Instant,
    theme: Theme,
) {
    if area.is_empty() {
        return;
    }
    let columns = layout(area.width as usize);
    let mut x = area.x;
    for column in &columns {
        let sorted = column.column == Column::Of(screen.sort);
        let arrow = if screen.ascending() { "▲" } else { "▼" };
        let heading = match (sorted, column.right) {
            (false, _) => column.heading.to_owned(),
            (true, true) => format!("{arrow}{}", column.heading),
            (true, false) => format!("{}{arrow}", column.heading),
        };
        let style = if sorted { theme.title() } else { theme.heading() };
        // An arrow that does not fit takes the blank between two columns.
        let width = column.width.max(text::columns(&heading).min(column.width + 1));
        let over = u16::try_from(width - column.width).unwrap_or(0);
        let start = if column.right { x.saturating_sub(over) } else { x };
        buf.set_stringn(start, area.y, text::pad(&heading, width, column.right), width, style);
        x = x.saturating_add(column.width as u16 + 1);
    }
    let shown = rows.iter().skip(screen.top).take(area.height.saturating_sub(1) as usize);
    for (i, node) in shown.enumerate() {
        let y = area.y + 1 + i as u16;
        let mut x = area.x;
        for column in &columns {
            let (content, style) = cell(column, node, now, theme);
            // What was true when the node was last heard need not be true now.
            let old = matches!(node.state(now), NodeState::Down | NodeState::Left)
                && !matches!(column.column, Column::Of(SortBy::Node | SortBy::State | SortBy::Age));
            let style = if stale || old { Style::new().add_modifier(Modifier::DIM) } else { style };
            let content = text::pad(&content, column.width, column.right);
            buf.set_stringn(x, y, content, column.width, style);
            x = x.saturating_add(column.width as u16 + 1);
        }
        if screen.selected.as_ref() == Some(&node.id) {
            buf.set_style(Rect { y, height: 1, ..area }, theme.selected());
        }
    }
}
