//! Lines over time, in a terminal.

use chasar_top::text::{columns, fit, pad};

use super::canvas::{ACROSS, Canvas, DOWN};
use super::number::{Marks, marks, short};
use super::ticks;

/// One series.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// For the legend.
    pub(super) name: String,
    /// Unix milliseconds and values, ascending.
    pub(super) points: Vec<(i64, f64)>,
}

/// What is to be drawn.
#[derive(Debug)]
pub(super) struct Plot {
    /// The query.
    pub(super) title: String,
    /// What all lines have in common.
    pub(super) common: Option<String>,
    /// The lines.
    pub(super) lines: Vec<Line>,
    /// The left edge, Unix milliseconds.
    pub(super) from_ms: i64,
    /// The right edge.
    pub(super) to_ms: i64,
    /// Points further apart are not connected: nothing is known of the time between.
    pub(super) gap_ms: i64,
    /// Distance of the values, if it is the same everywhere.
    pub(super) step_ms: Option<i64>,
}

/// Where it is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Columns of the terminal.
    pub(super) columns: usize,
    /// Rows of the terminal.
    pub(super) rows: usize,
    /// Whether colours may be used.
    pub(super) colour: bool,
}

/// Colours that are told apart on dark and on light ground (ECMA-48 SGR), and the letters of the lines.
const COLOURS: [u8; 6] = [36, 33, 35, 32, 94, 31];
const LETTERS: [char; 12] = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l'];
const DIM: u8 = 90;
/// Without colours a line shows its letter this often.
const LETTER_EVERY: usize = 16;
/// Rows of the drawing: below these nothing is seen, above these nothing is gained.
const HEIGHTS: (usize, usize) = (4, 24);

/// Draws; every line of the text fits into the room.
pub(super) fn plot(plot: &Plot, room: Room) -> String {
    let named = named(&plot.lines, (room.rows / 4).clamp(1, LETTERS.len()));
    let more = plot.lines.len() - named.len();
    let undrawn: usize =
        plot.lines.iter().map(|line| line.points.iter().filter(|(_, v)| !v.is_finite()).count()).sum();
    // Title, axis, times, what they are, and the prompt that comes after.
    let around = 5
        + named.len()
        + usize::from(more > 0)
        + usize::from(undrawn > 0)
        + usize::from(plot.common.is_some());
    let height = room.rows.saturating_sub(around).clamp(HEIGHTS.0, HEIGHTS.1);
    let marks = vertical(&plot.lines, height);
    let left = marks.texts.iter().map(|text| columns(text)).max().unwrap_or(0);
    let several = plot.lines.len() > 1;
    // The mark's text, a blank, the axis; at the right a blank and letters.
    let right = if several { 1 + named.len().min(3) } else { 0 };
    let width = room.columns.saturating_sub(left + 2 + right).max(8);
    let drawing = Drawing::new(plot, &named, &marks, width, height);

    let mut text = String::new();
    let mut put = |line: String| {
        text += line.trim_end();
        text.push('\n');
    };
    let paint = |content: &str, colour: u8| {
        if room.colour && !content.trim().is_empty() {
            format!("\x1b[{colour}m{content}\x1b[0m")
        } else {
            content.to_owned()
        }
    };
    put(fit(&plot.title, room.columns).into_owned());
    if let Some(common) = &plot.common {
        put(paint(&fit(&format!("all: {common}"), room.columns), DIM));
    }
    for row in 0..height {
        let mark = drawing.marks.iter().position(|at| *at == row);
        let mut line = pad(mark.map_or("", |at| &marks.texts[at]), left, true);
        line += if mark.is_some() { " ┤" } else { " │" };
        line += &drawing.row(row, room.colour, named.len(), several);
        put(line);
    }
    let (axis, times) = ticks::axis(plot.from_ms, plot.to_ms, width, left + 2);
    put(format!("{} └{axis}", " ".repeat(left)));
    put(fit(&times, room.columns).into_owned());
    put(paint(&fit(&ticks::caption(plot.from_ms, plot.to_ms, plot.step_ms), room.columns), DIM));
    for (at, index) in named.iter().enumerate() {
        let mark = if several { format!("{} ", LETTERS[at]) } else { String::new() };
        put(legend(&plot.lines[*index], &mark, COLOURS[at % COLOURS.len()], room));
    }
    if more > 0 {
        let are = if room.colour { " in grey" } else { "" };
        put(paint(&fit(&format!("and {more} more{are}, none as high; topk chooses"), room.columns), DIM));
    }
    if undrawn > 0 {
        put(paint(&fit(&format!("{undrawn} not drawn: NaN or infinite"), room.columns), DIM));
    }
    text
}

