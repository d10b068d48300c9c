//! What survives a restart of the masternode: who the nodes are, how they were, what came of them.
//!
//! The masternode keeps these bytes in a file: [`Fleet::whole_memory`] to begin it, then
//! [`Fleet::drain_memory`] appended soon after the reports of a batch were published. Published
//! first, remembered afterwards: a crash in between makes a report come twice, never get lost.
//!
//! ```text
//! file    = MEMORY_MAGIC block*
//! block   = length:u32le crc32:u32le payload        the checksum covers the payload
//! payload = at_ms item*                             when it was written, Unix milliseconds
//! item    = 1 node | 2 mark | 3 slot
//! mark    = slot session-number sequence            one more report of a known session came
//! ```
//! All other numbers are LEB128, signed ones zigzag; a node is written as [`put_node`] reads. A
//! node is written whole only when more changed than its newest sequence, so at one report a second
//! it costs eight bytes a second.

use std::sync::Arc;
use std::time::Duration;

use chasar_wire::limits::{MAX_NAME_BYTES, MAX_NODES};
use chasar_wire::{StateChange, Text};

use crate::codec::{Reader, crc32, put_i64, put_text, put_u64};
use crate::node::Node;
use crate::sequence::{Missing, Range, SequenceLog};
use crate::session::{Session, Sessions, Suspicion};
use crate::snapshot::About;
use crate::{Fleet, Now, Settings, State};

/// The first bytes of the memory: name and version of the format.
pub const MEMORY_MAGIC: &[u8; 8] = b"CHASFLT1";

const NODE: u8 = 1;
const MARK: u8 = 2;
const FORGET: u8 = 3;

/// No slot is higher: slots of forgotten nodes are used again.
const MOST_SLOTS: u32 = 2 * MAX_NODES as u32;
/// Nodes in one block when all are written.
const NODES_A_BLOCK: usize = 256;

/// What has happened since the memory was drained.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    rewritten: Vec<u32>,
    marks: Vec<(u32, u32, u64)>,
    forgotten: Vec<u32>,
}

impl Journal {
    pub(crate) fn mark(&mut self, slot: u32, session: u32, sequence: u64) {
        self.marks.push((slot, session, sequence));
    }

    pub(crate) fn rewrite(&mut self, slot: u32) {
        self.rewritten.push(slot);
    }

    pub(crate) fn forget(&mut self, slot: u32) {
        // The slot may go to another node before these are drained.
        self.marks.retain(|&(marked, _, _)| marked != slot);
        self.forgotten.push(slot);
    }
}

/// What was found in the memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Nodes known again.
    pub nodes: usize,
    /// Bytes that could not be used.
    pub ignored_bytes: usize,
    /// Why not.
    pub problem: Option<&'static str>,
}

impl Fleet {
    /// Appends to `out` what has to be remembered since the last call; nothing when nothing has.
    pub fn drain_memory(&mut self, now: Now, out: &mut Vec<u8>) {
        let Journal { mut rewritten, marks, forgotten } = std::mem::take(&mut self.journal);
        if rewritten.is_empty() && marks.is_empty() && forgotten.is_empty() {
            return;
        }
        rewritten.sort_unstable();
        rewritten.dedup();
        block(now, out, |out| {
            for slot in forgotten {
                out.push(FORGET);
                put_u64(out, slot.into());
            }
            for slot in rewritten {
                if let Some(node) = &self.nodes[slot as usize] {
                    put_node(out, slot, node);
                }
            }
            for (slot, session, sequence) in marks {
                out.push(MARK);
                put_u64(out, slot.into());
                put_u64(out, session.into());
                put_u64(out, sequence);
            }
        });
    }

    /// Appends to `out` a whole new memory, with everything that was to be drained.
    pub fn whole_memory(&mut self, now: Now, out: &mut Vec<u8>) {
        self.journal = Journal::default();
        out.extend_from_slice(MEMORY_MAGIC);
        let mut slots = 0..self.nodes.len();
        while !slots.is_empty() {
            block(now, out, |out| {
                for slot in slots.by_ref().take(NODES_A_BLOCK) {
                    if let Some(node) = &self.nodes[slot] {
                        put_node(out, slot as u32, node);
                    }
                }
            });
        }
    }

