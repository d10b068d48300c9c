//! The table of nodes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::columns::{Column, cell, layout};
use super::theme::Theme;
use crate::state::{Moment, Node, NodeState, Screen, SortBy};
use crate::text;

/// What to draw.
pub(super) struct Table<'a> {
    /// All nodes that are shown, in order.
    pub(super) rows: &'a [&'a Node],
    /// What the person chose.
    pub(super) screen: &'a Screen,
    /// Which row is selected.
    pub(super) selected: usize,
    /// Whether what is shown is old: the link is down.
    pub(super) stale: bool,
    /// The present.
    pub(super) moment: Moment,
    /// Colours.
    pub(super) theme: Theme,
}

/// Draws headings and as many rows as there is room for.
pub(super) fn draw(buf: &mut Buffer, area: Rect, table: &Table<'_>) {
    let Table { rows, screen, selected, stale, moment, theme } = *table;
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
            let (content, style) = cell(column, node, moment, theme);
            // What was true when the node was last heard need not be true now.
            let old = matches!(node.state(moment.known), NodeState::Down | NodeState::Left)
                && !matches!(column.column, Column::Of(SortBy::Node | SortBy::State | SortBy::Age));
            let style = if stale || old { Style::new().add_modifier(Modifier::DIM) } else { style };
            let content = text::pad(&content, column.width, column.right);
            buf.set_stringn(x, y, content, column.width, style);
            x = x.saturating_add(column.width as u16 + 1);
        }
        if screen.top + i == selected {
            buf.set_style(Rect { y, height: 1, ..area }, theme.selected());
        }
    }
}