/// A line's letter, name and numbers.
fn legend(line: &Line, mark: &str, colour: u8, room: Room) -> String {
    let drawn: Vec<f64> = line.points.iter().map(|(_, v)| *v).filter(|v| v.is_finite()).collect();
    let numbers = match (
        drawn.iter().copied().reduce(f64::min),
        drawn.iter().copied().reduce(f64::max),
        line.points.last(),
    ) {
        (Some(low), Some(high), Some((_, last))) => {
            format!("  {}…{}, last {}", short(low), short(high), short(*last))
        }
        _ => "  no number".to_owned(),
    };
    // The numbers are worth more than the end of a long name, down to a point.
    let for_name = room.columns.saturating_sub(columns(mark) + columns(&numbers)).max(room.columns / 3);
    let name = fit(&line.name, for_name).into_owned();
    let rest = room.columns.saturating_sub(columns(mark) + columns(&name));
    let numbers = fit(&numbers, rest).into_owned();
    if room.colour {
        format!("\x1b[{colour}m{mark}{name}\x1b[0m{numbers}")
    } else {
        format!("{mark}{name}{numbers}")
    }
}

/// Which lines are named: all, or those that rise highest; in their order.
fn named(lines: &[Line], most: usize) -> Vec<usize> {
    if lines.len() <= most {
        return (0..lines.len()).collect();
    }
    let highest = |line: &Line| {
        line.points.iter().map(|(_, v)| *v).filter(|v| v.is_finite()).fold(f64::NEG_INFINITY, f64::max)
    };
    let mut order: Vec<(usize, f64)> = lines.iter().map(highest).enumerate().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut named: Vec<usize> = order.into_iter().take(most).map(|(index, _)| index).collect();
    named.sort_unstable();
    named
}

/// Marks of the values, one for every three rows or so. Zero is on the axis where it is not far.
fn vertical(lines: &[Line], height: usize) -> Marks {
    let values = || lines.iter().flat_map(|line| &line.points).map(|(_, v)| *v).filter(|v| v.is_finite());
    let (Some(mut low), Some(mut high)) = (values().reduce(f64::min), values().reduce(f64::max)) else {
        return marks(0.0, 1.0, 3);
    };
    if low > 0.0 && low < high && low < high * 0.6 {
        low = 0.0;
    } else if high < 0.0 && low < high && high > low * 0.6 {
        high = 0.0;
    }
    marks(low, high, height.div_ceil(3) + 1)
}

/// The lines on a canvas.
struct Drawing {
    canvas: Canvas,
    width: usize,
    /// Row of each mark.
    marks: Vec<usize>,
    /// Letters at the end of a row, of lines that reach it.
    ends: Vec<Vec<usize>>,
    /// Letters of lines that end before: column, row, line.
    early: Vec<(usize, usize, usize)>,
}

