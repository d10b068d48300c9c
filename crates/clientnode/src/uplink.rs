//! What the loop knows of one masternode beside its link: what it is called, and what is wrong.

use std::time::Duration;

use chasar_link::DownReason;

use crate::Moment;

/// What keeps the link from coming up is said again this often.
const REMIND_EVERY: Duration = Duration::from_secs(60);

/// What keeps the link from coming up.
struct Trouble {
    text: String,
    since: Moment,
    /// When it was last told.
    said: Moment,
}

/// One masternode.
pub(crate) struct Uplink {
    /// Its endpoint, as people read it.
    pub(crate) masternode: String,
    /// Why the link went down last, until that was told.
    pub(crate) down_reason: Option<DownReason>,
    trouble: Option<Trouble>,
    /// Whether it was up when the supervisor was last told.
    pub(crate) told_up: bool,
}

impl Uplink {
    pub(crate) fn new(masternode: String) -> Uplink {
        Uplink { masternode, down_reason: None, trouble: None, told_up: false }
    }

    /// The link came up.
    pub(crate) fn came_up(&mut self) {
        self.trouble = None;
    }

    /// The link broke.
    pub(crate) fn went_down(&mut self, now: Moment, reason: DownReason) {
        self.trouble = Some(Trouble { text: reason.to_string(), since: now, said: now });
        self.down_reason = Some(reason);
    }

    /// Connecting fails for a new reason.
    pub(crate) fn fails(&mut self, now: Moment, text: String) {
        let since = self.trouble.as_ref().map_or(now, |trouble| trouble.since);
        self.trouble = Some(Trouble { text, since, said: now });
    }

    /// Why there is no link, as far as it is known.
    pub(crate) fn reason(&self) -> &str {
        self.trouble.as_ref().map_or("not connected yet", |trouble| &trouble.text)
    }

    /// Its name, for how long there is trouble, and what it is, if that was told so long ago that it is to be
    /// told again.
    pub(crate) fn remind(&mut self, now: Moment) -> Option<(&str, Duration, &str)> {
        let trouble = self.trouble.as_mut().filter(|t| now.saturating_sub(t.said) >= REMIND_EVERY)?;
        trouble.said = now;
        Some((&self.masternode, now.saturating_sub(trouble.since), &trouble.text))
    }
}

/// One line of several masternodes, each with whether its link is up: those that are up first.
pub(crate) fn status<'a>(links: impl Iterator<Item = (&'a Uplink, bool)>) -> String {
    let (up, down): (Vec<_>, Vec<_>) = links.partition(|(_, is_up)| *is_up);
    let up: Vec<&str> = up.iter().map(|(uplink, _)| uplink.masternode.as_str()).collect();
    let connected = (!up.is_empty()).then(|| format!("connected to {}", up.join(", ")));
    let missing =
        down.iter().map(|(uplink, _)| format!("no link to {}: {}", uplink.masternode, uplink.reason()));
    connected.into_iter().chain(missing).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_status_tells_of_all_masternodes() {
        let uplinks = ["tcp://a:1", "tcp://b:1", "tcp://c:1"].map(|m| Uplink::new(m.to_owned()));
        let told = |up: [bool; 3]| status(uplinks.iter().zip(up));
        assert_eq!(told([true; 3]), "connected to tcp://a:1, tcp://b:1, tcp://c:1");
        assert_eq!(
            told([false, true, false]),
            "connected to tcp://b:1; no link to tcp://a:1: not connected yet; no link to tcp://c:1: not connected yet"
        );
    }

    #[test]
    fn trouble_is_told_once_a_minute() {
        let start = Duration::from_secs(1_000);
        let mut uplink = Uplink::new("tcp://m:1".to_owned());
        assert_eq!(uplink.remind(start + REMIND_EVERY), None, "there is none");
        uplink.fails(start, "refused".to_owned());
        let told: Vec<u64> =
            (0..250).filter(|tick| uplink.remind(start + Duration::from_secs(*tick)).is_some()).collect();
        assert_eq!(told, [60, 120, 180, 240]);
        uplink.came_up();
        assert_eq!(uplink.remind(start + 20 * REMIND_EVERY), None);
    }
}
