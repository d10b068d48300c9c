//! Libraries that compilers link into every program of theirs.

use std::collections::BTreeSet;

use super::Target;
use super::components::Component;

const RUST: Runtime = Runtime {
    name: "rust-std",
    licence: "MIT OR Apache-2.0",
    repository: "https://github.com/rust-lang/rust",
    text: include_str!("../../../packaging/licences/rust-std.txt"),
};

/// zig's, with which Linux programs are built for old systems and for none in particular.
const LLVM: Runtime = Runtime {
    name: "llvm-runtimes",
    licence: "Apache-2.0 WITH LLVM-exception",
    repository: "https://github.com/llvm/llvm-project",
    text: "libc++, libc++abi, libunwind and compiler-rt; copyright (c) the LLVM Project contributors. By the exception, what a \
           compiler puts of them into a program may be given away under any terms, without their licence.",
};

const GCC: Runtime = Runtime {
    name: "gcc-runtimes",
    licence: "GPL-3.0-or-later WITH GCC-exception-3.1",
    repository: "https://gcc.gnu.org/git/gcc.git",
    text: "libgcc and libstdc++; copyright (c) Free Software Foundation, Inc. By the GCC Runtime Library Exception 3.1, a \
           program that gcc links them into may be given away under any terms.",
};

const MINGW: Runtime = Runtime {
    name: "mingw-w64-runtimes",
    licence: "ZPL-2.1 AND MIT AND BSD-3-Clause",
    repository: "https://git.code.sf.net/p/mingw-w64/mingw-w64",
    text: include_str!("../../../packaging/licences/mingw-w64.txt"),
};

const MUSL: Runtime = Runtime {
    name: "musl",
    licence: "MIT",
    repository: "https://git.musl-libc.org/cgit/musl",
    text: include_str!("../../../packaging/licences/musl.txt"),
};

struct Runtime {
    name: &'static str,
    licence: &'static str,
    repository: &'static str,
    /// The text of the licence; where that asks for none, who made it and why.
    text: &'static str,
}

/// Those in the program for a target. Which C++ library a program for glibc has depends on who built it, so both that
/// are used here are named.
pub(crate) fn of(target: &Target) -> Vec<Component> {
    let triple = target.triple.as_str();
    let mut runtimes = vec![RUST];
    if target.is_windows() {
        runtimes.extend([GCC, MINGW]);
    } else if triple.ends_with("linux-musl") {
        runtimes.extend([LLVM, MUSL]);
    } else if triple.contains("linux") {
        runtimes.extend([LLVM, GCC]);
    }
    runtimes.into_iter().map(component).collect()
}

fn component(runtime: Runtime) -> Component {
    let Runtime { name, licence, repository, text } = runtime;
    Component {
        name: name.to_owned(),
        version: String::new(),
        licence: licence.to_owned(),
        purl: format!("pkg:generic/{name}"),
        repository: Some(repository.to_owned()),
        checksum: None,
        texts: vec![text.to_owned()],
        uses: BTreeSet::new(),
    }
}
