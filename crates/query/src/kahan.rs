//! Sums whose rounding errors are carried along (Kahan's summation as Neumaier improved it).

/// A sum and what rounding lost of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    pub(crate) sum: f64,
    pub(crate) lost: f64,
}

impl Sum {
    pub(crate) fn of(value: f64) -> Sum {
        Sum { sum: value, lost: 0.0 }
    }

    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        let total = self.sum + value;
        if total.is_infinite() {
            self.lost = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.lost += (self.sum - total) + value;
        } else {
            self.lost += (value - total) + self.sum;
        }
        self.sum = total;
    }

    /// Adds another sum.
    #[inline]
    pub(crate) fn join(mut self, other: Sum) -> Sum {
        self.add(other.sum);
        if self.sum.is_finite() {
            self.lost += other.lost;
        }
        self
    }

    pub(crate) fn total(self) -> f64 {
        self.sum + self.lost
    }
}

/// A mean that does not overflow: a sum as long as that is finite, then updated value by value.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mean {
    sum: Sum,
    count: f64,
    incremental: bool,
}

impl Mean {
    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if !self.incremental {
            let mut next = self.sum;
            next.add(value);
            if self.count == 1.0 || !next.sum.is_infinite() {
                self.sum = next;
                return;
            }
            self.incremental = true;
            let before = self.count - 1.0;
            self.sum = Sum { sum: self.sum.sum / before, lost: self.sum.lost / before };
        }
        let share = (self.count - 1.0) / self.count;
        self.sum = Sum { sum: self.sum.sum * share, lost: self.sum.lost * share };
        self.sum.add(value / self.count);
    }

    pub(crate) fn mean(self) -> f64 {
        if self.incremental {
            self.sum.total()
        } else {
            self.sum.sum / self.count + self.sum.lost / self.count
        }
    }
}

/// Mean and sum of squared distances from it, updated value by value (Welford).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spread {
    count: f64,
    mean: Sum,
    squares: Sum,
}

impl Spread {
    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean.total();
        self.mean.add(delta / self.count);
        self.squares.add(delta * (value - self.mean.total()));
    }

    /// Takes in another one, as if all its values had been added.
    pub(crate) fn join(self, other: Spread) -> Spread {
        if self.count == 0.0 {
            return other;
        }
        if other.count == 0.0 {
            return self;
        }
        let count = self.count + other.count;
        let delta = other.mean.total() - self.mean.total();
        let mut mean = self.mean;
        mean.add(delta * other.count / count);
        let mut squares = self.squares.join(other.squares);
        squares.add(delta * delta * self.count * other.count / count);
        Spread { count, mean, squares }
    }

    /// Variance of the whole population.
    pub(crate) fn variance(self) -> f64 {
        self.squares.total() / self.count
    }
}
