//! The RPM package: lead, signature header, header, compressed cpio archive
//! (rpm's documentation: "RPM V4 Package format").

use super::item::{self, Item};
use super::sum;
use super::{Facts, Target};
use crate::elf::Needs;

mod header;

use header::{Header, Value};

/// The release of a version's package.
const RELEASE: &str = "1";

/// Run by rpm, as root: after an installation, before and after a removal.
const SCRIPTS: [(u32, u32, &str); 3] = [
    (1024, 1086, include_str!("../../../packaging/rpm/post")),
    (1025, 1087, include_str!("../../../packaging/rpm/preun")),
    (1026, 1088, include_str!("../../../packaging/rpm/postun")),
];

// Flags of a dependency (rpmds.h).
const LESS: u32 = 1 << 1;
const EQUAL: u32 = 1 << 3;
const SCRIPTLETS: u32 = 1 << 8 | 1 << 10 | 1 << 11 | 1 << 12;
const FOUND: u32 = 1 << 14;
const OF_RPM: u32 = 1 << 24;
const OF_CONFIG: u32 = 1 << 28;

// Kinds of files in a mode (inode(7)).
const REGULAR: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;

/// Folders that every system has. Others belong to this package too, also where another has them as well, so that
/// the last to go takes them away.
const OF_EVERY_SYSTEM: [&str; 9] = [
    "etc",
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/lib/systemd",
    "usr/lib/systemd/system",
    "usr/share",
    "usr/share/doc",
    "usr/share/man",
];

/// The name of the file.
pub(crate) fn name(facts: &Facts, target: &Target) -> String {
    format!("chasar-{}-{RELEASE}.{}.rpm", facts.version, target.processor())
}

/// The package.
pub(crate) fn package(facts: &Facts, target: &Target, needs: &Needs, items: &[Item]) -> Vec<u8> {
    let folders: Vec<Item> = Item::folders(items)
        .into_iter()
        .filter(|folder| !OF_EVERY_SYSTEM.contains(&folder.as_str()))
        .map(|folder| Item { mode: FOLDER | 0o755, ..Item::new(folder, "") })
        .collect();
    let mut items: Vec<&Item> = items.iter().chain(&folders).collect();
    items.sort_by(|a, b| a.path.cmp(&b.path));
    let archive = cpio(&items, facts.epoch);
    let payload = item::gzip(&archive);
    let header = main_header(facts, target, needs, &items, &payload).bytes(63);

    let mut signature = Header::default();
    signature.set(273, Value::Text(sum::hex(&sum::sha256(&header))));
    signature.set(1000, Value::Numbers(vec![u32_of(header.len() + payload.len())]));
    signature.set(1007, Value::Numbers(vec![u32_of(archive.len())]));

    let mut package = lead(facts, target);
    package.extend(signature.bytes(62));
    // The header begins at a multiple of eight.
    package.resize(package.len().next_multiple_of(8), 0);
    package.extend(header);
    package.extend(payload);
    package
}

/// 96 bytes that only `file` still reads.
fn lead(facts: &Facts, target: &Target) -> Vec<u8> {
    let mut lead = vec![0xed, 0xab, 0xee, 0xdb, 3, 0, 0, 0, 0];
    lead.push(if target.processor() == "x86_64" { 1 } else { 19 });
    let mut name = format!("chasar-{}-{RELEASE}", facts.version).into_bytes();
    name.resize(66, 0);
    name[65] = 0;
    lead.extend(name);
    lead.extend([0, 1, 0, 5]);
    lead.resize(96, 0);
    lead
}

fn main_header(facts: &Facts, target: &Target, needs: &Needs, items: &[&Item], payload: &[u8]) -> Header {
    let mut header = Header::default();
    let full = format!("{}-{RELEASE}", facts.version);
    let total: usize = items.iter().map(|i| i.bytes.len()).sum();
    for (tag, text) in [
        (1000, "chasar"),
        (1001, &facts.version),
        (1002, RELEASE),
        (1007, "localhost"),
        (1014, "MIT"),
        (1021, "linux"),
        (1022, target.processor()),
        (1044, &format!("chasar-{full}.src.rpm")),
        (1124, "cpio"),
        (1125, "gzip"),
        (1126, "9"),
    ] {
        header.set(tag, Value::Text(text.to_owned()));
    }
    header.set(100, Value::Texts(vec!["C".to_owned()]));
    for (tag, text) in [(1004, &facts.summary), (1005, &facts.description), (1016, &"Unspecified".to_owned())]
    {
        header.set(tag, Value::Localized(text.clone()));
    }
    header.set(1006, Value::Numbers(vec![u32_of(facts.epoch)]));
    header.set(1009, Value::Numbers(vec![u32_of(total)]));
    for (script, interpreter, text) in SCRIPTS {
        header.set(script, Value::Text(text.to_owned()));
        header.set(interpreter, Value::Text("/bin/sh".to_owned()));
    }
    files(&mut header, facts, items);

    let mut provides = vec![
        ("chasar".to_owned(), EQUAL, full.clone()),
        (format!("chasar({})", target.processor().replace('_', "-")), EQUAL, full.clone()),
        ("config(chasar)".to_owned(), EQUAL | OF_CONFIG, full.clone()),
    ];
    provides.sort();
    let of_rpm =
        |name: &str, version: &str| (format!("rpmlib({name})"), LESS | EQUAL | OF_RPM, version.to_owned());
    let mut requires = vec![
        ("/bin/sh".to_owned(), SCRIPTLETS, String::new()),
        ("config(chasar)".to_owned(), EQUAL | OF_CONFIG, full),
        of_rpm("CompressedFileNames", "3.0.4-1"),
        of_rpm("FileDigests", "4.6.0-1"),
        of_rpm("PayloadFilesHavePrefix", "4.0-1"),
    ];
    // The linker itself comes with the C library.
    for library in needs.libraries.iter().filter(|l| !l.starts_with("ld-linux")) {
        requires.push((format!("{library}()(64bit)"), FOUND, String::new()));
    }
    if let Some(minor) = needs.glibc {
        requires.push((format!("libc.so.6(GLIBC_2.{minor})(64bit)"), FOUND, String::new()));
    }
    requires.sort();
    for (tags, relations) in [([1047, 1112, 1113], provides), ([1049, 1048, 1050], requires)] {
        header.set(tags[0], Value::Texts(relations.iter().map(|r| r.0.clone()).collect()));
        header.set(tags[1], Value::Numbers(relations.iter().map(|r| r.1).collect()));
        header.set(tags[2], Value::Texts(relations.into_iter().map(|r| r.2).collect()));
    }
    header.set(5092, Value::Texts(vec![sum::hex(&sum::sha256(payload))]));
    header.set(5093, Value::Numbers(vec![8]));
    header
}