    /// A fleet that remembers. Bytes that make no sense are left aside and reported: what follows
    /// them is not used either, so reports may come twice, but none gets lost.
    pub fn restore(settings: Settings, now: Now, bytes: &[u8]) -> (Fleet, Restored) {
        let mut fleet = Fleet::new(settings);
        fleet.clock.advance(now);
        let mut nodes = Vec::new();
        let (used, problem) = read(bytes, &mut nodes);
        let room = fleet.settings.max_nodes;
        for (slot, remembered) in nodes.into_iter().enumerate() {
            if let Some(remembered) = remembered
                && fleet.totals.nodes < room
                && !fleet.by_id.contains_key(&remembered.id)
            {
                let node = remembered.revive(&fleet.settings, now, fleet.clock.heard());
                fleet.insert(slot as u32, node);
            }
        }
        fleet.tie_clones();
        let restored = Restored { nodes: fleet.totals.nodes, ignored_bytes: bytes.len() - used, problem };
        (fleet, restored)
    }

    /// Makes the references between clones hold in both directions.
    fn tie_clones(&mut self) {
        for slot in 0..self.nodes.len() {
            let Some(primary) = self.nodes[slot].as_ref().and_then(|n| n.clone_of) else { continue };
            match self.nodes.get_mut(primary as usize) {
                Some(Some(node)) if primary as usize != slot && node.clone_of.is_none() => {
                    node.clones.push(slot as u32);
                }
                _ => self.nodes[slot].iter_mut().for_each(|node| node.clone_of = None),
            }
        }
    }
}

fn block(now: Now, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let head = out.len();
    out.extend_from_slice(&[0; 8]);
    put_i64(out, now.unix_ms);
    fill(out);
    let payload = &out[head + 8..];
    let (length, crc) = (payload.len() as u32, crc32(payload));
    out[head..head + 4].copy_from_slice(&length.to_le_bytes());
    out[head + 4..head + 8].copy_from_slice(&crc.to_le_bytes());
}

fn put_node(out: &mut Vec<u8>, slot: u32, node: &Node) {
    out.push(NODE);
    put_u64(out, slot.into());
    put_text(out, &node.id);
    put_u64(out, node.clone_of.map_or(0, |primary| u64::from(primary) + 1));
    put_text(out, &node.about.hostname);
    put_text(out, &node.about.address);
    out.push(match node.state {
        State::Live => 0,
        State::Late => 1,
        State::Down => 2,
        State::Left => 3,
    });
    out.push(u8::from(node.change == StateChange::Joined));
    put_i64(out, node.since_ms);
    put_i64(out, node.last_report_ms);
    put_u64(out, node.interval.as_millis() as u64);
    put_u64(out, node.sessions.next_number.into());
    put_u64(out, node.sessions.current as u64);
    put_u64(out, node.sessions.list.len() as u64);
    for session in &node.sessions.list {
        put_u64(out, session.number.into());
        put_text(out, &session.id);
        put_text(out, &session.hostname);
        put_u64(out, session.fingerprint);
        put_i64(out, session.first_sampled_ms);
        put_i64(out, session.newest_sampled_ms);
        put_u64(out, session.log.high());
        put_u64(out, session.log.ranges().len() as u64);
        let mut before = 0;
        for range in session.log.ranges() {
            put_u64(out, range.from - before);
            put_u64(out, range.to - range.from);
            out.push(match range.kind {
                Missing::Open => 0,
                Missing::Closed => 1,
                Missing::Unclaimed => 2,
            });
            before = range.to;
        }
    }
}

/// A node as it was remembered.
struct Remembered {
    id: Arc<str>,
    clone_of: Option<u32>,
    hostname: Text,
    address: Text,
    state: State,
    joined: bool,
    since_ms: i64,
    last_report_ms: i64,
    interval: Duration,
    sessions: Sessions,
}

