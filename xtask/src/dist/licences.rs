//! The licences of everything in the program, as one text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::components::Component;

const HEAD: &str = "\
Chasar is under the MIT licence (LICENSE). The program has these works of others in it; below are the texts of
their licences, each once, with the works it is for.

libzmq is used with the changes that crates/libzmq/build/patches.rs in Chasar's source makes to it; its source, and
theirs, is under the MPL-2.0 and is where this list says.

";

/// `THIRD-PARTY.txt`.
pub(crate) fn text(components: &[Component]) -> String {
    let mut file = HEAD.to_owned();
    let mut texts: BTreeMap<String, (&str, Vec<String>)> = BTreeMap::new();
    for component in components {
        let title = format!("{} {}", component.name, component.version).trim_end().to_owned();
        let repository = component.repository.as_deref().unwrap_or("no repository named");
        line(&mut file, &format!("{title}: {} ({repository})", component.licence));
        for text in &component.texts {
            // Texts that differ only in their line breaks are one.
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            texts.entry(words).or_insert((text, Vec::new())).1.push(title.clone());
        }
    }
    let mut texts: Vec<_> = texts.into_values().collect();
    // The most used first.
    texts.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.1.cmp(&b.1)));
    for (text, of) in texts {
        line(&mut file, &format!("\n{}\n{}:\n", "=".repeat(100), of.join(", ")));
        line(&mut file, text.trim_end());
    }
    file
}

fn line(file: &mut String, text: &str) {
    writeln!(file, "{text}").expect("a String takes all");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_text_stands_once_for_all_that_it_is_for() {
        let component = |name: &str, text: &str| Component {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: "MIT".to_owned(),
            purl: format!("pkg:cargo/{name}@1.0.0"),
            repository: None,
            checksum: None,
            texts: vec![text.to_owned()],
            uses: BTreeSet::new(),
        };
        let text = text(&[component("a", "be free\n"), component("b", "other"), component("c", "be\nfree")]);
        assert!(text.contains("\na 1.0.0: MIT (no repository named)\n"), "{text}");
        assert_eq!(text.matches("free").count(), 1, "{text}");
        assert!(text.contains("\na 1.0.0, c 1.0.0:\n\nbe free\n"), "{text}");
        assert!(text.find("be free") < text.find("\nother"), "{text}");
    }
}
