//! Reports that wait on disk: they outlive the clientnode, and an outage longer than memory holds.
//!
//! A queue of records in numbered segment files ([`record`]): written at the end, read at a cursor,
//! removed a whole segment at a time once everything in it has surely arrived. Only reports that
//! wait for a replay are written, so a healthy link costs the disk nothing.
//!
//! **What survives.** An ended or killed clientnode: everything appended. A power cut: everything
//! but the last [`SYNC_EVERY`] (`fdatasync` then, at each new segment, and at a clean end). A torn
//! tail is cut off when the folder is opened, and said. After a restart a segment that was partly
//! replayed is replayed whole; the masternode drops what it has.
//!
//! **What fails.** A write that fails leaves the report in memory with the caller; the spool says so
//! once, and tries again after [`RETRY_AFTER`]. A record that cannot be read back costs the rest of
//! its segment, which is counted.

pub(crate) mod folders;
pub(crate) mod inspect;
pub(crate) mod record;
pub(crate) mod storage;

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use crate::Moment;
use record::{Header, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader};
use storage::{Segment, Storage};

/// Longest time that an appended record is not yet safe from a power cut.
pub(crate) const SYNC_EVERY: Duration = Duration::from_secs(10);
/// Pause after a write that failed.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(10);
/// A segment is closed at this size, or at an eighth of the whole where that is less.
const SEGMENT_BYTES: u64 = 1 << 20;

/// Something a person should know.
#[derive(Debug)]
pub(crate) enum Notice {
    /// Reports of earlier sessions were found.
    Found { reports: u64 },
    /// The end of a segment was cut short by a crash.
    TornTail { segment: u64, bytes: u64 },
    /// A file that is no segment of ours was left alone.
    Foreign { segment: u64 },
    /// A segment of another node (a copied folder) was removed.
    OtherNode { segment: u64 },
    /// Records could not be read back.
    Unreadable { segment: u64, reports: u64, error: Option<io::Error> },
    /// Writing fails; reports stay in memory.
    Failing { error: io::Error },
    /// Writing works again.
    Works,
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    segment: u64,
    offset: u64,
}

struct SegmentInfo {
    number: u64,
    /// End of the last whole record.
    len: u64,
    /// Records in it.
    records: u64,
    /// Written by this session, and then its first sequence number.
    first_sequence: Option<u64>,
}

/// A record sent lately; it goes again if the link turns out to be broken.
struct SentMark {
    link_time: Duration,
    at: Position,
}

/// The queue on disk.
pub(crate) struct Spool {
    storage: Box<dyn Storage>,
    node_id: String,
    limit_bytes: u64,
    segments: VecDeque<SegmentInfo>,
    /// The last segment, open for writing, when it is of this session.
    writer: Option<Box<dyn Segment>>,
    reader: Option<(u64, Box<dyn Segment>)>,
    next_number: u64,
    cursor: Position,
    /// The header at the cursor, when it has been read.
    at_cursor: Option<(Position, Header)>,
    sent: VecDeque<SentMark>,
    pending: u64,
    bytes: u64,
    dropped: u64,
    retry_at: Option<Moment>,
    dirty_since: Option<Moment>,
    buffer: Vec<u8>,
    notices: Vec<Notice>,
}

impl Spool {
    /// Opens what earlier sessions left.
    ///
    /// # Errors
    /// When the segments cannot be listed. One that cannot be read is said and left.
    pub(crate) fn open(mut storage: Box<dyn Storage>, node_id: &str, limit_bytes: u64) -> io::Result<Spool> {
        let mut numbers = storage.list()?;
        numbers.sort_unstable();
        let mut spool = Spool {
            storage,
            node_id: node_id.to_owned(),
            limit_bytes,
            segments: VecDeque::new(),
            writer: None,
            reader: None,
            next_number: numbers.last().map_or(1, |n| n.saturating_add(1)),
            cursor: Position { segment: 0, offset: 0 },
            at_cursor: None,
            sent: VecDeque::new(),
            pending: 0,
            bytes: 0,
            dropped: 0,
            retry_at: None,
            dirty_since: None,
            buffer: Vec::new(),
            notices: Vec::new(),
        };
        for number in numbers {
            spool.adopt(number);
        }
        spool.buffer = Vec::new();
        spool.cursor = spool.beginning();
        // One whose removal failed before is back, or the limit was lowered.
        while spool.bytes > limit_bytes && spool.segments.len() > 1 {
            spool.drop_oldest();
        }
        if spool.pending > 0 {
            spool.notices.push(Notice::Found { reports: spool.pending });
        }
        Ok(spool)
    }

