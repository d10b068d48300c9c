//! What computer this is: clocks, name, uptime, operating system, machine.

use std::ffi::CStr;

use chasar_wire::limits::MAX_NAME_BYTES;
use chasar_wire::{Report, Text};
use jiff::tz::TimeZone;

use super::file::{Dir, Kept};
use super::sys::{FileStatus, Uname};
use super::text::{decimal, lines, set_some, set_text, split_once, trim, words};
use super::virtualization;
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup, clock};

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Identity {
        uptime: Kept::whole(c"uptime"),
        settled: None,
        os_file: None,
        zone: TimeZone::UTC,
        zone_file: None,
        look_in: 0,
    })
}

/// What changes with an upgrade or by an administrator's hand is looked at again after so many samples.
const SAMPLES_BETWEEN_LOOKS: u32 = 60;

/// A text longer than this is no name of a product or system.
const LONGEST_TEXT: usize = 255;

struct Identity {
    uptime: Kept,
    settled: Option<Settled>,
    /// os-release as it was when it was read.
    os_file: Option<FileStatus>,
    zone: TimeZone,
    /// The zone's file as it was when it was read.
    zone_file: Option<FileStatus>,
    look_in: u32,
}

/// What stays for long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Settled {
    os: Os,
    kernel: Text,
    kernel_version: Text,
    architecture: Text,
    cpu_model: Option<Text>,
    machine: Option<Text>,
    virtualization: Option<Text>,
}

/// The words of os-release(5) that we use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Os {
    name: Option<Text>,
    id: Option<Text>,
    version: Option<Text>,
}

/// Reads os-release(5).
pub(crate) fn parse_os_release(text: &[u8]) -> Os {
    let mut os = Os::default();
    for line in lines(text) {
        let Some((key, value)) = split_once(trim(line), b'=') else { continue };
        let field = match key {
            b"PRETTY_NAME" => &mut os.name,
            b"ID" => &mut os.id,
            b"VERSION_ID" => &mut os.version,
            _ => continue,
        };
        let value = unquote(trim(value));
        *field = (!value.is_empty()).then(|| text_of(&value));
    }
    os
}

/// Takes the quotes of the shell off a value; a backslash keeps the character after it.
fn unquote(value: &[u8]) -> Vec<u8> {
    let quote = value.first().copied().filter(|b| matches!(b, b'"' | b'\''));
    let inner = quote.and_then(|quote| value[1..].strip_suffix(&[quote])).unwrap_or(value);
    if quote == Some(b'\'') {
        return inner.to_vec();
    }
    let mut plain = Vec::new();
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        plain.push(if *byte == b'\\' { *bytes.next().unwrap_or(byte) } else { *byte });
    }
    plain
}

/// The processor's model, in the words of this architecture's `/proc/cpuinfo`.
pub(crate) fn parse_cpu_model(text: &[u8]) -> Option<Text> {
    let keys: [&[u8]; 6] = [b"model name", b"cpu model", b"Processor", b"cpu", b"uarch", b"Hardware"];
    let value_of = |wanted: &[u8]| {
        lines(text).find_map(|line| {
            let (key, value) = split_once(line, b':')?;
            (trim(key) == wanted).then(|| trim(value))
        })
    };
    keys.iter().find_map(|key| value_of(key)).filter(|value| !value.is_empty()).map(text_of)
}

/// What firmware says when its maker left the field as it was.
const PLACEHOLDERS: [&[u8]; 6] = [
    b"To Be Filled By O.E.M.",
    b"To be filled by O.E.M.",
    b"System Product Name",
    b"Default string",
    b"Not Specified",
    b"None",
];

fn text_of(bytes: &[u8]) -> Text {
    let mut text = Text::default();
    set_text(&mut text, bytes, LONGEST_TEXT);
    text
}

fn read(dir: &Dir, name: &CStr) -> Option<Vec<u8>> {
    let mut buffer = Vec::new();
    dir.read(name, &mut buffer).ok().map(<[u8]>::to_vec)
}

fn machine(host: &Host) -> Option<Text> {
    let product = read(&host.sys, c"class/dmi/id/product_name");
    // The device tree's texts end with a zero byte.
    let model = || {
        read(&host.sys, c"firmware/devicetree/base/model").or_else(|| read(&host.proc, c"device-tree/model"))
    };
    let text = product.or_else(model)?;
    let text = trim(text.split(|b| *b == 0).next()?);
    (!text.is_empty() && !PLACEHOLDERS.contains(&text)).then(|| text_of(text))
}

fn os(host: &Host) -> Os {
    let root = Dir::open(&host.root);
    let text = read(&host.etc, c"os-release").or_else(|| read(&root, c"usr/lib/os-release"));
    text.map(|text| parse_os_release(&text)).unwrap_or_default()
}

