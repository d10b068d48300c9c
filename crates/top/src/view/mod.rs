//! How the fleet looks: pure drawing into a buffer. No network, no keys, no clock.

mod columns;
mod detail;
mod format;
mod table;
mod theme;

use std::time::Instant;

use chasar_wire::Text;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

pub(crate) use columns::{Placed, cell, layout};
pub use theme::Theme;

use crate::state::{Fleet, LinkState, Moment, Node, NodeState, Screen};
use crate::text;

/// Below this height details take the whole screen instead of its lower half.
const SPLIT_HEIGHT: u16 = 24;

/// Below this height a notice would take the room of a row that matters more.
const NOTICE_HEIGHT: u16 = 8;

/// Draws everything. Returns the identities of the rows, in order, for the next [`Screen::act`].
pub fn draw(
    frame: &mut Frame<'_>,
    fleet: &Fleet,
    screen: &mut Screen,
    now: Instant,
    theme: Theme,
) -> Vec<Text> {
    let rows = fleet.rows(&screen.filter, screen.sort, screen.ascending(), now);
    let ids: Vec<Text> = rows.iter().map(|n| n.id.clone()).collect();
    let area = frame.area();
    if area.width == 0 || area.height == 0 {
        return ids;
    }
    let (head, rest) = split(area, 1);
    let (body, foot) = split(rest, rest.height.saturating_sub(1));
    let noticed = u16::from(screen.notice.is_some() && body.height >= NOTICE_HEIGHT);
    let (body, notice) = split(body, body.height - noticed);
    let (table, details) = match (screen.details, body.height >= SPLIT_HEIGHT) {
        (false, _) => (body, Rect::ZERO),
        (true, false) => (Rect::ZERO, body),
        (true, true) => {
            let all_rows = u16::try_from(rows.len() + 2).unwrap_or(u16::MAX);
            split(body, (body.height / 3).max(8).min(all_rows))
        }
    };
    screen.settle(&ids, table.height.saturating_sub(1).max(1) as usize);
    let details = if screen.details { details } else { Rect::ZERO };

    frame.render_widget(header(fleet, rows.len(), now, theme, head.width as usize), head);
    let stale = fleet.link.state != LinkState::Up;
    let selected = screen.index(&ids);
    let moment = fleet.moment(now);
    let content = table::Table { rows: &rows, screen, selected, stale, moment, theme };
    table::draw(frame.buffer_mut(), table, &content);
    if rows.is_empty() && table.height > 1 {
        let words = nothing(fleet, screen, now);
        let (_, below) = split(table, 2);
        let paragraph = Paragraph::new(words).style(theme.dim());
        frame.render_widget(paragraph.wrap(ratatui::widgets::Wrap { trim: true }), below);
    }
    if !details.is_empty()
        && let Some(node) = rows.get(selected)
    {
        draw_details(frame, details, node, screen, moment, theme);
    }
    if let Some(words) = screen.notice.as_ref().filter(|_| !notice.is_empty()) {
        let words = text::fit(words, notice.width as usize).into_owned();
        frame.render_widget(Line::styled(words, theme.title()), notice);
    }
    frame.render_widget(footer(screen, theme, foot.width as usize), foot);
    if screen.help {
        draw_help(frame, body, theme);
    }
    ids
}

fn split(area: Rect, top: u16) -> (Rect, Rect) {
    let top = top.min(area.height);
    let above = Rect { height: top, ..area };
    let below = Rect { y: area.y + top, height: area.height - top, ..area };
    (above, below)
}

fn header(fleet: &Fleet, shown: usize, now: Instant, theme: Theme, width: usize) -> Line<'static> {
    let link = &fleet.link;
    let state = match link.state {
        LinkState::Connecting => "connecting".to_owned(),
        LinkState::Up if link.of_2016 => "up (2016)".to_owned(),
        LinkState::Up => "up".to_owned(),
        LinkState::Lost => match link.since {
            Some(since) => format!("lost {}", format::age(now.saturating_duration_since(since))),
            None => "lost".to_owned(),
        },
    };
    let address = format!("{} ", text::clean(&link.address));
    let counts = fleet.counts(now);
    let total = counts.total();
    let nodes = if shown == total { format!("{total}") } else { format!("{shown}/{total}") };
    let plural = if total == 1 { "node" } else { "nodes" };
    // On a narrow screen the states matter more than the words around them.
    let mut spans = Vec::new();
    for words in [
        &["Chasar ", &address, "● ", &state, &format!("  {nodes} {plural}")][..],
        &["", &address, "● ", &state, &format!("  {nodes} {plural}")],
        &["", "", "● ", &state, &format!(" {nodes}")],
        &["", "", "●", "", &nodes],
    ] {
        spans = vec![
            Span::styled(words[0].to_owned(), theme.title()),
            Span::raw(words[1].to_owned()),
            Span::styled(format!("{}{}", words[2], words[3]), theme.link(link.state)),
            Span::raw(words[4].to_owned()),
        ];
        for (i, state) in NodeState::ALL.into_iter().filter(|s| counts.of(*s) > 0).enumerate() {
            spans.push(Span::raw(if i == 0 { ": " } else { ", " }));
            spans.push(Span::styled(format!("{} {}", counts.of(state), state.word()), theme.state(state)));
        }
        for (n, what) in [(fleet.unreadable, "unreadable"), (fleet.refused, "refused, too many nodes")] {
            if n > 0 {
                spans.push(Span::styled(format!("  {} {what}", format::count(n)), theme.warning()));
            }
        }
        if spans.iter().map(Span::width).sum::<usize>() <= width {
            break;
        }
    }
    Line::from(spans)
}

