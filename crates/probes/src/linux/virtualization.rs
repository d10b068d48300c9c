//! The container or virtual machine that this system runs in, told from files alone.
//!
//! The words are those of systemd-detect-virt(1), so that they mean the same everywhere. A container
//! hides the machine under it: only the container is told.

use std::ffi::CStr;

use super::file::Dir;
use super::text::{lines, set_text, split_once, trim, words};
use crate::Host;
use chasar_wire::Text;

/// The word for what this system runs in, or `None` on a machine of its own.
pub(crate) fn detect(host: &Host) -> Option<Text> {
    container(host).or_else(|| machine(host).map(Text::const_new))
}

fn read(dir: &Dir, name: &CStr) -> Option<Vec<u8>> {
    let mut buffer = Vec::new();
    dir.read(name, &mut buffer).ok().map(|text| trim(text).to_vec())
}

fn container(host: &Host) -> Option<Text> {
    let root = Dir::open(&host.root);
    let has = |name: &CStr| root.stat(name).is_ok();
    // What the container manager says of itself goes before what it leaves lying about.
    let said = read(&root, c"run/systemd/container").or_else(|| {
        let environment = read(&host.proc, c"1/environ")?;
        environment.split(|b| *b == 0).find_map(|v| v.strip_prefix(b"container=").map(<[u8]>::to_vec))
    });
    if let Some(said) = said.filter(|s| !s.is_empty()) {
        let mut text = Text::default();
        set_text(&mut text, &said, 64);
        return Some(text);
    }
    if read(&host.proc, c"sys/kernel/osrelease")
        .is_some_and(|r| contains(&r, b"WSL") || contains(&r, b"Microsoft"))
    {
        return Some(Text::const_new("wsl"));
    }
    let found = [
        (has(c".dockerenv"), "docker"),
        (has(c"run/.containerenv"), "podman"),
        (has(c"run/secrets/kubernetes.io") || has(c"var/run/secrets/kubernetes.io"), "kubernetes"),
        (host.proc.stat(c"vz").is_ok() && host.proc.stat(c"bc").is_err(), "openvz"),
        (read(&host.proc, c"self/mountinfo").is_some_and(|m| contains(&m, b" fuse.lxcfs ")), "lxc"),
    ];
    found.iter().find(|(found, _)| *found).map(|(_, word)| Text::const_new(word))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|w| w == part)
}

/// What firmware and kernel files say, and the word for it; the first that fits counts.
const MACHINES: &[(&[u8], &str)] = &[
    (b"Amazon EC2", "amazon"),
    (b"Google", "google"),
    (b"KVM", "kvm"),
    (b"OpenStack", "kvm"),
    (b"QEMU", "qemu"),
    (b"VMware", "vmware"),
    (b"VMW", "vmware"),
    (b"innotek GmbH", "oracle"),
    (b"VirtualBox", "oracle"),
    (b"Xen", "xen"),
    (b"Bochs", "bochs"),
    (b"Parallels", "parallels"),
    (b"BHYVE", "bhyve"),
    (b"Hyper-V", "microsoft"),
    (b"Virtual Machine", "microsoft"),
    (b"Apple Virtualization", "apple"),
];

