//! Names of users, from `/etc/passwd` (passwd(5)).
//!
//! Users that are known only to a directory service have no name here and show by their number:
//! asking the service could take seconds, and goes over the network.

use chasar_wire::Text;

use crate::Host;
use crate::linux::sys::FileStatus;
use crate::linux::text::{lines, number, set_text};

/// After this many samples it is asked whether the file has changed.
const SAMPLES_BETWEEN_LOOKS: u32 = 10;

/// No name is longer on any system (`LOGIN_NAME_MAX`).
const LONGEST_NAME: usize = 255;

/// Names by number.
#[derive(Default)]
pub(crate) struct Users {
    names: Vec<(u32, Text)>,
    as_of: FileStatus,
    look_in: u32,
    buffer: Vec<u8>,
}

impl Users {
    /// Reads the file again if it has changed. Call once a sample.
    pub(crate) fn refresh(&mut self, host: &Host) {
        if self.look_in > 0 {
            self.look_in -= 1;
            return;
        }
        self.look_in = SAMPLES_BETWEEN_LOOKS;
        let as_of = host.etc.stat(c"passwd").unwrap_or_default();
        if as_of == self.as_of {
            return;
        }
        self.as_of = as_of;
        self.names.clear();
        if let Ok(text) = host.etc.read(c"passwd", &mut self.buffer) {
            parse(text, &mut self.names);
        }
        self.buffer = Vec::new();
    }

    /// Writes the name of a user over `text`, or the number of one without a name.
    pub(crate) fn write(&self, uid: u32, text: &mut Text) {
        match self.names.binary_search_by_key(&uid, |(uid, _)| *uid) {
            Ok(at) => {
                text.clear();
                text.push_str(&self.names[at].1);
            }
            Err(_) => {
                use std::fmt::Write;
                text.clear();
                // Writing into a text cannot fail.
                let _ = write!(text, "{uid}");
            }
        }
    }
}

/// Reads the lines of the file, sorted by number. The first name of a number counts, as in getpwuid(3).
pub(crate) fn parse(text: &[u8], names: &mut Vec<(u32, Text)>) {
    for line in lines(text) {
        let mut fields = line.split(|b| *b == b':');
        let (Some(name), Some(uid)) = (fields.next(), fields.nth(1).and_then(number)) else { continue };
        let Ok(uid) = u32::try_from(uid) else { continue };
        if name.is_empty() || name[0] == b'#' {
            continue;
        }
        let mut text = Text::default();
        set_text(&mut text, name, LONGEST_NAME);
        names.push((uid, text));
    }
    names.sort_by_key(|(uid, _)| *uid);
    names.dedup_by_key(|(uid, _)| *uid);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_name_of_a_number_counts() {
        let mut names = Vec::new();
        parse(
            b"root:x:0:0:r:/root:/bin/sh\n\n#c:x:7:7\n+::::::\nbad\nb:x:5:5::/:/\ntoor:x:0:0::/:/\n:x:6:6\n",
            &mut names,
        );
        assert_eq!(names, [(0, "root".into()), (5, "b".into())]);
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_stranger_shows_by_number() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        let passwd = folder.path().join("etc/passwd");
        std::fs::write(&passwd, "root:x:0:0::/:/\n").unwrap();
        let host = Host::recorded(folder.path());
        let mut users = Users::default();
        let mut name = |uid, samples| {
            (0..samples).for_each(|_| users.refresh(&host));
            let mut text = Text::default();
            users.write(uid, &mut text);
            text
        };
        assert_eq!((name(0, 1).as_str(), name(1000, 1).as_str()), ("root", "1000"));
        std::fs::write(&passwd, "root:x:0:0::/:/\nhomer:x:1000:1000::/:/\n").unwrap();
        assert_eq!(name(1000, SAMPLES_BETWEEN_LOOKS + 1), "homer");
        std::fs::remove_file(&passwd).unwrap();
        assert_eq!(name(0, SAMPLES_BETWEEN_LOOKS + 1), "0");
    }

    proptest! {
        #[test]
        fn never_panics(bytes in "[ -~\n]{0,200}") {
            parse(bytes.as_bytes(), &mut Vec::new());
        }
    }
}
