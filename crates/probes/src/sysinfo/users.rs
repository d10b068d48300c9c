//! Names of users, asked aside: a directory service may be another computer.
//!
//! A user shows by number until the answer is there, and if there is none.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chasar_wire::Text;

use super::source;
use crate::text::copy_text;
use crate::{Background, Now, Slot};

/// How often it is seen whether there are users to ask for.
const EVERY: Duration = Duration::from_secs(2);
/// After so many rounds a name is asked for again: users are renamed, and directories come back.
const ROUNDS_BETWEEN_LOOKS: u32 = 300;
/// More users than this have no processes at once.
const MOST_USERS: usize = 1024;

type Names = BTreeMap<u32, Option<Text>>;

/// Names by number.
pub(crate) struct Users {
    /// Numbers that were asked for.
    wanted: Arc<Mutex<Vec<u32>>>,
    slot: Slot<Names>,
    names: Names,
}

impl Users {
    pub(crate) fn new(background: &Background) -> Users {
        let wanted = Arc::new(Mutex::new(Vec::new()));
        let asked = wanted.clone();
        let (mut known, mut round) = (Names::new(), 0);
        let slot = background.slot(EVERY, move |_| {
            let wanted: Vec<u32> = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if round >= ROUNDS_BETWEEN_LOOKS {
                round = 0;
                known.clear();
            }
            round += 1;
            for uid in wanted {
                // A service that gives an error is asked again in the next round.
                if !known.contains_key(&uid)
                    && let Ok(name) = source::user_name(uid)
                {
                    known.insert(uid, name);
                }
            }
            Ok(known.clone())
        });
        Users { wanted, slot, names: Names::new() }
    }

    /// Takes the newest names. Call once a sample.
    pub(crate) fn refresh(&mut self, now: &Now) {
        // Names that do not come leave the numbers, so there is nothing to report here.
        let _ = self.slot.read("the user database", now.monotonic, Duration::MAX, |names| {
            if *names != self.names {
                self.names.clone_from(names);
            }
        });
    }

    /// Writes the name of a user over `text`, or the number of one without a name.
    pub(crate) fn write(&self, uid: u32, text: &mut Text) {
        match self.names.get(&uid) {
            Some(Some(name)) => return copy_text(text, name),
            Some(None) => {}
            None => {
                let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
                if !wanted.contains(&uid) && wanted.len() < MOST_USERS {
                    wanted.push(uid);
                }
            }
        }
        text.clear();
        // Writing into a text cannot fail.
        let _ = write!(text, "{uid}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Host;

    #[test]
    fn a_user_shows_by_number_until_the_name_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let host = Arc::new(Host::recorded(folder.path()));
        let background = Background::new(host, Arc::new(|| Duration::ZERO));
        let mut users = Users::new(&background);
        let now = Now { unix_micros: 0, monotonic: Duration::ZERO };
        let mut shown = |uid| {
            users.refresh(&now);
            let mut text = Text::default();
            users.write(uid, &mut text);
            text
        };
        assert_eq!(shown(0), "0");
        assert_eq!(shown(0), "root");
        assert_eq!((shown(3_999_999_999), shown(3_999_999_999)), ("3999999999".into(), "3999999999".into()));
    }
}
