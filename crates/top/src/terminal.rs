//! The loop that takes keys and updates and draws; the terminal is given back however it ends.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::DefaultTerminal;

use crate::state::{Action, Fleet, Screen, SortBy, Update};
use crate::view::{self, Theme};

/// Keys are looked for, and the screen is drawn if anything changed, this often.
const TICK: Duration = Duration::from_millis(50);
/// Without a key pressed the screen is drawn at most this often: what changes faster cannot be read.
const REDRAW: Duration = Duration::from_millis(500);

/// How to run the view.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whom we listen to, for people.
    pub address: String,
    /// Patterns of nodes to show; all without one.
    pub nodes: Vec<String>,
    /// Whether to use colours.
    pub colour: bool,
    /// A line to show below the table, for what a person should know from the start.
    pub notice: Option<String>,
    /// End after this long.
    pub end_after: Option<Duration>,
}

/// Columns and rows of the terminal; `None` without one.
pub fn size() -> Option<(usize, usize)> {
    let (columns, rows) = crossterm::terminal::size().ok()?;
    (columns > 0 && rows > 0).then_some((columns.into(), rows.into()))
}

/// Shows the fleet until a person quits, `stop` is set, or the sender of `updates` is gone.
///
/// # Errors
/// When the terminal cannot be read or drawn on.
pub fn run(updates: &Receiver<Update>, options: Options, stop: &AtomicBool) -> io::Result<()> {
    // Also sets a panic hook that gives the terminal back before the message is printed.
    let mut terminal = ratatui::try_init()?;
    let result = run_in(&mut terminal, updates, options, stop);
    ratatui::try_restore()?;
    result
}

fn run_in(
    terminal: &mut DefaultTerminal,
    updates: &Receiver<Update>,
    options: Options,
    stop: &AtomicBool,
) -> io::Result<()> {
    let started = Instant::now();
    let theme = Theme { colour: options.colour };
    let mut fleet = Fleet::new(options.address);
    let mut screen = Screen { notice: options.notice, ..Screen::new(options.nodes) };
    let mut drawn: Option<Instant> = None;
    let mut rows = Vec::new();
    loop {
        let now = Instant::now();
        if stop.load(Ordering::Relaxed) || options.end_after.is_some_and(|d| now - started >= d) {
            return Ok(());
        }
        let mut touched = false;
        while event::poll(Duration::ZERO)? {
            match event::read()? {
                Event::Key(key) => {
                    if let Some(action) = action(&screen, key)
                        && !screen.act(action, &rows)
                    {
                        return Ok(());
                    }
                    touched = true;
                }
                Event::Resize(_, _) => touched = true,
                _ => {}
            }
        }
        if touched || drawn.is_none_or(|at| now - at >= REDRAW) {
            fleet.focus(screen.current(&rows));
            terminal.draw(|frame| rows = view::draw(frame, &fleet, &mut screen, now, theme))?;
            drawn = Some(now);
        }
        // Sleeps on the updates; keys wait for a tick at most, which nobody notices.
        let until = now + TICK;
        loop {
            match updates.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(update) => fleet.apply(Instant::now(), update),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if Instant::now() >= until {
                break;
            }
        }
    }
}

/// Takes what has come into `fleet`, without waiting. Returns `false` when nothing more can come.
pub fn drain(updates: &Receiver<Update>, fleet: &mut Fleet) -> bool {
    loop {
        match updates.try_recv() {
            Ok(update) => fleet.apply(Instant::now(), update),
            Err(TryRecvError::Empty) => return true,
            Err(TryRecvError::Disconnected) => return false,
        }
    }
}

/// What a key means.
fn action(screen: &Screen, key: KeyEvent) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Action::Quit),
            KeyCode::Char('u') if screen.typing => Some(Action::Back),
            _ => None,
        };
    }
    if screen.typing {
        return match key.code {
            KeyCode::Char(c) => Some(Action::Type(c)),
            KeyCode::Backspace => Some(Action::Erase),
            KeyCode::Enter => Some(Action::Accept),
            KeyCode::Esc => Some(Action::Back),
            KeyCode::Up => Some(Action::Move(-1)),
            KeyCode::Down => Some(Action::Move(1)),
            _ => None,
        };
    }
    Some(match key.code {
        KeyCode::Char('q') => Action::Quit,
        KeyCode::Esc | KeyCode::Backspace => Action::Back,
        KeyCode::Up | KeyCode::Char('k') => Action::Move(-1),
        KeyCode::Down | KeyCode::Char('j') => Action::Move(1),
        KeyCode::PageUp => Action::Page(-1),
        KeyCode::PageDown | KeyCode::Char(' ') => Action::Page(1),
        KeyCode::Home | KeyCode::Char('g') => Action::First,
        KeyCode::End | KeyCode::Char('G') => Action::Last,
        KeyCode::Enter => Action::Details,
        KeyCode::Char('n') | KeyCode::Tab => Action::Neighbour(1),
        KeyCode::Char('p') | KeyCode::BackTab => Action::Neighbour(-1),
        KeyCode::Left | KeyCode::Char('<') => Action::SortMove(-1),
        KeyCode::Right | KeyCode::Char('>') => Action::SortMove(1),
        KeyCode::Char('c') => Action::Sort(SortBy::Cpu),
        KeyCode::Char('m') => Action::Sort(SortBy::Memory),
        KeyCode::Char('d') => Action::Sort(SortBy::Disk),
        KeyCode::Char('l') => Action::Sort(SortBy::Load),
        KeyCode::Char('r') => Action::Reverse,
        KeyCode::Char('/') => Action::Filter,
        KeyCode::Char('?' | 'h') => Action::Help,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(screen: &Screen, code: KeyCode) -> Option<Action> {
        action(screen, KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn letters_are_text_while_a_filter_is_typed() {
        let mut screen = Screen::default();
        assert_eq!(press(&screen, KeyCode::Char('q')), Some(Action::Quit));
        screen.typing = true;
        assert_eq!(press(&screen, KeyCode::Char('q')), Some(Action::Type('q')));
        let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(action(&screen, ctrl_c), Some(Action::Quit));
    }

    #[test]
    fn a_released_key_does_nothing() {
        let released = KeyEvent { kind: KeyEventKind::Release, ..KeyEvent::from(KeyCode::Char('q')) };
        assert_eq!(action(&Screen::default(), released), None);
    }
}
