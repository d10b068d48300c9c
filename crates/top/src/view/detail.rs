//! Everything about one node, as lines to scroll through.

use std::time::Instant;

use chasar_wire::Report;
use chasar_wire::family::{Outcome, Process};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::format::{self, UNKNOWN, or_unknown};
use super::theme::Theme;
use crate::state::{Node, Rates};
use crate::text;

/// From this width on, two blocks stand side by side.
const TWO_COLUMNS: usize = 110;

/// The lines about `node`, each at most `width` columns.
pub(super) fn lines(node: &Node, width: usize, now: Instant, theme: Theme) -> Vec<Line<'static>> {
    let mut lines = identity(node, width, now, theme);
    let Some(report) = &node.report else {
        let hint = if node.last_report.is_some() { "waiting for the next report" } else { "no report yet" };
        lines.push(Line::styled(text::fit(hint, width).into_owned(), theme.dim()));
        return lines;
    };
    let side = if width >= TWO_COLUMNS { (width - 2) / 2 } else { width };
    let left = [cpu(report, side, theme), memory(report, side, theme), agent(report, node, side, theme)];
    let right = [
        file_systems(report, side, theme),
        network(report, &node.rates, side, theme),
        block_devices(&node.rates, side, theme),
    ];
    let (left, right) = (joined(left), joined(right));
    lines.push(Line::default());
    if width >= TWO_COLUMNS {
        lines.extend(beside(left, right, side));
    } else {
        lines.extend(left);
        lines.push(Line::default());
        lines.extend(right);
    }
    let processes = processes(report, width, theme);
    if !processes.is_empty() {
        lines.push(Line::default());
        lines.extend(processes);
    }
    lines
}

/// Blocks one below the other, an empty line between them.
fn joined<const N: usize>(blocks: [Vec<Line<'static>>; N]) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = Vec::new();
    for block in blocks.into_iter().filter(|b| !b.is_empty()) {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.extend(block);
    }
    lines
}

/// Two columns of lines side by side, the left one `width` wide.
fn beside(left: Vec<Line<'static>>, right: Vec<Line<'static>>, width: usize) -> Vec<Line<'static>> {
    let height = left.len().max(right.len());
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    (0..height)
        .map(|_| {
            let mut line = left.next().unwrap_or_default();
            if let Some(right) = right.next() {
                let fill = (width + 2).saturating_sub(line.width());
                line.spans.push(Span::raw(" ".repeat(fill)));
                line.spans.extend(right.spans.into_iter().map(|s| s.patch_style(right.style)));
            }
            line
        })
        .collect()
}

fn identity(node: &Node, width: usize, now: Instant, theme: Theme) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut facts: Vec<String> = Vec::new();
    let report = node.report.as_deref();
    if let Some(host) = report.and_then(|r| r.host.as_ref()) {
        let known = [&host.os_name, &host.kernel, &host.architecture, &host.virtualization, &host.machine];
        facts.extend(known.into_iter().flatten().map(|t| t.to_string()));
    }
    if !facts.is_empty() {
        lines.push(Line::raw(text::fit(&facts.join("  "), width).into_owned()));
    }
    let mut facts = vec![format!("id {}", node.id)];
    if let Some(report) = report {
        facts.extend(report.ipv4_interfaces.iter().map(|i| i.addr.to_string()));
        facts.extend(report.mac_address.iter().map(|m| m.to_string()));
        if !report.computer_clock.is_empty() {
            // Seconds are enough for people.
            facts.push(report.computer_clock.chars().take(19).collect());
        }
    }
    facts.push(match node.age(now) {
        Some(age) => format!("{} reports, the last {} ago", node.reports, format::age(age)),
        None => "no report yet".to_owned(),
    });
    lines.push(Line::styled(text::fit(&facts.join("  "), width).into_owned(), theme.dim()));
    if node.lost > 0 {
        let lost = format!("{} reports never came", format::count(node.lost));
        lines.push(Line::styled(text::fit(&lost, width).into_owned(), theme.warning()));
    }
    if let Some(other) = &node.cloned_by {
        let cloned = format!("another computer uses this identity too: {other}");
        lines.push(Line::styled(text::fit(&cloned, width).into_owned(), theme.warning()));
    }
    lines
}

fn heading(words: &str, width: usize, theme: Theme) -> Line<'static> {
    Line::styled(text::fit(words, width).into_owned(), theme.title())
}

