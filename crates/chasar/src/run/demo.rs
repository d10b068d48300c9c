//! `chasar demo`: masternode, clientnode and live table on this computer; nothing stays behind.

use std::thread;
use std::time::Duration;

use chasar_masternode::{Config, Masternode, Running, StartError};

use super::{clientnode, watch};
use crate::args::Demo;
use crate::exit::Failure;
use crate::log::LogConfig;
use crate::output::to_stdout;
use crate::signal::Stop;

/// Where everything listens and connects.
const HERE: &str = "127.0.0.1";
/// How long the masternode may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(5);

pub(crate) fn demo(args: &Demo) -> Result<(), Failure> {
    let stop = Stop::install(|| {}).map_err(Failure::no_signals)?;
    if !watch::on_terminal() {
        // On a terminal the table is in the way of the log; what fails is told at the end.
        LogConfig::WARNINGS.install();
    }
    let state = tempfile::Builder::new().prefix("chasar-demo-").tempdir().map_err(|e| {
        Failure::new(format_args!(
            "cannot make a temporary folder: {e}; set TMPDIR to one that can be written to"
        ))
    })?;
    let running = start_masternode(state.path())?;
    let shown = show(args, &running, state.path(), &stop);
    // In this order, so that the node leaves before the masternode does.
    let stopped = running.stop(STOP_WITHIN).map_err(Failure::new);
    let removed =
        state.close().map_err(|e| Failure::new(format_args!("cannot remove the temporary folder: {e}")));
    shown.and(stopped).and(removed)
}

/// On the usual ports, or others where these are taken.
fn start_masternode(state: &std::path::Path) -> Result<Running, Failure> {
    let mut config = Config::new(HERE, state.join("masternode")).map_err(Failure::new)?;
    loop {
        let error = match Masternode::start(config.clone()) {
            Ok(running) => return Ok(running),
            Err(error) => error,
        };
        let port = match &error {
            StartError::Reports(chasar_link::Error::AddressInUse { .. }) => Some(&mut config.reports),
            StartError::Stream(chasar_link::Error::AddressInUse { .. }) => config.stream.as_mut(),
            StartError::Http { cause, .. } if cause.kind() == std::io::ErrorKind::AddrInUse => {
                config.http.as_mut().map(|http| &mut http.endpoint)
            }
            _ => None,
        };
        match port.filter(|endpoint| endpoint.port() != 0) {
            Some(endpoint) => *endpoint = endpoint.with_port(0),
            None => return Err(Failure::new(error)),
        }
    }
}

/// Runs a clientnode and shows the table until somebody ends it.
fn show(args: &Demo, running: &Running, state: &std::path::Path, stop: &Stop) -> Result<(), Failure> {
    let addresses = running.addresses();
    let config = chasar_clientnode::Config::new(HERE, addresses.reports.port(), state.join("clientnode"));
    let bell = chasar_clientnode::Stop::new().map_err(Failure::no_signals)?;
    let agent = {
        let bell = bell.clone();
        thread::Builder::new()
            .name("clientnode".to_owned())
            .spawn(move || chasar_clientnode::run(&config, &bell))
            .map_err(|e| Failure::new(format_args!("cannot start a thread: {e}")))?
    };
    let stream = addresses.stream.as_ref().map_or(0, chasar_masternode::Endpoint::port);
    let http = addresses.http.map_or_else(String::new, |a| format!("; HTTP on http://{a}/api/fleet"));
    let notice = format!("Subscribe: SUB to tcp://{HERE}:{stream}, topic \"Chasar-Client\"{http}");
    let shown = to_stdout(|out| writeln!(out, "{notice}\nCtrl-C ends it.\n")).and_then(|_| {
        let table = watch::Table { nodes: Vec::new(), notice: Some(notice), duration: args.duration };
        watch::table(&format!("{HERE}:{stream}"), table, stop.flag())
    });
    bell.trigger();
    let ran = match agent.join() {
        Ok(result) => result.map_err(clientnode::failure),
        Err(_) => Err(Failure::new("the clientnode ended unexpectedly")),
    };
    shown.and(ran)
}
