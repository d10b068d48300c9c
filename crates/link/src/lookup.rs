//! Finding the address of a masternode that is known by name, again and again.
//!
//! At boot the name service may not be up yet, and a masternode may move to another computer: the name
//! then leads elsewhere. So a name is looked up until it has an address, and again whenever there has
//! been no link for a while. A link that works is left alone. Looking up may take long and cannot be
//! hurried, so it happens on a thread of its own, which lives no longer than one question.
//!
//! [`Lookup`] decides and knows neither clock nor thread; [`ByName`] moves a socket after it.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use chasar_libzmq::Socket;

use crate::endpoint::{Endpoint, Host};
use crate::link_state::LinkState;
use crate::wait::random_unit;

/// First wait after a question without answer; it doubles.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The wait between two questions does not grow beyond this; both are randomised by a quarter.
const RETRY_LAST: Duration = Duration::from_secs(30);
/// While a link was up and broke, the same address is tried for so long before the name is looked up.
const AGAIN_AFTER_DOWN: Duration = Duration::from_secs(5);
/// An answer is noticed after a quarter of the time it took, within these bounds: most come at once, and
/// waiting for a name service that is gone must cost next to nothing.
const NOTICE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));

/// Asks the system for the addresses of a name.
pub type Resolve = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// When to ask, and what to make of the answers.
#[derive(Debug)]
pub(crate) struct Lookup {
    name: String,
    /// From 0.75 to 1.25: 10,000 nodes must not ask in one second.
    spread: f64,
    current: Option<IpAddr>,
    /// When to ask next; `None` while a question is out or the link is up.
    due: Option<Instant>,
    wait: Duration,
}

/// What follows from an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Connect to this address, and no longer to the other.
    Connect { to: IpAddr, instead_of: Option<IpAddr> },
    /// Go on as it is.
    Same,
    /// There is no address; the words say why.
    Nothing(String),
}

impl Lookup {
    /// To be asked at once. `unit` is a random number from 0 to 1.
    pub(crate) fn new(name: String, now: Instant, unit: f64) -> Lookup {
        Lookup { name, spread: 0.75 + unit / 2.0, current: None, due: Some(now), wait: RETRY_FIRST }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// When to look whether to ask, at the latest.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether to ask now; the question is then out.
    pub(crate) fn ask(&mut self, now: Instant) -> bool {
        let ask = self.due.is_some_and(|due| now >= due);
        if ask {
            self.due = None;
        }
        ask
    }

    /// The answer is here, and the link is up or not.
    pub(crate) fn answer(&mut self, now: Instant, answer: io::Result<Vec<IpAddr>>, up: bool) -> Found {
        if !up {
            self.due = Some(now + self.wait.mul_f64(self.spread));
            self.wait = (self.wait * 2).min(RETRY_LAST);
        }
        let found = answer.map_err(|e| e.to_string()).and_then(|found| {
            super::endpoint::preferred(&found).ok_or_else(|| "the system knows no address for it".to_owned())
        });
        let to = match found {
            Ok(to) => to,
            Err(why) if self.current.is_none() => return Found::Nothing(why),
            // The address of before is tried on, and what is wrong with it is told.
            Err(_) => return Found::Same,
        };
        // A link that came up meanwhile is worth more than the news.
        if up || self.current == Some(to) {
            return Found::Same;
        }
        Found::Connect { to, instead_of: self.current.replace(to) }
    }

    /// The address could not be connected to; it is new again when it is found again.
    pub(crate) fn refused(&mut self) {
        self.current = None;
    }

    /// The link came up.
    pub(crate) fn up(&mut self) {
        self.due = None;
        self.wait = RETRY_FIRST;
    }

    /// The link broke.
    pub(crate) fn down(&mut self, now: Instant) {
        self.wait = AGAIN_AFTER_DOWN;
        self.due = Some(now + self.wait.mul_f64(self.spread));
    }
}

/// One question on a thread of its own.
#[derive(Debug)]
pub(crate) struct Question {
    asked: Instant,
    receiver: Receiver<io::Result<Vec<IpAddr>>>,
}

impl Question {
    /// Asks.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn ask(name: &str, resolver: &Resolver) -> io::Result<Question> {
        let (sender, receiver) = channel();
        let (name, resolve) = (name.to_owned(), Arc::clone(&resolver.0));
        let ask = move || {
            // Nobody waits any more when the link was closed meanwhile.
            let _ = sender.send(resolve(&name));
        };
        // Modules of the name service are strangers; the stack is touched only as far as they need it.
        std::thread::Builder::new().name("lookup".to_owned()).stack_size(512 << 10).spawn(ask)?;
        Ok(Question { asked: Instant::now(), receiver })
    }

    /// When to look again for the answer.
    pub(crate) fn look_again(&self) -> Instant {
        Instant::now() + (self.asked.elapsed() / 4).clamp(NOTICE.0, NOTICE.1)
    }

    /// The answer, once it is here.
    pub(crate) fn answer(&self) -> Option<io::Result<Vec<IpAddr>>> {
        match self.receiver.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(io::Error::other("the lookup broke off"))),
        }
    }
}

/// A host given by name, and the socket that is to lead there.
///
/// libzmq gets addresses only: it would look names up on its own thread, and closing would wait for that.
#[derive(Debug)]
pub(crate) struct ByName {
    endpoint: Endpoint,
    lookup: Lookup,
    resolver: Resolver,
    question: Option<Question>,
    was_up: bool,
}