fn cpu(report: &Report, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let cpu = &report.cpu;
    if cpu.percent_used.is_empty() {
        return Vec::new();
    }
    let mut title = format!("CPU  {} cores", cpu.percent_used.len());
    if let (Some(a), Some(b), Some(c)) = (cpu.load1, cpu.load5, cpu.load15) {
        title += &format!("  load {} {} {}", format::load(a), format::load(b), format::load(c));
    }
    let hertz: Vec<u64> = cpu.frequency_hertz.iter().flatten().copied().collect();
    if !hertz.is_empty() {
        let mean = hertz.iter().map(|h| *h as f64).sum::<f64>() / hertz.len() as f64;
        title += &format!("  {:.1} GHz", (mean / 1e9).min(999.0));
    }
    if let Some(model) = report.host.as_ref().and_then(|h| h.cpu_model.as_ref()) {
        title += &format!("  {model}");
    }
    let mut lines = vec![heading(&title, width, theme)];
    const CELL: usize = 25;
    let across = ((width + 2) / (CELL + 2)).max(1);
    for (row, percents) in cpu.percent_used.chunks(across).enumerate() {
        let mut spans = Vec::new();
        for (i, percent) in percents.iter().enumerate() {
            let at = row * across + i;
            let number = cpu.core.get(at).map_or(at, |core| *core as usize);
            if i > 0 {
                spans.push(Span::raw("  "));
            }
            spans.push(Span::styled(format!("{number:>4} "), theme.dim()));
            spans.extend(bar(*percent, 15, theme.cpu(*percent), theme));
            spans.push(Span::raw(format!(" {:>4}", or_unknown(*percent, format::percent))));
        }
        lines.push(Line::from(spans));
    }
    lines
}

fn bar(percent: Option<f64>, width: usize, style: Style, theme: Theme) -> [Span<'static>; 2] {
    let (full, empty) = format::bar(percent.unwrap_or(0.0), width);
    [Span::styled(full, style), Span::styled(empty, theme.dim())]
}

fn memory(report: &Report, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let memory = &report.memory;
    if memory.total_bytes.is_none() {
        return Vec::new();
    }
    let size = |bytes: Option<u64>| or_unknown(bytes, |b| format::bytes(b as f64));
    let mut lines = vec![heading("MEMORY", width, theme)];
    let mut gauge = |name: &str,
                     percent: Option<f64>,
                     used: Option<u64>,
                     total: Option<u64>,
                     more: String| {
        let mut spans = vec![Span::styled(format!("{name:<5}"), theme.dim())];
        spans.extend(bar(percent, 15, theme.memory(percent), theme));
        let words =
            format!(" {:>4}%  {} of {}{more}", or_unknown(percent, format::percent), size(used), size(total));
        spans.push(Span::raw(text::fit(&words, width.saturating_sub(20)).into_owned()));
        lines.push(Line::from(spans));
    };
    let mut more =
        memory.available_bytes.map_or(String::new(), |b| format!(", {} available", format::bytes(b as f64)));
    if memory.cgroup_limit_bytes.is_some() && memory.host_total_bytes.is_some() {
        more += &format!(", container on a host of {}", size(memory.host_total_bytes));
    }
    gauge("RAM", memory.percent_used, memory.total_bytes_used, memory.total_bytes, more);
    if let Some(swap) = report.swap.as_ref().filter(|s| s.total_bytes.is_some_and(|b| b > 0)) {
        gauge("swap", swap.percent_used, swap.used_bytes, swap.total_bytes, String::new());
    }
    let pressure =
        report.pressure.iter().flat_map(|p| [("cpu", &p.cpu), ("memory", &p.memory), ("io", &p.io)]);
    let stalls: Vec<String> = pressure
        .filter_map(|(name, stall)| {
            let some = stall.as_ref()?.some.as_ref()?;
            Some(format!("{name} {}%", format::percent(some.avg10_percent)))
        })
        .collect();
    if !stalls.is_empty() {
        let words = format!("waiting, last 10 s: {}", stalls.join(", "));
        lines.push(Line::raw(text::fit(&words, width).into_owned()));
    }
    lines
}

