//! One report: who and when, what the sampler read, what the agent itself used, as JSON within the limit.

use chasar_probes::{Now, Sampler};
use chasar_wire::encode::MAX_END_BYTES;
use chasar_wire::family::{Agent, AgentMasternode};
use chasar_wire::limits::MAX_REPORT_BYTES;
use chasar_wire::{Report, SCHEMA, encode};

use crate::identity::Identity;
use crate::life::Life;
use crate::platform::{Clock, Usage};
use crate::uplink::Uplink;

/// Makes reports; everything is reused from one to the next.
pub(crate) struct Assembler {
    sampler: Sampler,
    report: Report,
    usage: Usage,
    clock: Clock,
    json: Vec<u8>,
    shrunk: Option<Shrunk>,
}

/// A report was too large, and processes were left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shrunk {
    pub(crate) bytes: usize,
    pub(crate) listed: usize,
    pub(crate) of: usize,
}

impl Assembler {
    pub(crate) fn new(
        sampler: Sampler,
        identity: &Identity,
        interval_seconds: f64,
        started_at_ms: i64,
        clock: Clock,
    ) -> Assembler {
        let report = Report {
            schema: Some(SCHEMA),
            node_id: Some(identity.node_id.as_str().into()),
            session: Some(identity.session.as_str().into()),
            interval_seconds: Some(interval_seconds),
            agent: Some(Agent {
                version: Some(env!("CARGO_PKG_VERSION").into()),
                pid: Some(std::process::id()),
                started_at_ms: Some(started_at_ms),
                ..Agent::default()
            }),
            ..Report::default()
        };
        Assembler { sampler, report, usage: Usage::new(), clock, json: Vec::new(), shrunk: None }
    }

    /// Reads the host into the report.
    pub(crate) fn sample(&mut self, sequence: u64, now: &Now) {
        self.sampler.sample(now, &mut self.report);
        self.shrunk = None;
        self.report.sequence = Some(sequence);
        self.report.sampled_at_ms = Some(now.unix_micros.div_euclid(1000));
        let took = self.clock.monotonic().saturating_sub(now.monotonic);
        if let Some(agent) = &mut self.report.agent {
            agent.sample_seconds = Some(took.as_micros() as f64 / 1e6);
            agent.cpu_seconds_total = self.usage.cpu_seconds().map(|s| (s * 1e6).round() / 1e6);
            agent.resident_bytes = self.usage.resident_bytes();
        }
    }

    /// The sampled report as JSON, with what the agent did until now. What differs between masternodes
    /// (`leaving`, `replay`) is not in it; there is room for it.
    pub(crate) fn encode(&mut self, life: &Life, uplinks: &[Uplink]) {
        if let Some(agent) = &mut self.report.agent {
            let (totals, outbox) = (life.totals(), life.outbox());
            agent.sent_bytes_total = Some(totals.sent_bytes);
            agent.sent_reports_total = Some(totals.sent_reports);
            agent.replayed_reports_total = Some(totals.replayed_reports);
            agent.dropped_reports_total = Some(totals.dropped_reports);
            agent.missed_ticks_total = Some(life.missed_ticks());
            agent.reconnects_total = Some(totals.reconnects);
            agent.outbox_reports = Some(outbox.reports());
            agent.outbox_bytes = Some(outbox.bytes());
            if uplinks.len() > 1 {
                let masternodes = agent.masternodes.get_or_insert_default();
                masternodes.resize_with(uplinks.len(), AgentMasternode::default);
                for (to, (about, uplink)) in masternodes.iter_mut().zip(uplinks).enumerate() {
                    let totals = life.totals_of(to);
                    about.address.clear();
                    about.address.push_str(uplink.masternode.trim_start_matches("tcp://"));
                    about.connected = Some(life.link_is_up(to));
                    about.pending_reports = Some(outbox.pending(to));
                    about.sent_reports_total = Some(totals.sent_reports);
                    about.replayed_reports_total = Some(totals.replayed_reports);
                    about.dropped_reports_total = Some(totals.dropped_reports);
                    about.reconnects_total = Some(totals.reconnects);
                }
            }
        }
        self.json.clear();
        encode(&self.report, &mut self.json);
        while self.json.len() + MAX_END_BYTES > MAX_REPORT_BYTES && !self.report.process.0.is_empty() {
            let (bytes, listed) = (self.json.len(), self.report.process.0.len());
            let fewer = listed / 2;
            self.report.process.0.truncate(fewer);
            let first = self.shrunk.unwrap_or(Shrunk { bytes, listed, of: listed });
            self.shrunk = Some(Shrunk { listed: fewer, ..first });
            self.json.clear();
            encode(&self.report, &mut self.json);
        }
    }

    /// What was encoded last.
    pub(crate) fn json(&self) -> &[u8] {
        &self.json
    }

    /// Whether the report had to be made smaller.
    pub(crate) fn shrunk(&self) -> Option<Shrunk> {
        self.shrunk
    }
}