impl Drawing {
    fn new(plot: &Plot, named: &[usize], marks: &Marks, width: usize, height: usize) -> Drawing {
        let (low, high) = (marks.values[0], marks.values[marks.values.len() - 1]);
        let (dots_x, dots_y) = (width * ACROSS - 1, height * DOWN - 1);
        let y = |value: f64| {
            // Halved, so that the difference of the largest numbers is none of infinity.
            let part = (high / 2.0 - value / 2.0) / (high / 2.0 - low / 2.0);
            (part * dots_y as f64).round().clamp(0.0, dots_y as f64) as usize
        };
        let span = (plot.to_ms as f64 - plot.from_ms as f64).max(1.0);
        let x = |time: i64| {
            let part = (time as f64 - plot.from_ms as f64) / span;
            (part * dots_x as f64).round().clamp(0.0, dots_x as f64) as usize
        };
        let mut canvas = Canvas::new(width, height);
        let mut ends = vec![Vec::new(); height];
        let mut early = Vec::new();
        // Those without a name lie below the others.
        let nameless = (0..plot.lines.len()).filter(|index| !named.contains(index));
        for (index, owner) in nameless
            .map(|index| (index, named.len()))
            .chain(named.iter().enumerate().map(|(at, index)| (*index, at)))
        {
            let mut before: Option<(i64, (usize, usize))> = None;
            for (time, value) in &plot.lines[index].points {
                if !value.is_finite() {
                    before = None;
                    continue;
                }
                let dot = (x(*time), y(*value));
                let from = before
                    .filter(|(then, _)| time.saturating_sub(*then) <= plot.gap_ms)
                    .map_or(dot, |(_, dot)| dot);
                canvas.line(from, dot, owner);
                before = Some((*time, dot));
            }
            if let Some((_, (x, y))) = before.filter(|_| owner < named.len()) {
                let (column, row) = (x / ACROSS, y / DOWN);
                if column + 2 < width { early.push((column + 1, row, owner)) } else { ends[row].push(owner) }
            }
        }
        Drawing {
            canvas,
            width,
            marks: marks.values.iter().map(|value| y(*value) / DOWN).collect(),
            ends,
            early,
        }
    }