impl ByName {
    /// `None` for what is not a name.
    pub(crate) fn of(endpoint: &Endpoint, resolver: &Resolver) -> Option<ByName> {
        let Host::Name(name) = endpoint.host() else { return None };
        (endpoint.port() != 0).then(|| ByName {
            endpoint: endpoint.clone(),
            lookup: Lookup::new(name.clone(), Instant::now(), random_unit()),
            resolver: resolver.clone(),
            question: None,
            was_up: false,
        })
    }

    /// The deadline, or before it when the name wants to be looked after.
    pub(crate) fn wake_by(&self, deadline: Instant) -> Instant {
        let due = match &self.question {
            Some(question) => Some(question.look_again()),
            None => self.lookup.due(),
        };
        due.map_or(deadline, |due| deadline.min(due))
    }

    /// Looks the name up when that is due, and follows it to where it leads. What fails is trouble of the link.
    pub(crate) fn pump(&mut self, socket: &Socket, state: &mut LinkState) {
        let up = state.is_up();
        if up != std::mem::replace(&mut self.was_up, up) {
            if up { self.lookup.up() } else { self.lookup.down(Instant::now()) }
        }
        let mut answer = self.question.as_ref().and_then(Question::answer);
        if answer.is_some() {
            self.question = None;
        } else if self.question.is_none() && self.lookup.ask(Instant::now()) {
            match Question::ask(self.lookup.name(), &self.resolver) {
                Ok(asked) => self.question = Some(asked),
                Err(error) => answer = Some(Err(error)),
            }
        }
        let Some(answer) = answer else { return };
        match self.lookup.answer(Instant::now(), answer, up) {
            Found::Same => {}
            Found::Nothing(why) => {
                let name = self.lookup.name();
                state.trouble(format!(
                    "cannot find the host '{name}': {why}; check the name, or give an IP address"
                ));
            }
            Found::Connect { to, instead_of } => {
                if let Err(why) = self.lead(socket, to, instead_of) {
                    state.trouble(format!("cannot connect to {} ({to}): {why}", self.endpoint));
                    self.lookup.refused();
                }
            }
        }
    }

    fn lead(&self, socket: &Socket, to: IpAddr, instead_of: Option<IpAddr>) -> chasar_libzmq::Result<()> {
        if let Some(old) = instead_of {
            socket.disconnect(&self.endpoint.at(old).0)?;
        }
        let (address, ipv6) = self.endpoint.at(to);
        socket.set_ipv6(ipv6)?;
        socket.connect(&address)
    }
}

/// Who knows the addresses of names.
#[derive(Clone)]
pub struct Resolver(Resolve);

impl Resolver {
    /// The system's (`getaddrinfo(3)`).
    #[must_use]
    pub fn system() -> Resolver {
        Resolver(Arc::new(super::endpoint::system_addresses))
    }

    /// Somebody else.
    #[must_use]
    pub fn new(resolve: Resolve) -> Resolver {
        Resolver(resolve)
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn nothing() -> io::Result<Vec<IpAddr>> {
        Err(io::Error::other("no answer"))
    }

    #[test]
    fn a_name_without_address_is_asked_for_less_and_less_often_but_for_ever() {
        let start = Instant::now();
        let mut lookup = Lookup::new("a".into(), start, 0.5);
        let mut now = start;
        let mut asked = Vec::new();
        while asked.len() < 8 {
            assert!(lookup.ask(now));
            asked.push(now.duration_since(start).as_secs());
            assert!(!lookup.ask(now), "one question at a time");
            assert_eq!(lookup.answer(now, nothing(), false), Found::Nothing("no answer".into()));
            now = lookup.due().unwrap();
        }
        assert_eq!(asked, [0, 1, 3, 7, 15, 31, 61, 91]);
        assert_eq!(lookup.answer(now, Ok(vec![A]), false), Found::Connect { to: A, instead_of: None });
    }

    #[test]
    fn a_link_that_works_is_left_alone_and_one_that_broke_follows_the_name() {
        let start = Instant::now();
        let mut lookup = Lookup::new("a".into(), start, 0.5);
        assert!(lookup.ask(start));
        assert_eq!(lookup.answer(start, Ok(vec![A]), false), Found::Connect { to: A, instead_of: None });
        lookup.up();
        assert_eq!(lookup.due(), None);
        lookup.down(start);
        let again = lookup.due().unwrap();
        assert_eq!(again, start + AGAIN_AFTER_DOWN);
        assert!(lookup.ask(again));
        assert_eq!(lookup.answer(again, Ok(vec![A, B]), false), Found::Same);
        let later = lookup.due().unwrap();
        assert!(lookup.ask(later));
        // While the question was out the link came up: the answer is no reason to cut it.
        assert_eq!(lookup.answer(later, Ok(vec![B]), true), Found::Same);
        lookup.down(later);
        let last = lookup.due().unwrap();
        assert!(lookup.ask(last));
        assert_eq!(lookup.answer(last, Ok(vec![B]), false), Found::Connect { to: B, instead_of: Some(A) });
        assert_eq!(lookup.answer(last, nothing(), false), Found::Same);
    }
}