impl Settled {
    fn read(host: &Host, names: &Uname) -> Settled {
        Settled {
            os: os(host),
            kernel: text_of(names.release()),
            kernel_version: text_of(names.version()),
            architecture: text_of(names.machine()),
            cpu_model: read(&host.proc, c"cpuinfo").and_then(|text| parse_cpu_model(&text)),
            machine: machine(host),
            virtualization: virtualization::detect(host),
        }
    }
}

impl Identity {
    /// Reads what stays for long once, and os-release again when an upgrade has changed it.
    fn look_at_os(&mut self, host: &Host, names: &Uname) {
        let file = host.etc.stat(c"os-release").ok();
        match &mut self.settled {
            None => self.settled = Some(Settled::read(host, names)),
            Some(settled) if file != self.os_file => settled.os = os(host),
            Some(_) => {}
        }
        self.os_file = file;
    }

    /// Takes the zone of `TZ`, or of `/etc/localtime` if that has changed, as localtime(3) does.
    fn look_at_zone(&mut self, host: &Host) {
        if !host.is_recorded() && std::env::var_os("TZ").is_some_and(|tz| !tz.is_empty()) {
            if self.settled.is_none() {
                self.zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
            }
            return;
        }
        let file = host.etc.stat(c"localtime").ok();
        if file == self.zone_file {
            return;
        }
        self.zone_file = file;
        let zone = read(&host.etc, c"localtime").and_then(|data| TimeZone::tzif("local", &data).ok());
        self.zone = zone.unwrap_or(TimeZone::UTC);
    }
}

impl Probe for Identity {
    fn name(&self) -> &'static str {
        "host"
    }

    fn read(&mut self, host: &Host, now: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        let names = host.uname().map_err(|source| ProbeError::Io { path: "uname(2)".into(), source })?;
        self.look_in = match self.look_in {
            0 => {
                self.look_at_zone(host);
                self.look_at_os(host, &names);
                SAMPLES_BETWEEN_LOOKS
            }
            n => n - 1,
        };
        // A kernel whose name was never set says "(none)", and a report must have one.
        let name = Some(names.nodename()).filter(|n| !n.is_empty()).unwrap_or(b"(none)");
        set_text(&mut report.hostname, name, MAX_NAME_BYTES);
        let offset = clock::offset_seconds(&self.zone, now.unix_micros);
        clock::write(&mut report.computer_utc_clock, now.unix_micros, 0);
        clock::write(&mut report.computer_clock, now.unix_micros, offset);

        let family = report.host.get_or_insert_default();
        family.time_zone_offset_seconds = Some(offset);
        if let Some(settled) = &self.settled {
            settled.write(family);
        }
        family.cores = u32::try_from(report.cpu.core.len()).ok().filter(|cores| *cores > 0);
        let text = self.uptime.read(&host.proc)?;
        family.uptime_seconds = words(text).next().and_then(decimal);
        if family.uptime_seconds.is_none() {
            return Err(self.uptime.form(&host.proc, "does not begin with a number"));
        }
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        // The clocks and the name are the caller's and the kernel's and cannot be wrong.
        let boot_time_seconds = report.host.as_ref().and_then(|h| h.boot_time_seconds);
        report.host = Some(chasar_wire::family::Host { boot_time_seconds, ..Default::default() });
    }
}

