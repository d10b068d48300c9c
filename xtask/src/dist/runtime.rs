//! Libraries that compilers link into every program of theirs.

use std::collections::BTreeSet;

use super::Target;
use super::components::Component;

const RUST: Runtime = Runtime {
    name: "rust-std",
    licence: "MIT OR Apache-2.0",
    repository: "https://github.com/rust-lang/rust",
    notice: "Copyright (c) The Rust Project Contributors",
};

/// zig's, with which Linux programs are built for old systems and for none in particular.
const LLVM: Runtime = Runtime {
    name: "llvm-runtimes",
    licence: "Apache-2.0 WITH LLVM-exception",
    repository: "https://github.com/llvm/llvm-project",
    notice: "libc++, libc++abi, libunwind and compiler-rt; copyright (c) the LLVM Project contributors",
};

const GCC: Runtime = Runtime {
    name: "gcc-runtimes",
    licence: "GPL-3.0-or-later WITH GCC-exception-3.1",
    repository: "https://gcc.gnu.org/git/gcc.git",
    notice: "libgcc and libstdc++; copyright (c) Free Software Foundation, Inc.",
};

const MINGW: Runtime = Runtime {
    name: "mingw-w64-runtimes",
    licence: "ZPL-2.1 AND MIT",
    repository: "https://git.code.sf.net/p/mingw-w64/mingw-w64",
    notice: "Copyright (c) 2009 - 2018 by the mingw-w64 project; winpthreads: copyright (c) 2011 mingw-w64 project",
};

const MUSL: Runtime = Runtime {
    name: "musl",
    licence: "MIT",
    repository: "https://git.musl-libc.org/cgit/musl",
    notice: "Copyright (c) 2005-2020 Rich Felker, et al.",
};

struct Runtime {
    name: &'static str,
    licence: &'static str,
    repository: &'static str,
    notice: &'static str,
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
    let Runtime { name, licence, repository, notice } = runtime;
    Component {
        name: name.to_owned(),
        version: String::new(),
        licence: licence.to_owned(),
        purl: format!("pkg:generic/{name}"),
        repository: Some(repository.to_owned()),
        checksum: None,
        texts: vec![notice.to_owned()],
        uses: BTreeSet::new(),
    }
}
