//! A target's queue on disk: batches in files, one after the other, and how far they were sent.
//!
//! A file `00000001.log` begins with `chasarq1` and the number of lanes (u16). Each batch is its length
//! (u32), its lane (u16), its samples (u32), the CRC-32 of its body, the CRC-32 of all this, and its body; numbers
//! are little-endian. So a start reads no bodies but those of the newest file, which a crash may have torn; the
//! others are checked when they are read to be sent. A file is
//! written once: after a start, or an error, a new one is begun. `cursor` has the place before which all was
//! sent, as text with a checksum; it may be behind, and then something is sent twice.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use chasar_tsdb::storage::{Input, Output, Storage};

use super::batcher::Batch;

const MAGIC: &[u8; 8] = b"chasarq1";
const FILE_HEAD: u64 = 10;
/// What stands before a body.
const HEAD: usize = 18;
const CURSOR: &str = "cursor";
const CURSOR_NEW: &str = "cursor.new";
/// A body is never longer; what says to be is damaged.
const MAX_BODY: usize = 64 << 20;

/// A place in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) file: u64,
    pub(super) offset: u64,
}

/// A batch in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) batch: Batch,
    /// Lanes there were when it was made.
    pub(super) lanes: u16,
    /// Behind it.
    pub(super) end: Position,
}

/// Why a batch was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It is not what was written: the rest of its file is of no use.
    Damaged(String),
    /// Not now, as when the process has too many files open; later it may.
    Failed(io::Error),
}

impl From<io::Error> for Unread {
    fn from(cause: io::Error) -> Unread {
        match cause.kind() {
            // What is gone does not come back.
            ErrorKind::UnexpectedEof | ErrorKind::NotFound => {
                Unread::Damaged(format!("cannot be read: {cause}"))
            }
            _ => Unread::Failed(cause),
        }
    }
}

/// What was found at the start.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// What was not as it was written, as lines for the log.
    pub(super) damaged: Vec<String>,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    lanes: u16,
    /// Those that are whole.
    bytes: u64,
    /// Those behind, of a batch that was not written whole.
    torn: u64,
    /// Samples that were not sent yet.
    samples: u64,
}

/// The queue's files.
pub(super) struct Log {
    storage: Arc<dyn Storage>,
    lanes: u16,
    max_bytes: u64,
    /// At most so long is a file.
    segment_bytes: u64,
    segments: VecDeque<Segment>,
    output: Option<Box<dyn Output>>,
    is_synced: bool,
    /// Where the next batch is read.
    read: Position,
    input: Option<(u64, Box<dyn Input>)>,
    /// As it was written last.
    cursor: Position,
    next: u64,
}

fn name(number: u64) -> String {
    format!("{number:08}.log")
}

/// The number of a file that is one of the queue.
fn number_of(file: &str) -> Option<u64> {
    let number = file.strip_suffix(".log")?.parse().ok()?;
    (number < u64::MAX && name(number) == file).then_some(number)
}