    /// One row, with the letters of the lines that end in it.
    fn row(&self, row: usize, colour: bool, named: usize, several: bool) -> String {
        let mut text = String::new();
        let mut current = 0;
        let mut switch = |text: &mut String, wanted: u8| {
            if colour && current != wanted {
                text.push_str(&if wanted == 0 { "\x1b[0m".to_owned() } else { format!("\x1b[{wanted}m") });
                current = wanted;
            }
        };
        let of = |owner: usize| if owner < named { COLOURS[owner % COLOURS.len()] } else { DIM };
        for column in 0..self.width {
            match self.canvas.cell(column, row) {
                None => match self.early.iter().find(|(x, y, _)| several && (*x, *y) == (column, row)) {
                    None => text.push(' '),
                    Some((_, _, owner)) => {
                        switch(&mut text, of(*owner));
                        text.push(LETTERS[*owner]);
                    }
                },
                Some((pattern, owner)) => {
                    switch(&mut text, of(owner));
                    let lettered = !colour && several && owner < named;
                    // Shifted from line to line, so that letters of lines that run together do not meet.
                    let turn =
                        (column + owner * LETTER_EVERY / named.max(1)) % LETTER_EVERY == LETTER_EVERY / 2;
                    text.push(if lettered && turn { LETTERS[owner] } else { pattern });
                }
            }
        }
        if several {
            switch(&mut text, 0);
            text.push(' ');
            let fitting = named.min(3);
            for (at, owner) in self.ends[row].iter().take(fitting).enumerate() {
                switch(&mut text, of(*owner));
                text.push(if at + 1 == fitting && self.ends[row].len() > fitting {
                    '+'
                } else {
                    LETTERS[*owner]
                });
            }
        }
        switch(&mut text, 0);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(name: &str, points: impl IntoIterator<Item = (i64, f64)>) -> Line {
        Line { name: name.to_owned(), points: points.into_iter().collect() }
    }

    fn of(lines: Vec<Line>, to_ms: i64, gap_ms: i64) -> Plot {
        Plot { title: "query".into(), common: None, lines, from_ms: 0, to_ms, gap_ms, step_ms: Some(gap_ms) }
    }

    fn drawn(of: &Plot, columns: usize, rows: usize) -> String {
        plot(of, Room { columns, rows, colour: false })
    }

    #[test]
    fn a_gap_is_left_open() {
        let points = (0..=40).filter(|i| !(15..25).contains(i)).map(|i| (i * 1000, 1.0));
        let text = drawn(&of(vec![line("a", points)], 40_000, 1000), 40, 10);
        let row = text
            .lines()
            .find(|l| l.contains('⠒') || l.contains('⠤') || l.contains('⣀') || l.contains('⠉'))
            .unwrap();
        let gap = row.chars().skip(5).collect::<String>().trim_start().chars().filter(|c| *c == ' ').count();
        assert!((6..=10).contains(&gap), "{gap} columns are open: {text}");
    }

    #[test]
    fn the_highest_of_many_are_named_and_what_is_no_number_is_counted() {
        let lines = (0..30).map(|i| line(&format!("n{i}"), [(0, f64::from(i)), (1000, f64::NAN)])).collect();
        let text = drawn(&of(lines, 1000, 1000), 60, 24);
        for name in ["n29", "n24"] {
            assert!(text.contains(name), "{text}");
        }
        assert!(!text.contains("n23") && text.contains("and 24 more, none as high"), "{text}");
        assert!(text.contains("30 not drawn: NaN or infinite"), "{text}");
    }

    #[test]
    fn a_letter_is_where_its_line_ends() {
        let of_line = |name: &str, value: f64, end: i64| line(name, (0..=end).map(|i| (i * 1000, value)));
        let text = drawn(&of(vec![of_line("x", 1.0, 40), of_line("y", 3.0, 20)], 40_000, 1000), 60, 16);
        let row =
            |letter: char| text.lines().find(|l| l.contains('┤') && l.trim_end().ends_with(letter)).unwrap();
        assert_eq!(row('a').chars().count(), row('a').trim_end().chars().count());
        assert!((55..=60).contains(&row('a').chars().count()), "{text}");
        assert!((28..=36).contains(&row('b').chars().count()), "{text}");
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        let lines = vec![line("a", [(0, 1.0), (1000, 2.0)]), line("b", [(0, 2.0), (1000, 1.0)])];
        let plain = drawn(&of(lines.clone(), 1000, 1000), 40, 20);
        let coloured = plot(&of(lines, 1000, 1000), Room { columns: 40, rows: 20, colour: true });
        assert!(!plain.contains('\x1b') && coloured.contains("\x1b[36m") && coloured.contains("\x1b[33m"));
        for row in coloured.lines().filter(|row| row.contains('\x1b')) {
            assert!(row.rfind("\x1b[0m") > row.rfind("\x1b[3"), "colour runs out of the line: {row:?}");
        }
    }

    proptest! {
        #[test]
        fn it_fits_whatever_the_values(
            lines in prop::collection::vec(
                (any::<String>(), prop::collection::vec((0i64..100_000, any::<f64>()), 0..20)), 0..20),
            title: String,
            times in prop_oneof![Just((0, 100_000)), any::<(i64, i64)>()],
            columns in 30usize..100,
            rows in 16usize..50,
            colour: bool,
        ) {
            let lines = lines.into_iter().map(|(name, mut points)| {
                points.sort_by_key(|p| p.0);
                line(&name, points)
            }).collect();
            let (from_ms, to_ms) = (times.0.min(times.1), times.0.max(times.1));
            let drawing = Plot { title, common: Some("c".into()), lines, from_ms, to_ms, gap_ms: 5000, step_ms: None };
            let text = plot(&drawing, Room { columns, rows, colour });
            let mut bare = text.clone();
            for code in COLOURS.iter().chain([&DIM, &0]) {
                bare = bare.replace(&format!("\x1b[{code}m"), "");
            }
            prop_assert!(bare.matches('\n').count() < rows, "{} rows of {rows}\n{text}", bare.matches('\n').count());
            for line in bare.split('\n') {
                prop_assert!(chasar_top::text::columns(line) <= columns, "{line:?}");
                prop_assert!(line.chars().all(chasar_top::text::is_harmless), "{line:?}");
            }
        }
    }
}
