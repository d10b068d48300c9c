//! A field of dots, eight to a character: Braille patterns (Unicode block U+2800, where a pattern's number is
//! U+2800 plus a bit for each dot).

/// Bits of the dots of a character, by row from above and column.
const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
/// Dots side by side in a character.
pub(super) const ACROSS: usize = 2;
/// Dots above each other in a character.
pub(super) const DOWN: usize = 4;

/// Dots, and who drew last into each character.
#[derive(Debug)]
pub(super) struct Canvas {
    columns: usize,
    rows: usize,
    bits: Vec<u8>,
    owners: Vec<usize>,
}

impl Canvas {
    /// An empty one of so many characters.
    pub(super) fn new(columns: usize, rows: usize) -> Canvas {
        Canvas { columns, rows, bits: vec![0; columns * rows], owners: vec![0; columns * rows] }
    }

    /// Sets a dot; x from the left, y from above.
    fn dot(&mut self, x: usize, y: usize, owner: usize) {
        let (column, row) = (x / ACROSS, y / DOWN);
        if column < self.columns && row < self.rows {
            self.bits[row * self.columns + column] |= BITS[y % DOWN][x % ACROSS];
            self.owners[row * self.columns + column] = owner;
        }
    }

    /// Draws a straight line, both ends included.
    pub(super) fn line(&mut self, from: (usize, usize), to: (usize, usize), owner: usize) {
        let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
        let between = |a: usize, b: usize, step: usize| {
            // Rounded to the nearest dot.
            (a * (steps - step) * 2 + b * step * 2 + steps) / (2 * steps)
        };
        for step in 0..=steps {
            self.dot(between(from.0, to.0, step), between(from.1, to.1, step), owner);
        }
    }

    /// A character and who drew last into it; `None` where nothing is.
    pub(super) fn cell(&self, column: usize, row: usize) -> Option<(char, usize)> {
        let at = row * self.columns + column;
        let bits = *self.bits.get(at)?;
        let pattern = char::from_u32(0x2800 + u32::from(bits))?;
        (bits != 0).then(|| (pattern, self.owners[at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_where_they_should_be() {
        let mut canvas = Canvas::new(2, 1);
        canvas.line((0, 3), (3, 0), 7);
        assert_eq!([canvas.cell(0, 0), canvas.cell(1, 0)], [Some(('⡠', 7)), Some(('⠊', 7))]);
        canvas.line((0, 0), (0, 0), 8);
        assert_eq!(canvas.cell(0, 0), Some(('⡡', 8)));
        canvas.line((9, 9), (100, 9), 9);
        assert_eq!(canvas.cell(1, 0), Some(('⠊', 7)), "outside is nothing");
        assert_eq!(Canvas::new(1, 1).cell(0, 0), None);
    }
}
