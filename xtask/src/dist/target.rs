//! What a target is called in each kind of package.

use crate::Result;

/// A target that is packaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// As Rust names it, without the glibc version that zig takes.
    pub(crate) triple: String,
}

impl Target {
    /// From a triple; one that no package has a name for is an error.
    pub(crate) fn new(triple: &str) -> Result<Target> {
        let target = Target { triple: triple.to_owned() };
        let known = ["linux-gnu", "linux-musl", "windows-gnu", "windows-msvc", "apple-darwin", "freebsd"];
        let fits = known.iter().any(|system| triple.ends_with(system))
            && ["x86_64", "aarch64"].contains(&target.processor());
        if fits {
            Ok(target)
        } else {
            Err(format!("target {triple} has no packages; known: x86_64 and aarch64 of {}", known.join(", ")))
        }
    }

    /// This computer's.
    pub(crate) fn host() -> Result<Target> {
        let text = crate::output(std::process::Command::new("rustc").arg("-vV"))?;
        let host = text.lines().find_map(|line| line.strip_prefix("host: "));
        Target::new(host.ok_or("rustc -vV names no host")?)
    }

    /// `x86_64` or `aarch64`; rpm calls them the same.
    pub(crate) fn processor(&self) -> &str {
        self.triple.split('-').next().unwrap_or_default()
    }

    /// The processor as Debian calls it.
    pub(crate) fn debian(&self) -> &'static str {
        if self.processor() == "x86_64" { "amd64" } else { "arm64" }
    }

    /// Whether it is Linux with glibc, which .deb and .rpm are for.
    pub(crate) fn is_gnu_linux(&self) -> bool {
        self.triple.ends_with("linux-gnu")
    }

    /// Whether it is Windows.
    pub(crate) fn is_windows(&self) -> bool {
        self.triple.contains("windows")
    }

    /// The file name of the program.
    pub(crate) fn program(&self) -> &'static str {
        if self.is_windows() { "chasar.exe" } else { "chasar" }
    }

    /// The platform tag of a wheel (PEP 600, PEP 656); `glibc` is the minor version 2.N that the program
    /// needs. `None` where pip has no name for the platform.
    pub(crate) fn wheel(&self, glibc: Option<u32>) -> Option<String> {
        let processor = self.processor();
        if self.is_gnu_linux() {
            // The first that the names know is 2.5.
            Some(format!("manylinux_2_{}_{processor}", glibc?.max(5)))
        } else if self.triple.ends_with("linux-musl") {
            Some(format!("musllinux_1_1_{processor}"))
        } else if self.is_windows() {
            Some(if processor == "x86_64" { "win_amd64" } else { "win_arm64" }.to_owned())
        } else if self.triple.ends_with("apple-darwin") {
            // The oldest system that Rust's standard library runs on.
            Some(if processor == "x86_64" { "macosx_10_12_x86_64" } else { "macosx_11_0_arm64" }.to_owned())
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_targets() {
        for (triple, debian, wheel, program) in [
            ("x86_64-unknown-linux-gnu", "amd64", Some("manylinux_2_17_x86_64"), "chasar"),
            ("aarch64-unknown-linux-gnu", "arm64", Some("manylinux_2_17_aarch64"), "chasar"),
            ("x86_64-unknown-linux-musl", "amd64", Some("musllinux_1_1_x86_64"), "chasar"),
            ("x86_64-pc-windows-gnu", "amd64", Some("win_amd64"), "chasar.exe"),
            ("aarch64-apple-darwin", "arm64", Some("macosx_11_0_arm64"), "chasar"),
            ("x86_64-unknown-freebsd", "amd64", None, "chasar"),
        ] {
            let target = Target::new(triple).unwrap();
            assert_eq!(target.debian(), debian);
            assert_eq!(target.wheel(Some(17)).as_deref(), wheel);
            assert_eq!(target.program(), program);
        }
        assert!(Target::new("riscv64gc-unknown-linux-gnu").is_err());
        assert!(Target::new("x86_64-unknown-redox").is_err());
    }
}
