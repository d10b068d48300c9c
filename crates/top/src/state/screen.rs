//! What the person looking at the fleet chose: order, filter, selection, what is open.

use chasar_wire::Text;

use super::{Filter, SortBy};

/// What a person wants, whatever key they use for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// End.
    Quit,
    /// Close what is open: help, filter line, details; with nothing open, clear the filter.
    Back,
    /// Move the selection by so many rows; in the details, scroll.
    Move(isize),
    /// Move by so many pages.
    Page(isize),
    /// To the first row.
    First,
    /// To the last row.
    Last,
    /// Open or close the details of the selected node.
    Details,
    /// The next node (1) or the one before (-1), while details are open.
    Neighbour(isize),
    /// Sort by the column so many to the right.
    SortMove(isize),
    /// Sort by this column; a second time turns the order.
    Sort(SortBy),
    /// Turn the order.
    Reverse,
    /// Begin to type a filter.
    Filter,
    /// A character of the filter.
    Type(char),
    /// Take back a character of the filter.
    Erase,
    /// Keep the filter and leave its line.
    Accept,
    /// Open or close the help.
    Help,
}

/// What the person looking at the fleet chose.
#[derive(Clone, Debug, Default)]
pub struct Screen {
    /// Which nodes to show.
    pub filter: Filter,
    /// What the table is sorted by.
    pub sort: SortBy,
    /// Whether the order is turned from the column's first one.
    pub reversed: bool,
    /// A line to show below the table, where there is room.
    pub notice: Option<String>,
    /// Whether a filter is being typed.
    pub typing: bool,
    /// Whether details are open.
    pub details: bool,
    /// Whether the help is open.
    pub help: bool,
    /// The node that was selected; it stays so when the order changes. Until one is, and when it is no
    /// longer shown, the first row counts as selected.
    pub selected: Option<Text>,
    /// First row of the table that is shown.
    pub top: usize,
    /// First line of the details that is shown.
    pub scroll: usize,
    /// Rows of a page, as they were drawn last.
    pub page: usize,
}

/// Longest filter that can be typed.
const MAX_FILTER: usize = 64;

impl Screen {
    /// With these patterns from the start.
    pub fn new(fixed: Vec<String>) -> Screen {
        Screen { filter: Filter { fixed, typed: String::new() }, ..Screen::default() }
    }

    /// Whether the order is from small to large.
    pub fn ascending(&self) -> bool {
        self.sort.largest_first() == self.reversed
    }

    /// Does what was asked; `rows` are the identities shown, in order. Returns `false` to end.
    pub fn act(&mut self, action: Action, rows: &[Text]) -> bool {
        match action {
            Action::Quit => return false,
            Action::Help => self.help = !self.help,
            Action::Back if self.help => self.help = false,
            Action::Back if self.typing => {
                self.typing = false;
                self.filter.typed.clear();
            }
            Action::Back if self.details => self.details = false,
            Action::Back => self.filter.typed.clear(),
            Action::Move(by) => self.go(by, rows),
            Action::Page(by) => self.go(by * self.page.max(1) as isize, rows),
            Action::First if self.details => self.scroll = 0,
            Action::First => self.selected = rows.first().cloned(),
            Action::Last if self.details => self.scroll = usize::MAX,
            Action::Last => self.selected = rows.last().cloned(),
            Action::Details => {
                self.details = !self.details && !rows.is_empty();
                self.selected = self.current(rows).cloned();
                self.scroll = 0;
            }
            Action::Neighbour(by) => {
                self.select(by, rows);
                self.scroll = 0;
            }
            Action::SortMove(by) => self.sort_by(self.sort.moved(by)),
            Action::Sort(column) if column == self.sort => self.reversed = !self.reversed,
            Action::Sort(column) => self.sort_by(column),
            Action::Reverse => self.reversed = !self.reversed,
            Action::Filter => self.typing = true,
            Action::Type(c) => {
                if self.filter.typed.chars().count() < MAX_FILTER && crate::text::is_harmless(c) {
                    self.filter.typed.push(c);
                }
            }
            Action::Erase => {
                if self.filter.typed.pop().is_none() {
                    self.typing = false;
                }
            }
            Action::Accept => self.typing = false,
        }
        true
    }

    fn sort_by(&mut self, column: SortBy) {
        self.sort = column;
        self.reversed = false;
    }