/// What to say in an empty table.
fn nothing(fleet: &Fleet, screen: &Screen, now: Instant) -> String {
    let address = text::clean(&fleet.link.address).into_owned();
    if fleet.counts(now).total() > 0 {
        let filter = &screen.filter;
        let given = if filter.typed.is_empty() { filter.fixed.join(" ") } else { filter.typed.clone() };
        return format!("No node matches {:?}. Esc clears what was typed.", text::clean(&given));
    }
    match fleet.link.state {
        LinkState::Up => format!(
            "Connected to {address}, no report yet. Start a clientnode: chasar clientnode start ip-address-masternode"
        ),
        LinkState::Connecting => format!(
            "No masternode at {address} yet; trying again until there is one. Start one: chasar masternode start"
        ),
        LinkState::Lost => format!("The link to {address} is lost; trying again until it is back."),
    }
}

fn footer(screen: &Screen, theme: Theme, width: usize) -> Line<'static> {
    if screen.typing {
        let words = text::fit(&format!("/{}", screen.filter.typed), width.saturating_sub(1)).into_owned();
        let hint = "  Enter keeps, Esc clears";
        return Line::from(vec![
            Span::styled(words, theme.title()),
            Span::styled("█".to_owned(), theme.title()),
            Span::styled(hint.to_owned(), theme.dim()),
        ]);
    }
    let keys: &[(&str, &str)] = if screen.details {
        &[("Esc", "close"), ("↑↓", "scroll"), ("n/p", "node"), ("?", "help"), ("q", "quit")]
    } else {
        &[
            ("q", "quit"),
            ("?", "help"),
            ("Enter", "details"),
            ("←→", "sort"),
            ("r", "reverse"),
            ("/", "filter"),
        ]
    };
    let mut spans = Vec::new();
    let mut used = 0;
    if !screen.filter.typed.is_empty() {
        let filter = format!("/{}  ", screen.filter.typed);
        used += text::columns(&filter);
        spans.push(Span::styled(filter, theme.warning()));
    }
    for (key, what) in keys {
        let wide = text::columns(key) + 1 + what.len() + 2;
        if used + wide > width + 2 {
            break;
        }
        used += wide;
        spans.push(Span::styled((*key).to_owned(), theme.heading()));
        spans.push(Span::styled(format!(" {what}  "), theme.dim()));
    }
    Line::from(spans)
}

fn draw_details(
    frame: &mut Frame<'_>,
    area: Rect,
    node: &Node,
    screen: &mut Screen,
    moment: Moment,
    theme: Theme,
) {
    let state = node.state(moment.known);
    let title = Line::from(vec![
        Span::styled(
            format!("─ {} ", text::fit(&node.hostname, (area.width as usize).saturating_sub(10))),
            theme.heading(),
        ),
        Span::styled(format!("{} ", state.word()), theme.state(state)),
    ]);
    let block = Block::new().borders(ratatui::widgets::Borders::TOP).border_style(theme.dim()).title(title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let lines = detail::lines(node, inner.width as usize, moment.now, theme);
    let height = inner.height as usize;
    screen.page = height;
    screen.scroll = screen.scroll.min(lines.len().saturating_sub(height));
    let more = lines.len() > screen.scroll + height;
    let shown: Vec<Line<'static>> = lines.into_iter().skip(screen.scroll).take(height).collect();
    frame.render_widget(Paragraph::new(shown), inner);
    if more && inner.width > 0 && inner.height > 0 {
        let (x, y) = (inner.right() - 1, inner.bottom() - 1);
        frame.buffer_mut().set_string(x, y, "▼", theme.title());
    }
}

fn draw_help(frame: &mut Frame<'_>, body: Rect, theme: Theme) {
    const HELP: [(&str, &str); 10] = [
        ("↑ ↓ j k", "move, in details scroll"),
        ("PgUp PgDn", "a page, also Space"),
        ("Home End", "first, last, also g G"),
        ("Enter", "details of a node"),
        ("n p Tab", "next, previous node"),
        ("← → < >", "sort by another column"),
        ("c m d l", "sort by CPU, memory, disk, load"),
        ("r", "reverse the order"),
        ("/", "show only what contains"),
        ("q Ctrl-C", "quit"),
    ];
    let width = 46.min(body.width);
    let height = (HELP.len() as u16 + 2).min(body.height);
    let area =
        Rect { x: body.x + (body.width - width) / 2, y: body.y + (body.height - height) / 2, width, height };
    let lines: Vec<Line<'static>> = HELP
        .iter()
        .map(|(key, what)| {
            Line::from(vec![
                Span::styled(format!(" {key:<10}"), theme.heading()),
                Span::raw((*what).to_owned()),
            ])
        })
        .collect();
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(" Keys ").border_style(theme.title()).style(Style::new());
    frame.render_widget(Paragraph::new(lines).block(block), area);
}
