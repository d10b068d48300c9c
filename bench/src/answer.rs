//! What an answer of the API says, as far as answers of several stores are compared.

use serde::Deserialize;

/// How much there is in an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Found {
    /// Series.
    pub series: usize,
    /// Points of all of them.
    pub points: usize,
    /// Sum of their values that are finite.
    pub sum: f64,
}

impl Found {
    /// Whether it is the same but for rounding, as a share of the sum and of the points.
    pub fn same(&self, other: &Found, share: f64) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() <= share * a.abs().max(b.abs());
        self.series == other.series
            && near(self.points as f64, other.points as f64)
            && near(self.sum, other.sum)
    }
}

#[derive(Deserialize)]
struct Envelope {
    status: String,
    error: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    #[serde(default)]
    values: Vec<(f64, String)>,
    value: Option<(f64, String)>,
}

/// Reads an answer: a vector or a matrix.
///
/// # Errors
/// What the store says is wrong, or that it is no answer.
pub fn read(body: &[u8]) -> Result<Found, String> {
    let envelope: Envelope = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let Some(data) = envelope.data.filter(|_| envelope.status == "success") else {
        return Err(envelope.error.unwrap_or(envelope.status));
    };
    let mut found = Found { series: data.result.len(), ..Found::default() };
    for (_, value) in data.result.iter().flat_map(|one| one.values.iter().chain(&one.value)) {
        let value: f64 = value.parse().map_err(|_| format!("{value} is no number"))?;
        found.points += 1;
        found.sum += if value.is_finite() { value } else { 0.0 };
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_points_and_sums_are_read() {
        let matrix = br#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"a":"b"},"values":[[1,"1.5"],[2.5,"NaN"]]},{"metric":{},"values":[[1,"+Inf"],[2,"2"]]}]}}"#;
        let found = read(matrix).unwrap();
        assert_eq!(found, Found { series: 2, points: 4, sum: 3.5 });
        let vector = br#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"3.5"]}]}}"#;
        assert_eq!(read(vector).unwrap().sum, 3.5);
        assert!(!found.same(&read(vector).unwrap(), 0.1));
        assert!(found.same(&Found { sum: 3.500_000_1, ..found }, 1e-6));
        assert_eq!(read(br#"{"status":"error","error":"no"}"#).unwrap_err(), "no");
        assert!(read(b"{}").is_err());
    }
}
