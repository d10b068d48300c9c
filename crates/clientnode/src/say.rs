//! What an agent tells people in its log.

use chasar_link::DownReason;

use crate::config::Config;
use crate::identity::{Identity, Note};
use crate::life::Event;
use crate::spool::Notice;

/// What happened to one masternode's link and reports.
pub(crate) fn event(masternode: &str, event: Event, down_reason: Option<DownReason>) {
    match event {
        Event::Connected { pending } => tracing::info!(masternode, pending, "connected"),
        Event::Lost { pending } => match down_reason {
            Some(reason) => tracing::warn!(masternode, pending, "link lost: {reason}"),
            None => tracing::warn!(masternode, pending, "link lost"),
        },
        Event::Replaying { pending, per_second } => {
            tracing::info!(
                masternode,
                pending,
                per_second,
                "sending again what was sampled during the outage"
            );
        }
        Event::ReplayDone { reports } => tracing::info!(masternode, reports, "replay done"),
        Event::Dropping => {
            tracing::warn!(
                masternode,
                "reports are let go unsent: the outbox is off, full, or they are too old"
            );
        }
        Event::LeftBehind { reports } => {
            tracing::warn!(
                masternode,
                reports,
                "reports that waited end with this process; a spool folder would keep them"
            );
        }
        Event::Spool(notice) => spool(masternode, &notice),
    }
}

pub(crate) fn identity(identity: &Identity, config: &Config) {
    let folder = config.state_folder.display();
    let node_id = identity.node_id.as_str();
    match &identity.note {
        None => {}
        Some(Note::New) => tracing::info!(node_id, %folder, "new identity"),
        Some(Note::Copied { previous }) => tracing::warn!(
            node_id, previous, %folder,
            "the identity was made on another computer (a copied disk?): this one got its own"
        ),
        Some(Note::Spoiled) => {
            tracing::warn!(node_id, %folder, "the file node_id has no identity in it: made a new one");
        }
        Some(Note::Ephemeral { error }) => tracing::warn!(
            node_id, %folder,
            "cannot keep an identity: {error}; after a restart this computer is another node"
        ),
    }
}

fn spool(masternode: &str, notice: &Notice) {
    match notice {
        Notice::Found { reports } => {
            tracing::info!(masternode, reports, "spool: reports of earlier sessions wait")
        }
        Notice::TornTail { segment, bytes } => {
            tracing::warn!(masternode, segment, bytes, "spool: cut off an unfinished record (after a crash)");
        }
        Notice::Foreign { segment } => {
            tracing::warn!(masternode, segment, "spool: a file is no segment of this version; left alone");
        }
        Notice::OtherNode { segment } => {
            tracing::warn!(masternode, segment, "spool: removed reports of another node (a copied folder)");
        }
        Notice::Unreadable { segment, reports, error } => {
            let error =
                error.as_ref().map_or_else(|| "its bytes are spoiled".to_owned(), ToString::to_string);
            tracing::error!(masternode, segment, reports, "spool: cannot be read back: {error}");
        }
        Notice::Failing { error } => {
            tracing::error!(
                masternode,
                "spool: cannot be written: {error}; reports that wait are kept in memory only"
            );
        }
        Notice::Works => tracing::info!(masternode, "spool: can be written again"),
    }
}