    /// Takes over one segment of an earlier session.
    fn adopt(&mut self, number: u64) {
        let read = self.storage.open(number).and_then(|segment| {
            let len = segment.len()?.min(self.limit_bytes.max(SEGMENT_BYTES) * 2);
            self.buffer.resize(usize::try_from(len).unwrap_or(0), 0);
            segment.read_at(0, &mut self.buffer)?;
            Ok(segment)
        });
        let mut segment = match read {
            Ok(segment) => segment,
            Err(error) => {
                self.notices.push(Notice::Unreadable { segment: number, reports: 0, error: Some(error) });
                return;
            }
        };
        let torn = match record::read_segment_header(&self.buffer, &self.node_id) {
            SegmentHeader::Ours => false,
            SegmentHeader::Torn => true,
            SegmentHeader::OtherNode => {
                self.notices.push(Notice::OtherNode { segment: number });
                let _ = self.storage.remove(number);
                return;
            }
            SegmentHeader::Unknown => {
                self.notices.push(Notice::Foreign { segment: number });
                return;
            }
        };
        let (records, end) = if torn { (0, 0) } else { record::count(&self.buffer) };
        let (len, whole) = (self.buffer.len() as u64, end as u64);
        if whole < len {
            self.notices.push(Notice::TornTail { segment: number, bytes: len - whole });
            let _ = segment.truncate(whole);
        }
        if records == 0 {
            let _ = self.storage.remove(number);
            return;
        }
        self.pending += records;
        self.bytes += whole;
        self.segments.push_back(SegmentInfo { number, len: whole, records, first_sequence: None });
    }

    fn beginning(&self) -> Position {
        let segment = self.segments.front().map_or(self.next_number, |s| s.number);
        Position { segment, offset: SEGMENT_HEADER_BYTES as u64 }
    }

    /// Records that wait to be sent.
    pub(crate) fn pending(&self) -> u64 {
        self.pending
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Records that were let go unsent, since the last call.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// What a person should know, since the last call.
    pub(crate) fn take_notices(&mut self) -> std::vec::Drain<'_, Notice> {
        self.notices.drain(..)
    }

    /// Whether an append would be tried now.
    pub(crate) fn writable(&self, now: Moment) -> bool {
        self.retry_at.is_none_or(|at| at <= now)
    }

    /// Writes a record to the end; `false` when that is not possible now, and nothing was kept.
    pub(crate) fn append(
        &mut self,
        now: Moment,
        sequence: u64,
        sampled_at_ms: i64,
        packed: bool,
        body: &[u8],
    ) -> bool {
        if !self.writable(now) {
            return false;
        }
        match self.try_append(now, sequence, sampled_at_ms, packed, body) {
            Ok(()) => {
                if self.retry_at.take().is_some() {
                    self.notices.push(Notice::Works);
                }
                true
            }
            Err(error) => {
                self.fail(now, error);
                false
            }
        }
    }

    fn fail(&mut self, now: Moment, error: io::Error) {
        if self.retry_at.is_none() {
            self.notices.push(Notice::Failing { error });
        }
        self.retry_at = Some(now + RETRY_AFTER);
        // The handle may be the trouble (a disk that was replaced, a failed fsync): begin anew.
        self.writer = None;
    }

    fn try_append(
        &mut self,
        now: Moment,
        sequence: u64,
        sampled_at_ms: i64,
        packed: bool,
        body: &[u8],
    ) -> io::Result<()> {
        let record_bytes = (RECORD_HEADER_BYTES + body.len()) as u64;
        let segment_bytes = SEGMENT_BYTES.min(self.limit_bytes / 8);
        while self.bytes + record_bytes + SEGMENT_HEADER_BYTES as u64 > self.limit_bytes
            && self.segments.len() > 1
        {
            self.drop_oldest();
        }
        let full = self.segments.back().is_none_or(|s| s.len + record_bytes > segment_bytes);
        if self.writer.is_none() || full {
            self.roll(sequence)?;
        }
        let (Some(writer), Some(info)) = (&mut self.writer, self.segments.back_mut()) else {
            return Err(io::Error::other("no segment to write to"));
        };
        self.buffer.clear();
        record::write(sequence, sampled_at_ms, packed, body, &mut self.buffer);
        if let Err(e) = writer.write_at(info.len, &self.buffer) {
            // What was written of it has no valid CRC, so a cut that fails too does no harm.
            let _ = writer.truncate(info.len);
            return Err(e);
        }
        info.len += record_bytes;
        info.records += 1;
        self.bytes += record_bytes;
        self.pending += 1;
        self.dirty_since.get_or_insert(now);
        Ok(())
    }

