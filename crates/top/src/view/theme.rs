//! Colours, or none of them.

use ratatui::style::{Color, Modifier, Style};

use crate::state::{LinkState, NodeState};

/// Colours, or none of them (`NO_COLOR`); states are then told apart by word and weight.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    /// Whether to use colours. Only the sixteen of the terminal's own palette are used.
    pub colour: bool,
}

impl Theme {
    fn fg(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// The colour of a share between 0 and 100 that is `busy` from one number on and `full` from another.
    pub(super) fn share(self, percent: Option<f64>, busy: f64, full: f64) -> Style {
        match percent {
            Some(p) if p >= full => self.fg(Color::Red).add_modifier(Modifier::BOLD),
            Some(p) if p >= busy => self.fg(Color::Yellow),
            Some(_) => self.fg(Color::Green),
            None => self.dim(),
        }
    }

    pub(super) fn cpu(self, percent: Option<f64>) -> Style {
        self.share(percent, 60.0, 85.0)
    }

    pub(super) fn memory(self, percent: Option<f64>) -> Style {
        self.share(percent, 75.0, 90.0)
    }

    pub(super) fn disk(self, percent: Option<f64>) -> Style {
        self.share(percent, 80.0, 90.0)
    }

    pub(super) fn state(self, state: NodeState) -> Style {
        match state {
            NodeState::Live => self.fg(Color::Green),
            NodeState::Late => self.fg(Color::Yellow),
            NodeState::Down => self.fg(Color::Red).add_modifier(Modifier::BOLD),
            NodeState::Left => self.dim(),
        }
    }

    pub(super) fn link(self, link: LinkState) -> Style {
        match link {
            LinkState::Up => self.fg(Color::Green),
            LinkState::Connecting => self.fg(Color::Yellow),
            LinkState::Lost => self.fg(Color::Red).add_modifier(Modifier::BOLD),
        }
    }

    pub(super) fn dim(self) -> Style {
        if self.colour { Style::new().fg(Color::DarkGray) } else { Style::new().add_modifier(Modifier::DIM) }
    }

    pub(super) fn title(self) -> Style {
        self.fg(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    pub(super) fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn warning(self) -> Style {
        self.fg(Color::Yellow)
    }

    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}