impl Settled {
    /// Writes over what is there, in its own memory.
    fn write(&self, family: &mut chasar_wire::family::Host) {
        let some = |place: &mut Option<Text>, text: &Option<Text>| match text {
            Some(text) if place.as_ref() == Some(text) => {}
            Some(text) => set_some(place, text.as_bytes(), LONGEST_TEXT),
            None => *place = None,
        };
        let always = |place: &mut Option<Text>, text: &Text| {
            if place.as_ref() != Some(text) {
                set_some(place, text.as_bytes(), LONGEST_TEXT);
            }
        };
        always(&mut family.os, &Text::const_new("linux"));
        some(&mut family.os_name, &self.os.name);
        some(&mut family.os_id, &self.os.id);
        some(&mut family.os_version, &self.os.version);
        always(&mut family.kernel, &self.kernel);
        always(&mut family.kernel_version, &self.kernel_version);
        always(&mut family.architecture, &self.architecture);
        some(&mut family.cpu_model, &self.cpu_model);
        some(&mut family.machine, &self.machine);
        some(&mut family.virtualization, &self.virtualization);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;
    use std::sync::Arc;
    use std::time::Duration;

    use crate::{Background, Config, ProcessList};

    #[test]
    fn os_release_is_read_as_a_shell_would() {
        let os = parse_os_release(
            b"# a comment\nPRETTY_NAME=\"A \\\"quoted\\\" \\$ name\"\nID=debian\nVERSION_ID='12'\nVERSION_CODENAME=x\n",
        );
        assert_eq!(os.name.as_deref(), Some("A \"quoted\" $ name"));
        assert_eq!((os.id.as_deref(), os.version.as_deref()), (Some("debian"), Some("12")));
        assert_eq!(parse_os_release(b"ID=\"\nVERSION_ID=\n=\n").version, None);
    }

    #[test]
    fn the_processor_s_model_is_told_in_many_ways() {
        for (text, model) in [
            (&b"processor\t: 0\nmodel\t: 2\nmodel name\t: AMD EPYC 9\n"[..], Some("AMD EPYC 9")),
            (b"processor : 0\ncpu : POWER9, altivec supported\n", Some("POWER9, altivec supported")),
            (b"processor : 0\nBogoMIPS : 1\nHardware : BCM2835\nModel : Raspberry Pi 4\n", Some("BCM2835")),
            (b"processor : 0\nuarch : sifive,u74-mc\n", Some("sifive,u74-mc")),
            (b"processor : 0\nBogoMIPS : 50.00\n", None),
        ] {
            assert_eq!(parse_cpu_model(text).as_deref(), model);
        }
    }

    fn sample(folder: &std::path::Path, samples: u32, change: impl FnOnce()) -> Report {
        let host = Arc::new(Host::recorded(folder));
        let monotonic: crate::Monotonic = Arc::new(|| Duration::ZERO);
        let config =
            Config { host: host.clone(), monotonic: monotonic.clone(), processes: ProcessList::None };
        let background = Background::new(host.clone(), monotonic);
        let mut probe = make(&Setup { config: &config, background: &background });
        let now = Now { unix_micros: 1_481_710_830_123_456, monotonic: Duration::ZERO };
        let mut report = Report::default();
        probe.read(&host, &now, &mut report).unwrap();
        change();
        for _ in 0..samples {
            probe.read(&host, &now, &mut report).unwrap();
        }
        report
    }

    #[test]
    fn a_recorded_host_says_what_it_is_and_what_changed() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &[u8]| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("facts/uname", b"pi\n6.1.21-v8+\n#1642 SMP\naarch64\n");
        write("proc/uptime", b"350735.47 234388.90\n");
        write("sys/firmware/devicetree/base/model", b"Raspberry Pi 4 Model B Rev 1.4\0");
        write("etc/os-release", b"ID=raspbian\nVERSION_ID=\"11\"\n");
        // A zone file without transitions, whose footer says the rule (RFC 9636, section 3.3).
        let zero = [0u8; 15];
        let head = |types: u8, chars: u8| {
            [b"TZif2".as_slice(), &zero, &[0; 12], &[0; 4], &[0, 0, 0, types], &[0, 0, 0, chars]].concat()
        };
        let body = [head(1, 4), vec![0, 0, 0, 0, 0, 0], b"CET\0".to_vec()].concat();
        write("etc/localtime", &[&body[..], &body, b"\nCET-1CEST,M3.5.0,M10.5.0/3\n"].concat());
        let report = sample(folder.path(), 0, || ());
        let host = report.host.as_ref().unwrap();
        assert_eq!(report.hostname, "pi");
        assert_eq!(report.computer_utc_clock, "2016-12-14 10:20:30.123456");
        assert_eq!(report.computer_clock, "2016-12-14 11:20:30.123456");
        assert_eq!(host.time_zone_offset_seconds, Some(3600));
        assert_eq!(host.uptime_seconds, Some(350_735.47));
        assert_eq!(host.machine.as_deref(), Some("Raspberry Pi 4 Model B Rev 1.4"));
        assert_eq!(
            (host.kernel.as_deref(), host.architecture.as_deref()),
            (Some("6.1.21-v8+"), Some("aarch64"))
        );
        assert_eq!((host.os_id.as_deref(), host.virtualization.as_deref()), (Some("raspbian"), None));

        let changed = sample(folder.path(), SAMPLES_BETWEEN_LOOKS + 1, || {
            write("facts/uname", b"renamed\n6.1.21-v8+\n#1642 SMP\naarch64\n");
            write("etc/os-release", b"ID=raspbian\nVERSION_ID=\"12 and more\"\n");
            fs::remove_file(folder.path().join("etc/localtime")).unwrap();
        });
        assert_eq!(changed.hostname, "renamed");
        assert_eq!(changed.computer_clock, changed.computer_utc_clock);
        assert_eq!(changed.host.unwrap().os_version.as_deref(), Some("12 and more"));
    }

    #[test]
    fn what_a_maker_left_blank_is_no_model() {
        let folder = tempfile::tempdir().unwrap();
        let dmi = folder.path().join("sys/class/dmi/id");
        fs::create_dir_all(&dmi).unwrap();
        for (text, model) in
            [("System Product Name\n", None), ("\n", None), ("ProLiant DL380\n", Some("ProLiant DL380"))]
        {
            fs::write(dmi.join("product_name"), text).unwrap();
            assert_eq!(machine(&Host::recorded(folder.path())).as_deref(), model);
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in "[ -~\n\"']{0,100}") {
            parse_os_release(bytes.as_bytes());
            let _ = parse_cpu_model(bytes.as_bytes());
        }
    }
}