    /// Closes the last segment and begins another.
    fn roll(&mut self, first_sequence: u64) -> io::Result<()> {
        if let Some(writer) = &mut self.writer {
            writer.sync()?;
        }
        self.writer = None;
        self.dirty_since = None;
        // One that got no record (its first write failed) is not kept beside its successor.
        if self.segments.back().is_some_and(|s| s.records == 0) {
            let info = self.segments.pop_back().expect("just seen");
            self.bytes -= info.len;
            let _ = self.storage.remove(info.number);
        }
        let number = self.next_number;
        let mut segment = self.storage.create(number)?;
        self.next_number += 1;
        self.buffer.clear();
        record::write_segment_header(&self.node_id, &mut self.buffer);
        if let Err(e) = segment.write_at(0, &self.buffer) {
            let _ = self.storage.remove(number);
            return Err(e);
        }
        let len = SEGMENT_HEADER_BYTES as u64;
        if self.pending == 0 && self.sent.is_empty() {
            self.cursor = Position { segment: number, offset: len };
        }
        self.bytes += len;
        self.segments.push_back(SegmentInfo {
            number,
            len,
            records: 0,
            first_sequence: Some(first_sequence),
        });
        self.writer = Some(segment);
        Ok(())
    }

    /// Lets the oldest segment go, with what waits in it.
    fn drop_oldest(&mut self) {
        let Some(info) = self.segments.front() else { return };
        let number = info.number;
        let lost = if self.cursor.segment == number { self.left_in_cursor_segment() } else { 0 };
        self.pending -= lost;
        self.dropped += lost;
        self.remove_oldest();
        if self.cursor.segment == number {
            self.cursor = self.beginning();
        }
        while self.sent.front().is_some_and(|mark| mark.at.segment == number) {
            self.sent.pop_front();
        }
    }

    fn remove_oldest(&mut self) {
        let Some(info) = self.segments.pop_front() else { return };
        self.bytes -= info.len;
        if self.reader.as_ref().is_some_and(|(n, _)| *n == info.number) {
            self.reader = None;
        }
        if self.segments.is_empty() {
            self.writer = None;
            self.dirty_since = None;
        }
        if let Err(error) = self.storage.remove(info.number) {
            self.notices.push(Notice::Unreadable { segment: info.number, reports: 0, error: Some(error) });
        }
    }

    /// Records from the cursor to the end of its segment: all that wait, less those in later ones.
    fn left_in_cursor_segment(&self) -> u64 {
        let later: u64 =
            self.segments.iter().filter(|s| s.number > self.cursor.segment).map(|s| s.records).sum();
        self.pending.saturating_sub(later)
    }

    /// Moves the cursor over the end of a segment that has a successor, and over segments let go.
    fn skip_ends(&mut self) {
        for segment in &self.segments {
            let beginning = Position { segment: segment.number, offset: SEGMENT_HEADER_BYTES as u64 };
            if segment.number > self.cursor.segment {
                self.cursor = beginning;
            }
            if segment.number == self.cursor.segment && self.cursor.offset < segment.len {
                return;
            }
        }
    }

    /// The next record to send: its body is put into `body`.
    pub(crate) fn peek(&mut self, body: &mut Vec<u8>) -> Option<Header> {
        while self.pending > 0 {
            self.skip_ends();
            match self.read_at_cursor(body) {
                Ok(Some(header)) => {
                    self.at_cursor = Some((self.cursor, header));
                    return Some(header);
                }
                Ok(None) => self.give_up_segment(None),
                Err(error) => self.give_up_segment(Some(error)),
            }
        }
        None
    }

