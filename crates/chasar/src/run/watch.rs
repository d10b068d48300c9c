//! `chasar watch`: the fleet as a live table, as plain text, or as lines of JSON.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use chasar::{Item, Message, Subscriber, Want};
use chasar_top::state::{LinkState, Screen};
use chasar_top::{Fleet, Update, plain, terminal};

use crate::args::Watch;
use crate::exit::Failure;
use crate::log::colour;
use crate::output::{Reader, json_line, to_stdout};
use crate::signal::Stop;

/// How often the plain table is printed.
const PLAIN_EVERY: Duration = Duration::from_secs(5);
/// The first plain table comes when the masternode had time to tell everything once.
const PLAIN_FIRST: Duration = Duration::from_secs(2);
/// How long to wait for something before looking whether to stop.
const PATIENCE: Duration = Duration::from_millis(100);
/// Updates on their way from the reader to the view; the view never waits long, and beyond this
/// the link's own bounded queue holds them.
const QUEUE: usize = 4_096;
/// Width of the plain table: that of a wide page.
const PLAIN_WIDTH: usize = 120;

pub(crate) fn watch(args: Watch) -> Result<(), Failure> {
    let address = address_text(&args.address.0, args.address.1);
    let stop = Stop::install(|| {}).map_err(Failure::no_signals)?;
    if args.json {
        json(&args, &address, &stop)
    } else {
        table(&address, Table { nodes: args.nodes, notice: None, duration: args.duration }, stop.flag())
    }
}

/// `host:port`, IPv6 addresses in brackets.
pub(crate) fn address_text(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn subscribe(address: &str, want: Want) -> Result<Subscriber, Failure> {
    Subscriber::with(address, want).map_err(|e| Failure::new(format_args!("cannot watch {address}: {e}")))
}

fn json(args: &Watch, address: &str, stop: &Stop) -> Result<(), Failure> {
    let started = Instant::now();
    let want = Want { reports: !args.states, events: args.states, nodes: args.nodes.clone() };
    let mut subscriber = subscribe(address, want)?;
    let mut printed = 0;
    let mut line = String::new();
    loop {
        let left = match args.duration {
            Some(duration) => duration.saturating_sub(started.elapsed()),
            None => Duration::MAX,
        };
        if stop.requested() {
            return Ok(());
        }
        if left.is_zero() {
            break;
        }
        let raw = match subscriber.recv(left.min(PATIENCE)).map_err(Failure::new)? {
            Some(Item::Message(raw)) => raw,
            Some(Item::Trouble(text)) => {
                note(&format!("{text}; trying again"));
                continue;
            }
            Some(Item::Down(reason)) => {
                note(&format!("the link to {address} is lost: {reason}; trying again"));
                continue;
            }
            _ => continue,
        };
        // Read, so that every line is whole and sound; printed as it came.
        let message = match raw.parse() {
            Ok(message) => message,
            Err(error) => {
                note(&error.to_string());
                continue;
            }
        };
        let Ok(text) = std::str::from_utf8(&raw.json) else { continue };
        if !subscriber.wants(&message, raw.node_id()) {
            continue;
        }
        json_line(text, &mut line);
        if to_stdout(|out| out.write_all(line.as_bytes()))? == Reader::Gone {
            return Ok(());
        }
        printed += 1;
        if args.count == Some(printed) {
            return Ok(());
        }
    }
    match args.count {
        Some(count) => Err(Failure::new(format_args!(
            "{printed} of {count} lines came from {address} before the time was over; is the masternode there?"
        ))),
        None => Ok(()),
    }
}

/// A remark for the person beside the pipe; stderr, so that lines of JSON stay alone.
fn note(text: &str) {
    let _ = writeln!(io::stderr(), "chasar: {}", chasar_top::text::clean(text));
}

/// What to show.
pub(crate) struct Table {
    /// Patterns of nodes; all without one.
    pub(crate) nodes: Vec<String>,
    /// A line to show below a live table.
    pub(crate) notice: Option<String>,
    /// How long; until somebody ends it without.
    pub(crate) duration: Option<Duration>,
}

/// Whether the table would be a live one.
pub(crate) fn on_terminal() -> bool {
    io::stdout().is_terminal() && io::stdin().is_terminal()
}

/// Shows the live table on a terminal, else prints a plain one from time to time, until `stop` is set,
/// the time is over, or a person quits.
pub(crate) fn table(address: &str, table: Table, stop: &Arc<AtomicBool>) -> Result<(), Failure> {
    let subscriber = subscribe(address, Want { events: true, ..Want::default() })?;
    let (sender, updates) = sync_channel(QUEUE);
    let reader = {
        let stop = Arc::clone(stop);
        std::thread::Builder::new()
            .name("subscriber".to_owned())
            .spawn(move || read(subscriber, &sender, &stop))
            .map_err(|e| Failure::new(format_args!("cannot start a thread: {e}")))?
    };
    let result = if on_terminal() {
        let options = terminal::Options {
            address: address.to_owned(),
            nodes: table.nodes,
            colour: colour(&io::stdout()),
            notice: table.notice,
            end_after: table.duration,
        };
        terminal::run(&updates, options, stop)
            .map_err(|e| Failure::new(format_args!("cannot use the terminal: {e}; try --json")))
    } else {
        plain_tables(address, table, &updates, stop)
    };
    // Whether a person or a signal ended the view, the reader has to end too.
    stop.store(true, Ordering::Relaxed);
    drop(updates);
    let read = reader.join().map_err(|_| Failure::new("the reader ended unexpectedly"))?;
    result.and(read)
}

/// Turns what the subscriber sees into updates until it is told to stop or nobody wants them.
fn read(mut subscriber: Subscriber, updates: &SyncSender<Update>, stop: &AtomicBool) -> Result<(), Failure> {
    while !stop.load(Ordering::Relaxed) {
        let update = match subscriber.recv(PATIENCE).map_err(Failure::new)? {
            Some(Item::Message(raw)) => match raw.parse() {
                Ok(Message::Report(report)) => {
                    Update::Report { node_id: raw.node_id().map(Into::into), report }
                }
                Ok(Message::Event(event)) => Update::Event(event),
                _ => Update::Unreadable,
            },
            Some(Item::Up) => Update::Link(LinkState::Up),
            Some(Item::Down(_)) => Update::Link(LinkState::Lost),
            Some(Item::Of2016(is)) => Update::Of2016(is),
            _ => continue,
        };
        if updates.send(update).is_err() {
            break;
        }
    }
    Ok(())
}

fn plain_tables(
    address: &str,
    table: Table,
    updates: &Receiver<Update>,
    stop: &AtomicBool,
) -> Result<(), Failure> {
    let started = Instant::now();
    let end = table.duration.and_then(|d| started.checked_add(d));
    let mut fleet = Fleet::new(address.to_owned());
    let screen = Screen::new(table.nodes);
    let mut next = started + PLAIN_FIRST;
    loop {
        let open = terminal::drain(updates, &mut fleet);
        let now = Instant::now();
        let over = end.is_some_and(|end| now >= end);
        if now >= next || over {
            next += PLAIN_EVERY;
            let table = to_stdout(|out| {
                plain::write(&mut &mut *out, &fleet, &screen, PLAIN_WIDTH, now)?;
                writeln!(out)
            })?;
            if table == Reader::Gone {
                return Ok(());
            }
        }
        if over || !open || stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        std::thread::sleep(PATIENCE.min(next.saturating_duration_since(now)));
    }
}