/// What rpm keeps of each file, in lists of one order.
fn files(header: &mut Header, facts: &Facts, items: &[&Item]) {
    const CONFIG_NOREPLACE: u32 = 1 | 1 << 4;
    const DOCUMENTATION: u32 = 1 << 1;
    let count = items.len();
    let split = |item: &Item| {
        let (folder, name) = item.path.rsplit_once('/').expect("packaged files lie in folders");
        (format!("/{folder}/"), name.to_owned())
    };
    let mut folders: Vec<String> = items.iter().map(|i| split(i).0).collect();
    folders.sort();
    folders.dedup();
    let flags = |item: &Item| match () {
        () if item.config => CONFIG_NOREPLACE,
        () if ["usr/share/man/", "usr/share/doc/"].iter().any(|f| item.path.starts_with(f)) => DOCUMENTATION,
        () => 0,
    };
    let texts = |text: &dyn Fn(&Item) -> String| Value::Texts(items.iter().map(|i| text(i)).collect());
    let numbers = |number: &dyn Fn(&Item) -> u32| Value::Numbers(items.iter().map(|i| number(i)).collect());
    header.set(1028, numbers(&|i| u32_of(i.bytes.len())));
    header.set(1030, Value::Shorts(items.iter().map(|i| u16_of(full_mode(i))).collect()));
    header.set(1033, Value::Shorts(vec![0; count]));
    header.set(1034, numbers(&|_| u32_of(facts.epoch)));
    header.set(1035, texts(&|i| if is_folder(i) { String::new() } else { sum::hex(&sum::sha256(&i.bytes)) }));
    header.set(1036, texts(&|_| String::new()));
    header.set(1037, numbers(&flags));
    header.set(1039, texts(&|_| "root".to_owned()));
    header.set(1040, texts(&|_| "root".to_owned()));
    // Everything is verified.
    header.set(1045, numbers(&|_| u32::MAX));
    header.set(1095, numbers(&|_| 1));
    header.set(1096, Value::Numbers((1..=u32_of(count)).collect()));
    header.set(1097, texts(&|_| String::new()));
    let index = |item: &Item| folders.binary_search(&split(item).0).expect("made from the same files");
    header.set(1116, numbers(&|i| u32_of(index(i))));
    header.set(1117, texts(&|i| split(i).1));
    header.set(1118, Value::Texts(folders.clone()));
    header.set(5011, Value::Numbers(vec![8]));
}

fn is_folder(item: &Item) -> bool {
    item.mode & FOLDER != 0
}

fn full_mode(item: &Item) -> u32 {
    if is_folder(item) { item.mode } else { REGULAR | item.mode }
}

/// The files as cpio's "new ASCII" archive.
fn cpio(items: &[&Item], epoch: u64) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut add = |inode: usize, mode: u32, links: u32, time: u64, name: &str, bytes: &[u8]| {
        let head = format!(
            "070701{inode:08X}{mode:08X}{:08X}{:08X}{links:08X}{time:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}",
            0,
            0,
            bytes.len(),
            0,
            0,
            0,
            0,
            name.len() + 1,
            0
        );
        archive.extend(head.bytes());
        archive.extend(name.bytes());
        archive.push(0);
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend(bytes);
        archive.resize(archive.len().next_multiple_of(4), 0);
    };
    for (inode, item) in (1..).zip(items) {
        let links = if is_folder(item) { 2 } else { 1 };
        add(inode, full_mode(item), links, epoch, &format!("./{}", item.path), &item.bytes);
    }
    add(0, 0, 1, 0, "TRAILER!!!", b"");
    archive
}

fn u32_of<T: TryInto<u32>>(number: T) -> u32 {
    number.try_into().ok().expect("rpm's sizes and times have 32 bits here; ours fit")
}

fn u16_of(number: u32) -> u16 {
    number.try_into().expect("a mode has 16 bits")
}