impl Log {
    pub(super) fn open(storage: Arc<dyn Storage>, lanes: u16, max_bytes: u64) -> io::Result<(Log, Opening)> {
        let mut opening = Opening::default();
        let mut files: Vec<(u64, u64)> = Vec::new();
        let mut cursor = Position::default();
        for (name, bytes) in storage.list()? {
            match number_of(&name) {
                Some(number) => files.push((number, bytes)),
                None if name == CURSOR => match read_cursor(&*storage, bytes)? {
                    Some(place) => cursor = place,
                    None => opening.damaged.push(
                        "what was sent before is not known, as its cursor is damaged: it is sent again"
                            .into(),
                    ),
                },
                None => {}
            }
        }
        files.sort_unstable();
        let next = files.last().map_or(0, |(number, _)| *number).max(cursor.file).saturating_add(1);
        let mut segments = VecDeque::new();
        let newest = files.last().map(|(number, _)| *number);
        for (number, bytes) in files {
            if number < cursor.file {
                storage.remove(&name(number))?;
                continue;
            }
            let input = storage.open(&name(number))?;
            let skip = if number == cursor.file { cursor.offset } else { 0 };
            let (mut segment, wrong) = scan(&*input, number, bytes, skip, Some(number) == newest)?;
            if let Some(wrong) = wrong {
                let lost = bytes - segment.bytes;
                segment.torn = lost;
                opening
                    .damaged
                    .push(format!("the last {lost} bytes of {} {wrong} and are left out", name(number)));
            }
            segments.push_back(segment);
        }
        let read = segments.front().map_or(Position { file: next, offset: FILE_HEAD }, |first: &Segment| {
            let offset = if first.number == cursor.file { cursor.offset } else { FILE_HEAD };
            Position { file: first.number, offset: offset.max(FILE_HEAD) }
        });
        let segment_bytes = (max_bytes / 8).clamp(64 << 10, 16 << 20);
        let log = Log {
            storage,
            lanes,
            max_bytes,
            segment_bytes,
            segments,
            output: None,
            is_synced: true,
            read,
            input: None,
            cursor,
            next,
        };
        Ok((log, opening))
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes + segment.torn).sum()
    }

    /// Samples that were not sent yet.
    pub(super) fn samples(&self) -> u64 {
        self.segments.iter().map(|segment| segment.samples).sum()
    }

    /// Whether all that was written was read.
    pub(super) fn is_read(&self) -> bool {
        self.segments.back().is_none_or(|last| {
            self.read.file > last.number || self.read.file == last.number && self.read.offset >= last.bytes
        })
    }

    /// Writes a batch behind all others and says where it ends. After an error none of it is there.
    pub(super) fn append(&mut self, batch: &Batch) -> io::Result<Position> {
        let record = (HEAD + batch.body.len()) as u64;
        let is_full = self.segments.back().is_none_or(|last| last.bytes + record > self.segment_bytes);
        if self.output.is_none() || is_full {
            self.begin_file()?;
        }
        let mut bytes = Vec::with_capacity(HEAD + batch.body.len());
        bytes.extend_from_slice(&(batch.body.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&batch.lane.to_le_bytes());
        bytes.extend_from_slice(&batch.samples.to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&batch.body).to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes.extend_from_slice(&batch.body);
        self.is_synced = false;
        let written = self.output.as_mut().map_or(Ok(()), |output| output.append(&bytes));
        if let Err(cause) = written {
            // Any part of it may be there: nothing is written behind it.
            self.output = None;
            self.leave(record);
            return Err(cause);
        }
        let Some(last) = self.segments.back_mut() else { return Err(io::Error::other("no file")) };
        last.bytes += record;
        last.samples += u64::from(batch.samples);
        Ok(Position { file: last.number, offset: last.bytes })
    }

    /// What becomes of the newest file when a batch may be there in part.
    fn leave(&mut self, record: u64) {
        let Some(last) = self.segments.back_mut() else { return };
        last.torn = record;
        // Nothing else is in it: of these there would be one for each batch while a disk is full.
        if last.bytes == FILE_HEAD {
            let number = last.number;
            if self.remove(number).is_ok() {
                self.segments.pop_back();
            }
        }
    }

    fn begin_file(&mut self) -> io::Result<()> {
        self.sync()?;
        self.output = None;
        let number = self.next;
        // The name is taken, whatever becomes of it.
        self.next += 1;
        let mut output = self.storage.create(&name(number))?;
        let mut head = [0; FILE_HEAD as usize];
        head[..8].copy_from_slice(MAGIC);
        head[8..].copy_from_slice(&self.lanes.to_le_bytes());
        if let Err(cause) = output.append(&head) {
            drop(output);
            // A file without a head is none; the disk is full.
            let _ = self.storage.remove(&name(number));
            return Err(cause);
        }
        let was_read = self.is_read();
        self.segments.push_back(Segment { number, lanes: self.lanes, bytes: FILE_HEAD, torn: 0, samples: 0 });
        if was_read {
            self.read = Position { file: number, offset: FILE_HEAD };
        }
        self.output = Some(output);
        self.is_synced = false;
        Ok(())
    }

    /// What was just appended needs not be read; only when all before it was read.
    pub(super) fn skip_to(&mut self, end: Position) {
        self.read = end;
    }

    /// Lanes of the batch that is read next.
    pub(super) fn next_lanes(&self) -> Option<u16> {
        let at = self.segments.iter().find(|s| {
            s.number > self.read.file || s.number == self.read.file && s.bytes > self.read.offset
        })?;
        Some(at.lanes)
    }

    /// The next batch; `None` when all were read.
    pub(super) fn read_next(&mut self) -> Result<Option<Record>, Unread> {
        loop {
            let read = self.read;
            let Some(at) = self.segments.iter().position(|segment| segment.number >= read.file) else {
                return Ok(None);
            };
            let segment = &self.segments[at];
            if segment.number > read.file {
                self.read = Position { file: segment.number, offset: FILE_HEAD };
                continue;
            }
            if read.offset >= segment.bytes {
                let Some(next) = self.segments.get(at + 1) else { return Ok(None) };
                self.read = Position { file: next.number, offset: FILE_HEAD };
                self.input = None;
                continue;
            }
            let input = match &mut self.input {
                Some((number, input)) if *number == segment.number => input,
                other => &mut other.insert((segment.number, self.storage.open(&name(segment.number))?)).1,
            };
            let (batch, end) = match read_record(&**input, read.offset, segment.bytes) {
                Ok(read) => read,
                Err(unread) => {
                    // It is opened anew the next time.
                    self.input = None;
                    return Err(unread);
                }
            };
            self.read.offset = end;
            return Ok(Some(Record { batch, lanes: segment.lanes, end: self.read }));
        }
    }

    /// The file that is read, for the log.
    pub(super) fn file_name(&self) -> String {
        name(self.read.file)
    }

    /// The number of the file that is read.
    pub(super) fn reads(&self) -> u64 {
        self.read.file
    }

    /// Skips the rest of the file that cannot be read; says how many samples that were. `held`: samples of the
    /// file that were read before and are not done.
    pub(super) fn give_up_file(&mut self, held: u64) -> u64 {
        let file = self.read.file;
        if self.segments.back().is_some_and(|last| last.number == file) {
            // What comes would not be read behind this place.
            self.output = None;
        }
        self.input = None;
        self.read = Position { file: file + 1, offset: FILE_HEAD };
        let Some(at) = self.segments.iter().position(|segment| segment.number == file) else { return 0 };
        let lost = self.segments[at].samples.saturating_sub(held);
        self.segments[at].samples -= lost;
        lost
    }

    /// So many samples of a file were sent, or refused.
    pub(super) fn done(&mut self, file: u64, samples: u32) {
        if let Some(segment) = self.segments.iter_mut().find(|segment| segment.number == file) {
            segment.samples = segment.samples.saturating_sub(u64::from(samples));
        }
    }

    /// Whether there is more than there may be.
    pub(super) fn is_too_large(&self) -> bool {
        self.bytes() > self.max_bytes
    }

    /// The oldest file when there is more than there may be: removed, with the samples that were not sent.
    pub(super) fn drop_oldest(&mut self) -> io::Result<Option<(u64, u64)>> {
        if !self.is_too_large() || self.segments.len() < 2 {
            return Ok(None);
        }
        let Some(number) = self.segments.front().map(|oldest| oldest.number) else { return Ok(None) };
        // While it cannot be removed it is part of the queue.
        self.remove(number)?;
        let Some(oldest) = self.segments.pop_front() else { return Ok(None) };
        if self.read.file <= oldest.number {
            self.input = None;
            let next = self.segments.front().map_or(oldest.number + 1, |next| next.number);
            self.read = Position { file: next, offset: FILE_HEAD };
        }
        Ok(Some((oldest.number, oldest.samples)))
    }

    /// What was written so far survives a power cut.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.is_synced {
            return Ok(());
        }
        if let Some(output) = &mut self.output
            && let Err(cause) = output.sync()
        {
            self.output = None;
            return Err(cause);
        }
        self.storage.sync_names()?;
        self.is_synced = true;
        Ok(())
    }

    /// All before this place was sent: files that are not needed any more go, and the place is written.
    pub(super) fn save_cursor(&mut self, cursor: Position) -> io::Result<()> {
        // First, as on a full disk there is room for the place only then.
        let removed = self.remove_sent(cursor);
        if cursor > self.cursor {
            self.write_cursor(cursor)?;
        }
        removed
    }

    /// Removes the files before a place.
    pub(super) fn remove_sent(&mut self, cursor: Position) -> io::Result<()> {
        while let Some(first) = self.segments.front() {
            let is_written = self.output.is_some() && self.segments.len() == 1;
            let is_sent =
                first.number < cursor.file || first.number == cursor.file && first.bytes <= cursor.offset;
            if !is_sent || is_written {
                break;
            }
            self.remove(first.number)?;
            self.segments.pop_front();
        }
        Ok(())
    }

    fn remove(&self, number: u64) -> io::Result<()> {
        match self.storage.remove(&name(number)) {
            // Somebody else did.
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn write_cursor(&mut self, cursor: Position) -> io::Result<()> {
        if self.storage.list()?.iter().any(|(name, _)| name == CURSOR_NEW) {
            self.storage.remove(CURSOR_NEW)?;
        }
        let mut output = self.storage.create(CURSOR_NEW)?;
        output.append(cursor_text(cursor).as_bytes())?;
        drop(output);
        self.storage.rename(CURSOR_NEW, CURSOR)?;
        self.cursor = cursor;
        Ok(())
    }
}

fn cursor_text(cursor: Position) -> String {
    let place = format!("{} {}", cursor.file, cursor.offset);
    format!("{place} {:08x}\n", crc32fast::hash(place.as_bytes()))
}

/// `None` when it is not as it was written: another place could cost all that waits.
fn read_cursor(storage: &dyn Storage, bytes: u64) -> io::Result<Option<Position>> {
    let mut text = vec![0; bytes.min(64) as usize];
    storage.open(CURSOR)?.read_at(0, &mut text)?;
    let read = || {
        let text = std::str::from_utf8(&text).ok()?;
        let mut words = text.split(' ');
        let cursor = Position { file: words.next()?.parse().ok()?, offset: words.next()?.parse().ok()? };
        (cursor_text(cursor) == text).then_some(cursor)
    };
    Ok(read())
}

/// What of a file is whole, with `bodies` or as far as the heads say; samples before `skip` were sent.
fn scan(
    input: &dyn Input,
    number: u64,
    bytes: u64,
    skip: u64,
    bodies: bool,
) -> io::Result<(Segment, Option<String>)> {
    let mut segment = Segment { number, lanes: 1, bytes: 0, torn: 0, samples: 0 };
    let mut head = [0; FILE_HEAD as usize];
    if bytes >= FILE_HEAD {
        input.read_at(0, &mut head)?;
    }
    if head[..8] != MAGIC[..] {
        return Ok((segment, (bytes > 0).then(|| "are none of a queue".into())));
    }
    segment.lanes = u16::from_le_bytes([head[8], head[9]]).max(1);
    segment.bytes = FILE_HEAD;
    while segment.bytes < bytes {
        let read = read_head(input, segment.bytes, bytes).and_then(|head| {
            if bodies {
                read_body(input, segment.bytes, &head)?;
            }
            Ok(head)
        });
        match read {
            Ok(head) => {
                segment.bytes += HEAD as u64 + u64::from(head.len);
                if segment.bytes > skip {
                    segment.samples += u64::from(head.samples);
                }
            }
            Err(Unread::Damaged(wrong)) => return Ok((segment, Some(wrong))),
            // A start that fails can be tried again; what is left out here is lost.
            Err(Unread::Failed(cause)) => return Err(cause),
        }
    }
    Ok((segment, None))
}

struct Head {
    len: u32,
    lane: u16,
    samples: u32,
    /// Of the body.
    checksum: u32,
}

fn damaged<T>(wrong: &str) -> Result<T, Unread> {
    Err(Unread::Damaged(wrong.to_owned()))
}

/// The head of a batch that ends before `end`.
fn read_head(input: &dyn Input, at: u64, end: u64) -> Result<Head, Unread> {
    let mut head = [0; HEAD];
    let room = end.saturating_sub(at);
    if room < HEAD as u64 {
        return damaged("are not a whole batch");
    }
    input.read_at(at, &mut head)?;
    let number = |range: std::ops::Range<usize>| {
        head[range].iter().rev().fold(0u32, |number, byte| number << 8 | u32::from(*byte))
    };
    if crc32fast::hash(&head[..14]) != number(14..18) {
        return damaged("have a wrong checksum");
    }
    let len = number(0..4);
    if len as usize > MAX_BODY || u64::from(len) > room - HEAD as u64 {
        return damaged("are not a whole batch");
    }
    Ok(Head { len, lane: number(4..6) as u16, samples: number(6..10), checksum: number(10..14) })
}

fn read_body(input: &dyn Input, at: u64, head: &Head) -> Result<Vec<u8>, Unread> {
    let mut body = vec![0; head.len as usize];
    input.read_at(at + HEAD as u64, &mut body)?;
    if crc32fast::hash(&body) != head.checksum {
        return damaged("have a wrong checksum");
    }
    Ok(body)
}

fn read_record(input: &dyn Input, at: u64, end: u64) -> Result<(Batch, u64), Unread> {
    let head = read_head(input, at, end)?;
    let body = read_body(input, at, &head)?;
    let end = at + HEAD as u64 + u64::from(head.len);
    Ok((Batch { lane: head.lane, samples: head.samples, body }, end))
}

#[cfg(test)]
mod tests;
