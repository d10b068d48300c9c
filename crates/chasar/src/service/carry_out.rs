//! Doing the steps; undoing them, last first, when one fails.

use std::io;

use super::plan::{Call, Scm, Step};

/// What can be done to a system. Paths are as the system that is set up will see them.
pub(crate) trait Hands {
    /// A file's content and mode; `None` when it is not there.
    fn read(&mut self, path: &str) -> io::Result<Option<(Vec<u8>, u32)>>;
    /// Whether something is at the path, be it a link that leads nowhere.
    fn exists(&mut self, path: &str) -> bool;
    /// Writes a file at once: whoever reads it sees the old or the new.
    fn write(&mut self, path: &str, bytes: &[u8], mode: u32) -> io::Result<()>;
    /// Makes a folder and those above it; gives those that were not there, outermost first.
    fn make_folder(&mut self, path: &str, mode: u32) -> io::Result<Vec<String>>;
    /// Makes a symbolic link.
    fn link(&mut self, path: &str, target: &str) -> io::Result<()>;
    /// Removes a file or link.
    fn remove(&mut self, path: &str) -> io::Result<()>;
    /// Removes a folder; whether it was empty and is gone.
    fn remove_empty(&mut self, path: &str) -> io::Result<bool>;
    /// Removes a folder and all in it.
    fn remove_tree(&mut self, path: &str) -> io::Result<()>;
    /// Runs a program and gives its output; the error says why it failed.
    fn call(&mut self, call: &Call) -> Result<String, String>;
    /// Tells the service control manager of Windows.
    fn scm(&mut self, order: &Scm) -> Result<(), String>;
}

/// How a step is taken back.
#[derive(Debug)]
enum Undo {
    Restore { path: String, bytes: Vec<u8>, mode: u32 },
    Remove { path: String },
    RemoveEmpty { path: String },
    Call(Call),
    Scm(Scm),
}

/// A step failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Which, and why.
    pub(crate) what: String,
    /// What could not be taken back, each with why.
    pub(crate) left: Vec<String>,
}

/// Does all steps in order and says each; when one fails, undoes those before it.
pub(crate) fn all_or_nothing(
    steps: &[Step],
    hands: &mut dyn Hands,
    say: &mut dyn FnMut(&str),
) -> Result<(), Broken> {
    let mut undo = Vec::new();
    for step in steps {
        let Err(why) = one(step, hands, say, &mut undo) else { continue };
        let mut left = Vec::new();
        for undo in undo.iter().rev() {
            if let Err(why) = take_back(undo, hands) {
                left.push(why);
            }
        }
        return Err(Broken { what: format!("cannot {step}: {why}"), left });
    }
    Ok(())
}

/// Does as many steps as can be done and says each; gives those that failed, each with why.
pub(crate) fn as_far_as_possible(
    steps: &[Step],
    hands: &mut dyn Hands,
    say: &mut dyn FnMut(&str),
) -> Vec<String> {
    let mut failed = Vec::new();
    for step in steps {
        if let Err(why) = one(step, hands, say, &mut Vec::new()) {
            failed.push(format!("cannot {step}: {why}"));
        }
    }
    failed
}