fn agent(report: &Report, node: &Node, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some(agent) = &report.agent {
        let mut facts = Vec::new();
        facts.extend(agent.resident_bytes.map(|b| format!("{} resident", format::bytes(b as f64))));
        facts.extend(
            agent.sample_seconds.map(|s| format!("sample {:.1} ms", (s * 1000.0).clamp(0.0, 99_999.0))),
        );
        facts.extend(agent.sent_bytes_total.map(|b| format!("{} sent", format::bytes(b as f64))));
        facts.extend(
            agent.replayed_reports_total.filter(|n| *n > 0).map(|n| format!("{} replayed", format::count(n))),
        );
        facts.extend(
            agent.dropped_reports_total.filter(|n| *n > 0).map(|n| format!("{} dropped", format::count(n))),
        );
        facts.extend(
            agent.missed_ticks_total.filter(|n| *n > 0).map(|n| format!("{} ticks missed", format::count(n))),
        );
        let version = agent.version.as_deref().unwrap_or(UNKNOWN);
        lines.push(heading(&format!("CLIENTNODE {version}"), width, theme));
        lines.push(Line::raw(text::fit(&facts.join(", "), width).into_owned()));
    } else if node.report.as_ref().is_some_and(|r| r.schema.is_none()) {
        lines.push(heading("CLIENTNODE of 2016", width, theme));
    }
    for (probe, status) in &report.probes.0 {
        if let Outcome::Failed(reason) = &status.outcome {
            let words = format!("{probe}: {reason}");
            lines.push(Line::styled(text::fit(&words, width).into_owned(), theme.warning()));
        }
    }
    lines
}

/// A column of a small table: its heading, its width, whether it stands to the right. The last
/// one takes what is left.
type Heading = (&'static str, usize, bool);

fn table<const N: usize>(
    headings: [Heading; N],
    rows: impl Iterator<Item = [(String, Style); N]>,
    width: usize,
    theme: Theme,
) -> Vec<Line<'static>> {
    let line = |cells: [(String, Style); N]| {
        let mut used = 0;
        let mut spans = Vec::new();
        for (i, (content, style)) in cells.into_iter().enumerate() {
            let (_, least, right) = headings[i];
            let room = width.saturating_sub(used);
            let wide = if i + 1 == N { room } else { least.min(room) };
            let mut content = text::pad(&content, wide, right);
            used += wide;
            if i + 1 < N && used + 2 <= width {
                content += "  ";
                used += 2;
            }
            spans.push(Span::styled(content, style));
        }
        Line::from(spans)
    };
    let mut lines = vec![line(headings.map(|(name, _, _)| (name.to_owned(), theme.title())))];
    lines.extend(rows.map(line));
    if lines.len() == 1 {
        lines.clear();
    }
    lines
}

fn file_systems(report: &Report, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let rows = report.filesystems.iter().flatten().map(|fs| {
        let used = fs.size_bytes.zip(fs.free_bytes).map(|(size, free)| size.saturating_sub(free));
        // As `df` says: of what ordinary users can have.
        let share = used.zip(fs.avail_bytes).filter(|(used, avail)| used + avail > 0);
        let percent = share.map(|(used, avail)| 100.0 * used as f64 / (used + avail) as f64);
        let inodes = fs.files.zip(fs.files_free).filter(|(all, _)| *all > 0);
        let inodes = inodes.map(|(all, free)| 100.0 * all.saturating_sub(free) as f64 / all as f64);
        let size = |bytes: Option<u64>| (or_unknown(bytes, |b| format::bytes(b as f64)), Style::new());
        let mut place = fs.mountpoint.to_string();
        if let Some(problem) = &fs.device_error {
            place += &format!(" ({problem})");
        } else if fs.read_only == Some(true) {
            place += " (read-only)";
        }
        [
            size(fs.size_bytes),
            size(used),
            (or_unknown(percent, format::percent), theme.disk(percent)),
            (or_unknown(inodes, format::percent), theme.disk(inodes)),
            (fs.fstype.to_string(), theme.dim()),
            (place, Style::new()),
        ]
    });
    let headings = [
        ("SIZE", 5, true),
        ("USED", 5, true),
        ("USE%", 4, true),
        ("INO%", 4, true),
        ("TYPE", 7, false),
        ("MOUNTED ON", 0, false),
    ];
    table(headings, rows, width, theme)
}