fn machine(host: &Host) -> Option<&'static str> {
    if read(&host.sys, c"hypervisor/type").is_some_and(|kind| kind == b"xen") {
        // The first domain of Xen is the machine itself.
        let first = read(&host.proc, c"xen/capabilities").is_some_and(|c| contains(&c, b"control_d"));
        return (!first).then_some("xen");
    }
    for file in [c"product_name", c"sys_vendor", c"board_vendor", c"bios_vendor", c"product_version"] {
        let path = [b"class/dmi/id/", file.to_bytes_with_nul()].concat();
        let text = CStr::from_bytes_with_nul(&path).ok().and_then(|path| read(&host.sys, path));
        let Some(text) = text else { continue };
        if let Some((_, word)) = MACHINES.iter().find(|(mark, _)| text.starts_with(mark)) {
            // Bare metal of the clouds has the same vendor; its processor tells.
            return has_hypervisor(host).unwrap_or(true).then_some(word);
        }
    }
    if let Some(compatible) = read(&host.proc, c"device-tree/hypervisor/compatible") {
        return Some(if contains(&compatible, b"xen") { "xen" } else { "kvm" });
    }
    if has_hypervisor(host) != Some(true) {
        return None;
    }
    // Without firmware tables (small virtual machines) the clock that the hypervisor offers tells.
    let clocks = read(&host.sys, c"devices/system/clocksource/clocksource0/available_clocksource");
    let offered = |clock: &[u8]| clocks.as_ref().is_some_and(|c| words(c).any(|w| w == clock));
    Some(if offered(b"kvm-clock") {
        "kvm"
    } else if offered(b"xen") {
        "xen"
    } else if clocks.as_ref().is_some_and(|c| contains(c, b"hyperv_clocksource")) {
        "microsoft"
    } else {
        "vm-other"
    })
}

/// Whether the processor says that it is a hypervisor's; `None` where processors do not say.
fn has_hypervisor(host: &Host) -> Option<bool> {
    let text = read(&host.proc, c"cpuinfo")?;
    let flags = lines(&text).find(|line| line.starts_with(b"flags"))?;
    Some(words(split_once(flags, b':')?.1).any(|flag| flag == b"hypervisor"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const VIRTUAL: (&str, &str) = ("proc/cpuinfo", "processor : 0\nflags\t\t: fpu hypervisor lm\n");
    const REAL: (&str, &str) = ("proc/cpuinfo", "processor : 0\nflags\t\t: fpu lm\n");
    const CLOCKS: &str = "sys/devices/system/clocksource/clocksource0/available_clocksource";

    #[test]
    fn each_is_told_by_its_marks() {
        let product = "sys/class/dmi/id/product_name";
        for (word, files) in [
            (None, &[REAL, (product, "PowerEdge R640\n")][..]),
            (None, &[]),
            (Some("kvm"), &[VIRTUAL, (product, "KVM\n")]),
            (Some("amazon"), &[VIRTUAL, ("sys/class/dmi/id/sys_vendor", "Amazon EC2\n")]),
            (None, &[REAL, ("sys/class/dmi/id/sys_vendor", "Amazon EC2\n")]),
            (Some("qemu"), &[("sys/class/dmi/id/sys_vendor", "QEMU\n")]),
            (Some("kvm"), &[VIRTUAL, (CLOCKS, "tsc kvm-clock\n")]),
            (Some("microsoft"), &[VIRTUAL, (CLOCKS, "hyperv_clocksource_tsc_page acpi_pm\n")]),
            (Some("vm-other"), &[VIRTUAL]),
            (Some("xen"), &[("sys/hypervisor/type", "xen\n")]),
            (None, &[("sys/hypervisor/type", "xen\n"), ("proc/xen/capabilities", "control_d\n")]),
            (Some("kvm"), &[("proc/device-tree/hypervisor/compatible", "linux,kvm\0")]),
            (Some("docker"), &[VIRTUAL, (".dockerenv", "")]),
            (Some("podman"), &[("run/.containerenv", "")]),
            (Some("systemd-nspawn"), &[("run/systemd/container", "systemd-nspawn\n"), (".dockerenv", "")]),
            (Some("lxc"), &[("proc/1/environ", "A=1\0container=lxc\0TERM=linux\0")]),
            (Some("lxc"), &[("proc/self/mountinfo", "1 2 0:5 / /proc/meminfo rw - fuse.lxcfs lxcfs rw\n")]),
            (Some("wsl"), &[("proc/sys/kernel/osrelease", "5.15.90.1-microsoft-standard-WSL2\n")]),
            (Some("kubernetes"), &[("run/secrets/kubernetes.io/token", "")]),
        ] {
            let folder = tempfile::tempdir().unwrap();
            for (path, text) in files {
                let path = folder.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            assert_eq!(detect(&Host::recorded(folder.path())).as_deref(), word, "{files:?}");
        }
    }
}