    /// The record at the cursor; `None` when its bytes are spoiled.
    fn read_at_cursor(&mut self, body: &mut Vec<u8>) -> io::Result<Option<Header>> {
        let Position { segment: number, offset } = self.cursor;
        if self.reader.as_ref().is_none_or(|(n, _)| *n != number) {
            self.reader = Some((number, self.storage.open(number)?));
        }
        let (_, segment) = self.reader.as_ref().expect("opened above");
        let mut head = [0; RECORD_HEADER_BYTES];
        segment.read_at(offset, &mut head)?;
        let Some(header) = record::read_header(&head) else { return Ok(None) };
        self.buffer.clear();
        self.buffer.extend_from_slice(&head);
        self.buffer.resize(RECORD_HEADER_BYTES + header.body_bytes, 0);
        segment.read_at(offset + RECORD_HEADER_BYTES as u64, &mut self.buffer[RECORD_HEADER_BYTES..])?;
        body.clear();
        Ok(record::read(&self.buffer).map(|(header, bytes)| {
            body.extend_from_slice(bytes);
            header
        }))
    }

    /// What is left in the cursor's segment cannot be read: the segment ends at the cursor.
    fn give_up_segment(&mut self, error: Option<io::Error>) {
        let segment = self.cursor.segment;
        let lost = self.left_in_cursor_segment();
        self.pending -= lost;
        self.dropped += lost;
        self.notices.push(Notice::Unreadable { segment, reports: lost, error });
        // New records must not follow spoiled ones.
        if self.segments.back().is_some_and(|s| s.number == segment) {
            self.writer = None;
        }
        if let Some(info) = self.segments.iter_mut().find(|s| s.number == segment) {
            self.bytes -= info.len - self.cursor.offset;
            info.len = self.cursor.offset;
            info.records -= lost.min(info.records);
        }
    }

    /// The record at the cursor was handed to the link.
    pub(crate) fn sent(&mut self, link_time: Duration) {
        let Some((at, header)) = self.at_cursor.take().filter(|(at, _)| *at == self.cursor) else { return };
        self.sent.push_back(SentMark { link_time, at });
        self.cursor.offset += header.record_bytes();
        self.pending -= 1;
    }

    /// What was sent until `link_time` has surely arrived.
    pub(crate) fn settle(&mut self, link_time: Duration) {
        if self.segments.is_empty() {
            return;
        }
        while self.sent.front().is_some_and(|mark| mark.link_time <= link_time) {
            self.sent.pop_front();
        }
        self.skip_ends();
        let keep_from = self.sent.front().map_or(self.cursor, |mark| mark.at);
        while self.segments.front().is_some_and(|s| s.number < keep_from.segment) {
            self.remove_oldest();
        }
        if self.pending == 0 && self.sent.is_empty() {
            while !self.segments.is_empty() {
                self.remove_oldest();
            }
            self.cursor = self.beginning();
            (self.reader, self.buffer) = (None, Vec::new());
            self.sent.shrink_to_fit();
        }
    }

    /// The link broke: everything sent and not settled goes again.
    pub(crate) fn rewind(&mut self) {
        if let Some(first) = self.sent.front() {
            self.cursor = first.at;
            self.pending += self.sent.len() as u64;
            self.sent.clear();
        }
    }

    /// The lowest sequence number of this session that waits.
    pub(crate) fn lowest_of_session(&mut self) -> Option<u64> {
        if self.pending == 0 {
            return None;
        }
        self.skip_ends();
        let at = self.segments.iter().position(|s| s.number == self.cursor.segment)?;
        if self.segments[at].first_sequence.is_none() {
            // A segment without records is one whose first write failed.
            return self.segments.range(at..).filter(|s| s.records > 0).find_map(|s| s.first_sequence);
        }
        if self.at_cursor.is_none_or(|(position, _)| position != self.cursor) {
            let mut body = Vec::new();
            self.peek(&mut body);
        }
        self.at_cursor.filter(|(position, _)| *position == self.cursor).map(|(_, header)| header.sequence)
    }

    /// When [`sync`](Self::sync) is due.
    pub(crate) fn sync_at(&self) -> Option<Moment> {
        self.dirty_since.map(|since| since + SYNC_EVERY)
    }

    /// Makes what was appended safe from a power cut.
    pub(crate) fn sync(&mut self, now: Moment) {
        if self.dirty_since.take().is_none() {
            return;
        }
        if let Some(Err(error)) = self.writer.as_mut().map(|w| w.sync()) {
            self.fail(now, error);
        }
    }
}

#[cfg(test)]
mod tests;
