//! Upstreams: several at a time, one that cannot be.

use chasar_masternode::{Config, Masternode};

use crate::site::{PATIENCE, Site, config};

/// Of several upstreams each is a part of its own: that one of them failed is told although the others go on.
#[test]
fn the_failure_of_one_upstream_is_seen_beside_others_that_work() {
    let below = Site::start();
    let folder = tempfile::tempdir().unwrap();
    let stream = below.running.addresses().stream.clone().unwrap();
    let nowhere = "0.0.0.0:6666".parse().unwrap();
    let config = Config { upstreams: vec![stream, nowhere], ..config(folder.path()) };
    let mut running = Masternode::start(config).unwrap();
    let failure = running.wait(PATIENCE).expect_err("it runs on with half of its upstreams").to_string();
    assert!(failure.contains("upstream") && failure.contains("0.0.0.0:6666"), "{failure}");
}

#[test]
fn a_stop_waits_for_no_upstream() {
    let below = Site::start();
    let folder = tempfile::tempdir().unwrap();
    let stream = below.running.addresses().stream.clone().unwrap();
    // The second is nobody's address, the third nobody's name.
    let upstreams = vec![stream, "127.0.0.1:9".parse().unwrap(), "nobody.invalid:6666".parse().unwrap()];
    let config = Config { upstreams, ..config(folder.path()) };
    let mut running = Masternode::start(config).unwrap();
    assert!(running.wait(std::time::Duration::from_millis(300)).unwrap().is_none(), "it goes on");
    running.stop(PATIENCE).unwrap();
}