impl Remembered {
    fn read(reader: &mut Reader<'_>) -> Option<Remembered> {
        let id = name(reader)?.into();
        let clone_of = match reader.u64()? {
            0 => None,
            above => Some(u32::try_from(above - 1).ok()?),
        };
        let (hostname, address) = (name(reader)?.into(), name(reader)?.into());
        let state = *State::ALL.get(usize::from(reader.byte()?))?;
        let joined = reader.byte()? == 1;
        let (since_ms, last_report_ms) = (reader.i64()?, reader.i64()?);
        let interval = Duration::from_millis(reader.u64()?.min(3_600_000));
        let next_number = reader.u32()?;
        let current = usize::try_from(reader.u64()?).ok()?;
        let count = reader.u64()?;
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(read_session(reader)?);
        }
        if current >= list.len().max(1) {
            return None;
        }
        let sessions = Sessions::remembered(list, current, next_number);
        Some(Remembered {
            id,
            clone_of,
            hostname,
            address,
            state,
            joined,
            since_ms,
            last_report_ms,
            interval,
            sessions,
        })
    }

    fn revive(self, settings: &Settings, now: Now, heard: Duration) -> Node {
        let about = About { hostname: self.hostname, address: self.address, ..About::default() };
        let back_by = heard + settings.restart_grace;
        let mut node = Node::new(self.id, about, now, back_by);
        node.clone_of = self.clone_of;
        node.sessions = self.sessions;
        for session in &mut node.sessions.list {
            session.last_arrival = back_by;
            session.remembered_high = Some(session.log.high());
        }
        node.state = self.state;
        node.change = match self.state {
            State::Live if self.joined => StateChange::Joined,
            State::Live => StateChange::Back,
            State::Late => StateChange::Late,
            State::Down => StateChange::Down,
            State::Left => StateChange::Left,
        };
        node.since_ms = self.since_ms;
        node.last_report_ms = self.last_report_ms;
        node.interval = self.interval;
        // A wall clock that jumped while we were away must not make us forget the whole fleet.
        let gone =
            Duration::from_millis(u64::try_from(now.unix_ms.saturating_sub(self.since_ms)).unwrap_or(0));
        node.gone_before = gone.min(settings.forget_after / 2);
        node.dirty = false;
        node
    }
}

fn name<'a>(reader: &mut Reader<'a>) -> Option<&'a str> {
    reader.text().filter(|text| text.len() <= MAX_NAME_BYTES)
}

fn read_session(reader: &mut Reader<'_>) -> Option<Session> {
    let number = reader.u32()?;
    let (id, hostname) = (name(reader)?.into(), name(reader)?.into());
    let fingerprint = reader.u64()?;
    let (first_sampled_ms, newest_sampled_ms) = (reader.i64()?, reader.i64()?);
    let high = reader.u64()?;
    let mut before = 0u64;
    let mut ranges = Vec::new();
    for _ in 0..reader.u64()? {
        let from = before.checked_add(reader.u64()?)?;
        let to = from.checked_add(reader.u64()?)?;
        let kind = match reader.byte()? {
            0 => Missing::Open,
            1 => Missing::Closed,
            2 => Missing::Unclaimed,
            _ => return None,
        };
        ranges.push(Range { from, to, kind });
        before = to;
    }
    Some(Session {
        number,
        id,
        hostname,
        fingerprint,
        log: SequenceLog::remembered(high, ranges)?,
        remembered_high: None,
        first_sampled_ms,
        newest_sampled_ms,
        high_sampled_ms: None,
        last_arrival: Duration::ZERO,
        suspicion: Suspicion::default(),
    })
}

/// Reads block by block; how many bytes were used, and why not all.
fn read(bytes: &[u8], nodes: &mut Vec<Option<Remembered>>) -> (usize, Option<&'static str>) {
    if bytes.is_empty() {
        return (0, None);
    }
    let Some(mut rest) = bytes.strip_prefix(MEMORY_MAGIC) else {
        return (0, Some("it is not a memory of this version"));
    };
    while !rest.is_empty() {
        let used = bytes.len() - rest.len();
        let Some((head, after)) = rest.split_first_chunk::<8>() else {
            return (used, Some("its last block is cut off"));
        };
        let [l0, l1, l2, l3, c0, c1, c2, c3] = *head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let Some((payload, after)) = after.split_at_checked(length) else {
            return (used, Some("its last block is cut off"));
        };
        if crc32(payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return (used, Some("a block has a wrong checksum"));
        }
        if read_items(Reader(payload), nodes).is_none() {
            return (used, Some("a block makes no sense"));
        }
        rest = after;
    }
    (bytes.len(), None)
}

fn read_items(mut reader: Reader<'_>, nodes: &mut Vec<Option<Remembered>>) -> Option<()> {
    let at_ms = reader.i64()?;
    while let Some(kind) = reader.byte() {
        let slot = reader.u32().filter(|&slot| slot < MOST_SLOTS)? as usize;
        match kind {
            NODE => {
                let node = Remembered::read(&mut reader)?;
                if slot >= nodes.len() {
                    nodes.resize_with(slot + 1, || None);
                }
                nodes[slot] = Some(node);
            }
            MARK => {
                let (number, sequence) = (reader.u32()?, reader.u64()?);
                if let Some(Some(node)) = nodes.get_mut(slot) {
                    node.last_report_ms = node.last_report_ms.max(at_ms);
                    if let Some(s) = node.sessions.list.iter_mut().find(|s| s.number == number) {
                        s.log.note(sequence);
                    }
                }
            }
            FORGET => nodes.get_mut(slot).into_iter().for_each(|node| *node = None),
            _ => return None,
        }
    }
    Some(())
}