fn one(
    step: &Step,
    hands: &mut dyn Hands,
    say: &mut dyn FnMut(&str),
    undo: &mut Vec<Undo>,
) -> Result<(), String> {
    let text = |e: io::Error| e.to_string();
    match step {
        Step::Folder { path, mode } => {
            let made = hands.make_folder(path, *mode).map_err(text)?;
            if !made.is_empty() {
                say(&format!("made folder {path}"));
            }
            undo.extend(made.into_iter().map(|path| Undo::RemoveEmpty { path }));
        }
        Step::File { path, text: new, mode } => {
            let old = hands.read(path).map_err(text)?;
            if old.as_ref().is_some_and(|(bytes, is)| bytes == new.as_bytes() && is == mode) {
                say(&format!("unchanged {path}"));
                return Ok(());
            }
            // Before it is written: a disk may fill up half way.
            undo.push(match old {
                Some((bytes, mode)) => Undo::Restore { path: path.clone(), bytes, mode },
                None => Undo::Remove { path: path.clone() },
            });
            hands.write(path, new.as_bytes(), *mode).map_err(text)?;
            say(&format!("wrote {path}"));
        }
        Step::Link { path, target } => {
            if !hands.exists(path) {
                hands.link(path, target).map_err(text)?;
                undo.push(Undo::Remove { path: path.clone() });
                say(&format!("linked {path}"));
            }
        }
        Step::Run { call, undo: back } => {
            // A call that failed may have done half of its work.
            undo.extend(back.clone().map(|call| Undo::Call(call.if_need_be())));
            run(call, hands)?;
            say(&format!("ran {call}"));
            if let (Some(Undo::Call(call)), Some(back)) = (undo.last_mut(), back) {
                call.may_fail = back.may_fail;
            }
        }
        Step::Scm { order, undo: back } => {
            // A change of what is registered may fail half way; a service that is not there cannot be deleted.
            let at_once = matches!(back, Some(Scm::Register(_)));
            let back = back.clone().map(Undo::Scm);
            let (before, after) = if at_once { (back, None) } else { (None, back) };
            undo.extend(before);
            hands.scm(order).map_err(|why| explained(why, order, hands))?;
            undo.extend(after);
            say(&order.to_string());
        }
        Step::WhenUndone(call) => undo.push(Undo::Call(call.clone())),
        Step::Remove { path } => {
            if hands.exists(path) {
                hands.remove(path).map_err(text)?;
                say(&format!("removed {path}"));
            }
        }
        Step::RemoveEmpty { path } => {
            if hands.exists(path) && hands.remove_empty(path).map_err(text)? {
                say(&format!("removed folder {path}"));
            }
        }
        Step::RemoveTree { path } => {
            if hands.exists(path) {
                hands.remove_tree(path).map_err(text)?;
                say(&format!("removed folder {path}"));
            }
        }
    }
    Ok(())
}

/// Lines of a log that are its last words.
const LAST_WORDS_LINES: usize = 5;

/// Why the service control manager could not do it, with the last words of a service that did not start.
fn explained(why: String, order: &Scm, hands: &mut dyn Hands) -> String {
    let Scm::Restart { log, .. } = order else { return why };
    let Ok(Some((log, _))) = hands.read(log) else { return why };
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    match lines.get(lines.len().saturating_sub(LAST_WORDS_LINES)..) {
        None | Some([]) => why,
        Some(last) => format!("{why}; its last words: {}", last.join("\n")),
    }
}

fn run(call: &Call, hands: &mut dyn Hands) -> Result<(), String> {
    let Err(mut why) = hands.call(call) else { return Ok(()) };
    if call.may_fail {
        return Ok(());
    }
    if let Some(more) = &call.explained_by
        && let Ok(lines) = hands.call(more)
        && !lines.trim().is_empty()
    {
        why += &format!("; its last words: {}", lines.trim());
    }
    Err(why)
}

fn take_back(undo: &Undo, hands: &mut dyn Hands) -> Result<(), String> {
    match undo {
        Undo::Restore { path, bytes, mode } => {
            hands.write(path, bytes, *mode).map_err(|e| format!("restore {path}: {e}"))
        }
        Undo::Remove { path } => match hands.exists(path) {
            true => hands.remove(path).map_err(|e| format!("remove {path}: {e}")),
            false => Ok(()),
        },
        Undo::RemoveEmpty { path } => {
            hands.remove_empty(path).map(drop).map_err(|e| format!("remove folder {path}: {e}"))
        }
        Undo::Call(call) => run(call, hands).map_err(|why| format!("run {call}: {why}")),
        Undo::Scm(order) => hands.scm(order).map_err(|why| format!("{order}: {why}")),
    }
}
