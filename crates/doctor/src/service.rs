//! Whether the system is to start the daemon at boot, and yet it does not run.

use std::path::{Path, PathBuf};

use crate::finding::Finding;
use crate::subject::Role;

/// Where an init system links what it starts at boot, with `ROLE` for the name: systemd and OpenRC.
const LINKS: [&str; 2] =
    ["etc/systemd/system/multi-user.target.wants/chasar-ROLE.service", "etc/runlevels/default/chasar-ROLE"];

/// The link by which the system below `root` starts a daemon at boot.
#[must_use]
pub fn enabled_service(root: &Path, role: Role) -> Option<PathBuf> {
    let links = LINKS.iter().map(|link| root.join(link.replace("ROLE", role.name())));
    // What it leads to may be gone; it is meant to run all the same.
    links.into_iter().find(|link| link.symlink_metadata().is_ok())
}

/// What it means, where the daemon does not run.
pub(crate) fn judge(role: Role, link: &Path) -> Finding {
    let service = format!("chasar-{}", role.name());
    let openrc = link.starts_with("/etc/runlevels");
    let finding = Finding::wrong(
        "service-not-running",
        format!("service {service}"),
        format!("The system is to start it ({}), and it does not run.", link.display()),
    )
    .because("It was stopped, or it cannot start and has given up.");
    if openrc {
        return finding
            .run("See what it says.", format!("rc-service {service} status"))
            .run("Start it.", format!("rc-service {service} start"));
    }
    finding
        .run("See why it ended.", format!("systemctl status {service}; journalctl -u {service} -n 50"))
        .run("Start it.", format!("systemctl reset-failed {service}; systemctl start {service}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_link_is_a_will() {
        let root = tempfile::tempdir().unwrap();
        let wants = root.path().join("etc/systemd/system/multi-user.target.wants");
        std::fs::create_dir_all(&wants).unwrap();
        assert_eq!(enabled_service(root.path(), Role::Masternode), None);
        std::os::unix::fs::symlink("/nowhere", wants.join("chasar-masternode.service")).unwrap();
        assert!(enabled_service(root.path(), Role::Masternode).is_some());
        assert_eq!(enabled_service(root.path(), Role::Clientnode), None);
    }

    #[test]
    fn each_init_system_has_its_commands() {
        let systemd = judge(Role::Masternode, Path::new("/etc/systemd/system/x"));
        assert!(systemd.remedy[1].command.as_ref().unwrap().ends_with("systemctl start chasar-masternode"));
        let openrc = judge(Role::Clientnode, Path::new("/etc/runlevels/default/chasar-clientnode"));
        assert_eq!(openrc.remedy[1].command.as_deref(), Some("rc-service chasar-clientnode start"));
    }
}
