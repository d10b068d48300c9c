//! Wrong arguments in one line.

use chasar_top::text::clean;

/// What is wrong with the arguments, the tip if there is one, and whom to ask: one line.
pub(crate) fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let mut parts: Vec<String> = Vec::new();
    // clap's message is paragraphs: what is wrong, tips, usage, where to get help.
    for line in text.lines().map(str::trim).take_while(|l| !l.starts_with("Usage:")) {
        let line = line.strip_prefix("error: ").unwrap_or(line);
        let line = line.strip_prefix("tip: ").unwrap_or(line);
        let line = line.trim_matches(|c| c == '[' || c == ']');
        if line.is_empty() || line.starts_with("For more information") {
            continue;
        }
        match parts.last_mut() {
            // A list that follows belongs to its sentence.
            Some(last) if last.ends_with(':') => *last += &format!(" {line}"),
            _ => parts.push(line.to_owned()),
        }
    }
    let help = format!("see {} --help", command(std::env::args().skip(1)));
    parts.push(help);
    clean(&parts.join("; ")).into_owned()
}

/// The command that was typed, as far as it is one.
fn command(words: impl Iterator<Item = String>) -> String {
    let mut name = String::from("chasar");
    let mut command = super::definition();
    for word in words {
        let Some(sub) = command.find_subcommand(&word).cloned() else { break };
        name += &format!(" {word}");
        command = sub;
    }
    name
}