fn network(report: &Report, rates: &Rates, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let interfaces = report.network.iter().flat_map(|n| &n.interfaces);
    let rows = interfaces.enumerate().map(|(i, interface)| {
        let rate = rates.interfaces.get(i).filter(|r| r.device == interface.device);
        let errors = [
            interface.receive_errs_total,
            interface.receive_drop_total,
            interface.transmit_errs_total,
            interface.transmit_drop_total,
        ];
        let errors = errors.into_iter().flatten().fold(0u64, u64::saturating_add);
        let addresses = interface.ipv4.iter().chain(&interface.ipv6).map(|a| a.as_str()).collect::<Vec<_>>();
        let moved = |bytes: Option<f64>| (or_unknown(bytes, format::bytes), Style::new());
        [
            (interface.device.to_string(), Style::new()),
            (interface.operstate.as_deref().unwrap_or(UNKNOWN).to_owned(), theme.dim()),
            moved(rate.and_then(|r| r.in_bytes)),
            moved(rate.and_then(|r| r.out_bytes)),
            (format::count(errors), if errors > 0 { theme.warning() } else { theme.dim() }),
            (addresses.join(" "), theme.dim()),
        ]
    });
    let headings = [
        ("INTERFACE", 10, false),
        ("STATE", 7, false),
        ("RX/s", 5, true),
        ("TX/s", 5, true),
        ("ERRS", 5, true),
        ("ADDRESSES", 0, false),
    ];
    table(headings, rows, width, theme)
}

fn block_devices(rates: &Rates, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let rows = rates.block_devices.iter().map(|d| {
        let moved = |bytes: Option<f64>| (or_unknown(bytes, format::bytes), Style::new());
        [moved(d.in_bytes), moved(d.out_bytes), (d.device.to_string(), Style::new())]
    });
    table([("READ/s", 6, true), ("WRITE/s", 7, true), ("BLOCK DEVICE", 0, false)], rows, width, theme)
}

fn processes(report: &Report, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let mut processes: Vec<&Process> = report.process.0.iter().collect();
    let busy = |p: &Process| p.percent_cpu_used.unwrap_or(0.0);
    let large = |p: &Process| p.percent_memory_used.unwrap_or(0.0);
    processes.sort_by(|a, b| busy(b).total_cmp(&busy(a)).then_with(|| large(b).total_cmp(&large(a))));
    let mut lines = Vec::new();
    if let Some(counts) = &report.processes {
        let mut words =
            format!("{} processes, {} running", format::count(counts.total), format::count(counts.running));
        let unusual =
            [(counts.disk_sleep, "in disk sleep"), (counts.stopped, "stopped"), (counts.zombie, "zombie")];
        for (n, what) in unusual.into_iter().filter(|(n, _)| *n > 0) {
            words += &format!(", {} {what}", format::count(n));
        }
        lines.push(Line::raw(text::fit(&words, width).into_owned()));
    }
    let rows = processes.into_iter().map(|p| {
        let resident = p.resident_bytes.map(|b| b as f64);
        [
            (p.pid.to_string(), theme.dim()),
            (p.user.as_deref().unwrap_or(UNKNOWN).to_owned(), Style::new()),
            (p.status.to_string(), theme.dim()),
            (or_unknown(p.percent_cpu_used, format::percent), theme.cpu(p.percent_cpu_used)),
            (or_unknown(p.percent_memory_used, format::percent), theme.memory(p.percent_memory_used)),
            (or_unknown(resident, format::bytes), Style::new()),
            (or_unknown(p.threads, |n| format::count(n.into())), Style::new()),
            (p.name.to_string(), Style::new()),
        ]
    });
    // Narrow terminals do without what is least asked for.
    if width >= 60 {
        let headings = [
            ("PID", 7, true),
            ("USER", 8, false),
            ("STATE", 8, false),
            ("CPU%", 4, true),
            ("MEM%", 4, true),
            ("RES", 5, true),
            ("THR", 4, true),
            ("NAME", 0, false),
        ];
        lines.extend(table(headings, rows, width, theme));
    } else {
        let rows = rows.map(|[pid, _, _, cpu, memory, _, _, name]| [pid, cpu, memory, name]);
        let headings = [("PID", 7, true), ("CPU%", 4, true), ("MEM%", 4, true), ("NAME", 0, false)];
        lines.extend(table(headings, rows, width, theme));
    }
    lines
}
