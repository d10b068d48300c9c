//! Links that are cut: what was sampled meanwhile comes afterwards, once.

use std::time::{Duration, Instant};

use chasar_e2e::ledger::Counts;
use chasar_e2e::namespace::{Cut, Wire};
use chasar_e2e::{Clientnode, Masternode, Site, Subscriber, until};

const SOON: Duration = Duration::from_secs(60);

/// A masternode and a subscriber at one end of a wire.
struct Stage {
    wire: Wire,
    far: Site,
    subscriber: Subscriber,
    _masternode: Masternode,
}

impl Stage {
    fn new() -> Stage {
        let wire = Wire::new();
        let near = Site::at(wire.first(), Wire::FIRST);
        let far = near.elsewhere(wire.second());
        let masternode = Masternode::start(&near);
        let subscriber = Subscriber::python(&near, masternode.stream(), &["Chasar-Client"]);
        Stage { wire, far, subscriber, _masternode: masternode }
    }

    fn clientnode(&self, name: &str, interval: &str) -> (Clientnode, String) {
        let known = self.subscriber.ledger().sessions();
        let clientnode = Clientnode::named(&self.far, name, &["--interval", interval]);
        let session = until(SOON, "reports", || {
            let ledger = self.subscriber.ledger();
            let session = ledger.sessions().into_iter().find(|s| !known.contains(s)).ok_or("none")?;
            if ledger.counts(&session).received >= 3 { Ok(session) } else { Err("few".to_owned()) }
        });
        (clientnode, session)
    }

    /// Cuts the wire, for a time.
    fn cut(&self, how: Cut, time: Duration) {
        self.wire.cut(how);
        let began = Instant::now();
        until(time * 2, "the end of the cut", || {
            if began.elapsed() >= time { Ok(()) } else { Err(String::new()) }
        });
        self.wire.mend(how);
    }

    /// Waits until everything came, stops the clientnode, and counts.
    #[track_caller]
    fn whole(&self, clientnode: &mut Clientnode, session: &str, what: &str, deadline: Duration) -> Counts {
        until(deadline, what, || {
            let ledger = self.subscriber.ledger();
            let counts = ledger.counts(session);
            let done = counts.filled > 0 && counts.lost == 0 && ledger.settled(session);
            if done {
                Ok(())
            } else {
                Err(format!("\n{}\n{counts}\nmissing {:?}", Counts::HEAD, ledger.missing(session)))
            }
        });
        clientnode.program.stop(Duration::from_secs(5));
        until(SOON, "a good-bye", || {
            let ledger = self.subscriber.ledger();
            if ledger.session(session).any(|e| e.leaving) { Ok(()) } else { Err("none".to_owned()) }
        });
        let ledger = self.subscriber.ledger();
        ledger.assert_whole(session, what);
        ledger.counts(session)
    }
}

#[test]
fn a_minute_without_a_link_at_1_hz_and_10_hz() {
    let stage = Stage::new();
    let (mut slow, slow_session) = stage.clientnode("slow", "1");
    let (mut fast, fast_session) = stage.clientnode("fast", "0.1");
    stage.cut(Cut::Plug, Duration::from_secs(60));
    let minute = Duration::from_secs(60);
    let slow = stage.whole(&mut slow, &slow_session, "1 Hz, plug pulled for 60 s", minute);
    let fast = stage.whole(&mut fast, &fast_session, "10 Hz, plug pulled for 60 s", minute);
    assert!(slow.filled >= 55, "{slow}");
    assert!(fast.filled >= 550, "{fast}");
}

#[test]
fn packets_that_vanish() {
    let stage = Stage::new();
    let (mut node, session) = stage.clientnode("node", "0.1");
    stage.cut(Cut::Silent, Duration::from_secs(15));
    let counts = stage.whole(&mut node, &session, "10 Hz, packets vanish for 15 s", SOON * 2);
    assert!(counts.filled >= 50, "{counts}");
}

#[test]
fn a_pause_that_nobody_notices() {
    let stage = Stage::new();
    let (mut node, session) = stage.clientnode("node", "0.1");
    // Shorter than the heartbeats need: TCP sends again by itself.
    stage.wire.cut(Cut::Silent);
    let sampled = stage.subscriber.ledger().counts(&session).sampled;
    let began = Instant::now();
    until(SOON, "two seconds", || if began.elapsed().as_secs() >= 2 { Ok(()) } else { Err(String::new()) });
    stage.wire.mend(Cut::Silent);
    until(SOON, "reports again", || {
        let counts = stage.subscriber.ledger().counts(&session);
        if counts.sampled > sampled + 40 && counts.lost == 0 { Ok(()) } else { Err(counts.to_string()) }
    });
    node.program.stop(Duration::from_secs(5));
    stage.subscriber.ledger().assert_whole(&session, "10 Hz, packets vanish for 2 s");
}

#[test]
fn a_cut_during_the_replay_of_another() {
    let stage = Stage::new();
    let (mut node, session) = stage.clientnode("node", "0.1");
    stage.cut(Cut::Plug, Duration::from_secs(12));
    until(SOON * 2, "a replay that has begun", || {
        let counts = stage.subscriber.ledger().counts(&session);
        if counts.filled > 0 && counts.lost > 0 { Ok(()) } else { Err(counts.to_string()) }
    });
    stage.wire.cut(Cut::Silent);
    let half = stage.subscriber.ledger().counts(&session);
    assert!(half.lost > 0, "the replay was over before it was cut: {half}");
    stage.cut(Cut::Silent, Duration::from_secs(8));
    stage.whole(&mut node, &session, "10 Hz, cut again during the replay", SOON * 2);
}
