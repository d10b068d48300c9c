//! Whole fleets from one seed: agents, a bad network, a masternode that is killed and stalls.
//!
//! Everything that must always hold is checked at every step. A failure names its seed; run that
//! one alone with `CHASAR_SIM_SEED=<seed>`, and more of them with `CHASAR_SIM_SEEDS=<count>`.

mod agent;
mod check;
mod random;
mod world;

use world::{Faults, World};

fn seeds() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    if let Some(seed) = number("CHASAR_SIM_SEED") {
        return seed..seed + 1;
    }
    0..number("CHASAR_SIM_SEEDS").unwrap_or(16)
}

fn run(name: &str, faults: Faults) {
    for seed in seeds() {
        let result = std::panic::catch_unwind(|| World::new(seed, faults).run());
        if let Err(cause) = result {
            let text = cause
                .downcast_ref::<String>()
                .map(String::as_str)
                .or(cause.downcast_ref::<&str>().copied())
                .unwrap_or("?");
            panic!(
                "{name}: seed {seed}: {text}\nrun it alone: CHASAR_SIM_SEED={seed} cargo test -p chasar-fleet --test simulation {name}"
            );
        }
    }
}

#[test]
fn a_bad_network() {
    run("a_bad_network", Faults { network: true, ..Faults::default() });
}

#[test]
fn nodes_that_restart_and_leave() {
    run("nodes_that_restart_and_leave", Faults { network: true, nodes: true, ..Faults::default() });
}

#[test]
fn a_masternode_that_is_killed() {
    run("a_masternode_that_is_killed", Faults { network: true, kills: true, ..Faults::default() });
}

#[test]
fn a_masternode_that_stalls() {
    run("a_masternode_that_stalls", Faults { network: true, stalls: true, ..Faults::default() });
}

#[test]
fn clocks_that_jump() {
    run("clocks_that_jump", Faults { network: true, clocks: true, kills: true, ..Faults::default() });
}

#[test]
fn two_computers_with_one_identity() {
    run("two_computers_with_one_identity", Faults { clones: true, ..Faults::default() });
}

#[test]
fn everything_at_once() {
    let faults = Faults { network: true, nodes: true, kills: true, stalls: true, clocks: true, clones: true };
    run("everything_at_once", faults);
}