    fn go(&mut self, by: isize, rows: &[Text]) {
        if self.details {
            self.scroll = self.scroll.saturating_add_signed(by);
        } else {
            self.select(by, rows);
        }
    }

    fn select(&mut self, by: isize, rows: &[Text]) {
        if let Some(last) = rows.len().checked_sub(1) {
            let at = self.index(rows).saturating_add_signed(by).min(last);
            self.selected = Some(rows[at].clone());
        }
    }

    /// Where the selected node is among `rows`; the first when it is not there.
    pub fn index(&self, rows: &[Text]) -> usize {
        self.selected.as_ref().and_then(|id| rows.iter().position(|r| r == id)).unwrap_or(0)
    }

    /// The node that counts as selected.
    pub fn current<'a>(&self, rows: &'a [Text]) -> Option<&'a Text> {
        rows.get(self.index(rows))
    }

    /// Sees to it that what is selected is among the `height` rows shown.
    pub fn settle(&mut self, rows: &[Text], height: usize) {
        self.page = height;
        let at = self.index(rows);
        if self.current(rows) != self.selected.as_ref() {
            self.selected = None;
        }
        if at < self.top {
            self.top = at;
        } else if at >= self.top + height {
            self.top = at + 1 - height.max(1);
        }
        self.top = self.top.min(rows.len().saturating_sub(height));
        if rows.is_empty() {
            self.details = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(names: &[&str]) -> Vec<Text> {
        names.iter().map(|n| Text::from(*n)).collect()
    }

    #[test]
    fn the_selection_follows_its_node() {
        let mut screen = Screen::default();
        let before = rows(&["a", "b", "c", "d"]);
        screen.settle(&before, 2);
        screen.act(Action::Move(2), &before);
        assert_eq!(screen.selected.as_deref(), Some("c"));
        screen.settle(&before, 2);
        assert_eq!(screen.top, 1, "scrolled as far as needed");
        let after = rows(&["c", "d", "a", "b"]);
        screen.settle(&after, 2);
        assert_eq!((screen.selected.as_deref(), screen.top), (Some("c"), 0));
        let others = rows(&["x", "y"]);
        screen.settle(&others, 2);
        assert_eq!(
            (&screen.selected, screen.current(&others).map(Text::as_str)),
            (&None, Some("x")),
            "gone: the first"
        );
        screen.settle(&[], 2);
        assert_eq!(screen.current(&[]), None);
    }

    #[test]
    fn movement_stops_at_the_ends() {
        let mut screen = Screen::default();
        let all = rows(&["a", "b", "c"]);
        screen.settle(&all, 2);
        assert_eq!(screen.selected, None, "nothing yet: the first row, whatever the order");
        for (action, selected) in [
            (Action::Move(-1), "a"),
            (Action::Page(5), "c"),
            (Action::First, "a"),
            (Action::Last, "c"),
            (Action::Page(-1), "a"),
        ] {
            screen.act(action, &all);
            assert_eq!(screen.selected.as_deref(), Some(selected), "{action:?}");
        }
        screen.act(Action::Move(1), &[]);
    }

    #[test]
    fn back_closes_what_is_open_first() {
        let all = rows(&["a"]);
        let mut screen = Screen::default();
        screen.settle(&all, 5);
        screen.act(Action::Details, &all);
        screen.act(Action::Help, &all);
        screen.act(Action::Back, &all);
        assert!(!screen.help && screen.details);
        screen.act(Action::Back, &all);
        assert!(!screen.details);
        for action in [Action::Filter, Action::Type('w'), Action::Type('\u{1b}'), Action::Accept] {
            screen.act(action, &all);
        }
        assert_eq!((screen.filter.typed.as_str(), screen.typing), ("w", false));
        screen.act(Action::Back, &all);
        assert_eq!(screen.filter.typed, "");
        assert!(!screen.act(Action::Quit, &all));
    }

    #[test]
    fn columns_of_numbers_begin_with_the_largest() {
        let mut screen = Screen::default();
        assert!(screen.ascending());
        screen.act(Action::Sort(SortBy::Cpu), &[]);
        assert!(!screen.ascending());
        screen.act(Action::Sort(SortBy::Cpu), &[]);
        assert!(screen.ascending());
        screen.act(Action::SortMove(1), &[]);
        assert_eq!((screen.sort, screen.ascending()), (SortBy::Memory, false));
        screen.act(Action::Reverse, &[]);
        assert!(screen.ascending());
    }
}
