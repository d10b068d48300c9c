//! Our own scripts in Prometheus's test format: every case has to pass.

use std::fs;
use std::path::Path;

use chasar_query::script::{self, Outcome};

#[test]
fn all_scripts_pass() {
    let folder = std::env::var_os("PROMQL_SCRIPTS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts"),
        std::path::PathBuf::from,
    );
    let mut cases = 0;
    let mut failures = Vec::new();
    for entry in fs::read_dir(&folder).expect("the folder of scripts") {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_none_or(|e| e != "test") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a script is text");
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for case in script::run(&text).unwrap_or_else(|e| panic!("{name}: {e}")) {
            cases += 1;
            match case.outcome {
                Outcome::Passed | Outcome::Unsupported(_) => {}
                Outcome::Failed(how) => {
                    failures.push(format!("{name}:{}: {}\n  {how}", case.line, case.expression))
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} of {cases} failed:\n{}", failures.len(), failures.join("\n"));
    assert!(cases > 100, "only {cases} cases were found");
}
