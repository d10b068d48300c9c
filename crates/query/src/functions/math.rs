//! Functions of single values that the standard library lacks, or knows otherwise.

/// -1, 0, 1 or NaN; unlike [`f64::signum`] zeros keep their value.
pub(crate) fn sign(value: f64) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        value
    }
}

/// Inverse hyperbolic sine that is exact for small values too.
pub(crate) fn asinh(value: f64) -> f64 {
    let size = value.abs();
    let result = if size > 1e8 {
        size.ln() + std::f64::consts::LN_2
    } else {
        (size + size * size / (1.0 + size.hypot(1.0))).ln_1p()
    };
    if size.is_finite() { result.copysign(value) } else { value }
}

/// Inverse hyperbolic tangent.
pub(crate) fn atanh(value: f64) -> f64 {
    0.5 * (2.0 * value / (1.0 - value)).ln_1p()
}

/// To the nearest multiple of `to`; halves go up.
pub(crate) fn round(value: f64, to: f64) -> f64 {
    // Dividing by the inverse gives 0.1 where multiplying by 0.1 gives 0.1000...01.
    let inverse = 1.0 / to;
    (value * inverse + 0.5).floor() / inverse
}

/// Into a range; NaN when a bound is.
pub(crate) fn clamp(value: f64, min: f64, max: f64) -> f64 {
    go_max(min, go_min(max, value))
}

/// The smaller of both, and NaN when one is: what IEEE 754 calls minimum, unlike [`f64::min`].
pub(crate) fn go_min(a: f64, b: f64) -> f64 {
    if a == f64::NEG_INFINITY || b == f64::NEG_INFINITY {
        f64::NEG_INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.min(b)
    }
}

/// The larger of both, and NaN when one is.
pub(crate) fn go_max(a: f64, b: f64) -> f64 {
    -go_min(-a, -b)
}
