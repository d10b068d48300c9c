//! Reports that wait on disk: damaged, in the way, or about to push out the oldest.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use chasar_clientnode::{SpoolContent, inspect_spool};

use crate::finding::{Finding, bytes, count, shell};

/// From this share of its size on a spool is as good as full, percent: the oldest segment goes next.
const FULL_PERCENT: u64 = 87;

/// What is known about a spool.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// How much it may hold.
    pub(crate) limit_bytes: u64,
    /// What is in it; the error when it cannot be read.
    pub(crate) content: Result<SpoolContent, ErrorKind>,
    /// Whether a clientnode writes to it now.
    pub(crate) in_use: bool,
}

/// Looks into the spool of a node.
pub(crate) fn look(path: &Path, limit_bytes: u64, node_id: Option<&str>, in_use: bool) -> Facts {
    let content = inspect_spool(path, node_id).map_err(|e| e.kind());
    Facts { path: path.to_owned(), limit_bytes, content, in_use }
}

/// What it means.
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let looked_at = format!("spool {}", facts.path.display());
    let content = match &facts.content {
        Ok(content) => content,
        // Made when it is needed; whether it can be is the folder's check.
        Err(ErrorKind::NotFound) => return Vec::new(),
        Err(kind) => {
            return vec![
                Finding::note("spool-unread", looked_at, format!("It cannot be looked into: {kind}."))
                    .because("Whether reports wait or are damaged is not known.")
                    .run("Ask as root or as the clientnode's user.", "sudo chasar doctor"),
            ];
        }
    };
    let file = |name: &str| shell(&facts.path.join(name).to_string_lossy());
    let mut findings = Vec::new();
    // What is being written looks torn for a moment.
    let writing = |name: &str| facts.in_use && content.last.as_deref() == Some(name);
    for (name, lost) in content.damaged.iter().filter(|(name, _)| !writing(name)) {
        let found = format!("{name} is damaged: {} at its end are no report.", bytes(*lost));
        findings.push(
            Finding::wrong("spool-damaged", &looked_at, found)
                .because("A crash or a failing disk cut it short; what is behind the damage is lost, what is before it is sent.")
                .run("If it comes again, look at the disk.", "dmesg --level=err,warn | tail -20")
                .advise("The clientnode cuts the damage off by itself at its next start."),
        );
    }
    for name in &content.foreign {
        findings.push(
            Finding::wrong(
                "spool-foreign",
                &looked_at,
                format!("{name} is no segment of a spool, or one of a later version."),
            )
            .because("It is left alone and never sent, and takes room.")
            .run("Move it away if nobody needs it.", format!("mv {} /tmp/", file(name))),
        );
    }
    if !content.of_other_nodes.is_empty() {
        let found = format!(
            "{} of another node: the folder was copied.",
            count(content.of_other_nodes.len() as u64, "segment")
        );
        findings.push(
            Finding::note("spool-copied", &looked_at, found)
                .because("Reports of one computer must not be sent as another's; the clientnode removes them at its next start.")
                .advise("Nothing has to be done, unless they were meant to be sent: then move them back to their computer."),
        );
    }
    let used = format!(
        "{} wait, {} of {}.",
        count(content.reports, "report"),
        bytes(content.bytes),
        bytes(facts.limit_bytes)
    );
    if content.bytes * 100 >= facts.limit_bytes.saturating_mul(FULL_PERCENT) {
        findings.push(
            Finding::wrong("spool-full", &looked_at, used)
                .because("The oldest reports are thrown away to make room for new ones.")
                .advise(
                    "Bring the masternode back: the findings about the connection say what is in the way.",
                )
                .run("Or let the spool hold more.", "chasar clientnode start --spool-size 1G"),
        );
    } else if findings.is_empty() {
        findings.push(Finding::fine("spool-sound", looked_at, used));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Verdict;

    fn judged(content: SpoolContent, in_use: bool) -> Vec<(&'static str, Verdict)> {
        let facts = Facts { path: "/s".into(), limit_bytes: 1000, content: Ok(content), in_use };
        judge(&facts).iter().map(|f| (f.code, f.verdict)).collect()
    }

    #[test]
    fn what_is_in_a_spool() {
        let sound =
            SpoolContent { reports: 3, bytes: 500, last: Some("2".into()), ..SpoolContent::default() };
        assert_eq!(judged(sound.clone(), false), [("spool-sound", Verdict::Fine)]);
        assert_eq!(
            judged(SpoolContent { bytes: 870, ..sound.clone() }, false),
            [("spool-full", Verdict::Wrong)]
        );
        let torn = SpoolContent { damaged: vec![("2".into(), 9)], ..sound.clone() };
        assert_eq!(judged(torn.clone(), false), [("spool-damaged", Verdict::Wrong)]);
        assert_eq!(judged(torn, true), [("spool-sound", Verdict::Fine)], "it is being written");
        let foreign = SpoolContent { foreign: vec!["1".into()], ..sound.clone() };
        assert_eq!(judged(foreign, true), [("spool-foreign", Verdict::Wrong)]);
        let copied = SpoolContent { of_other_nodes: vec!["1".into()], ..sound };
        assert_eq!(judged(copied, true), [("spool-copied", Verdict::Note)]);
    }

    #[test]
    fn what_cannot_be_looked_into() {
        let facts = |kind| Facts { path: "/s".into(), limit_bytes: 1, content: Err(kind), in_use: false };
        assert_eq!(judge(&facts(ErrorKind::NotFound)), []);
        assert_eq!(judge(&facts(ErrorKind::PermissionDenied))[0].code, "spool-unread");
    }
}
