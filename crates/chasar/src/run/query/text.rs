//! Answers for programs: the data object of Prometheus' API, and CSV.

use std::collections::BTreeSet;

use chasar_openmetrics::put_value;
use chasar_query::{Answered, Labels, NAME};

use super::number::exact;
use super::remote::seconds;
use crate::run::history::text::{put_cell, put_columns};

/// Prometheus' data object.
pub(super) fn json(value: &Answered) -> serde_json::Result<String> {
    let mut text = String::from("{\"resultType\":");
    let point = |(time, value): (i64, f64)| format!("[{},\"{}\"]", seconds(time), exact(value));
    match value {
        Answered::Scalar { time_ms, value } => {
            text += &format!("\"scalar\",\"result\":{}", point((*time_ms, *value)));
        }
        Answered::Text { time_ms, value } => {
            text +=
                &format!("\"string\",\"result\":[{},{}]", seconds(*time_ms), serde_json::to_string(value)?);
        }
        Answered::Vector(all) => {
            text += "\"vector\",\"result\":[";
            for (at, sample) in all.iter().enumerate() {
                text += if at > 0 { ",{\"metric\":" } else { "{\"metric\":" };
                labels(&sample.labels, &mut text)?;
                text += &format!(",\"value\":{}}}", point((sample.time_ms, sample.value)));
            }
            text.push(']');
        }
        Answered::Matrix(all) => {
            text += "\"matrix\",\"result\":[";
            for (at, series) in all.iter().enumerate() {
                text += if at > 0 { ",{\"metric\":" } else { "{\"metric\":" };
                labels(&series.labels, &mut text)?;
                text += ",\"values\":[";
                for (at, sample) in series.samples.iter().enumerate() {
                    if at > 0 {
                        text.push(',');
                    }
                    text += &point(*sample);
                }
                text += "]}";
            }
            text.push(']');
        }
    }
    text.push('}');
    Ok(text)
}

fn labels(labels: &Labels, text: &mut String) -> serde_json::Result<()> {
    text.push('{');
    for (at, (name, value)) in labels.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        *text += &format!("{}:{}", serde_json::to_string(name)?, serde_json::to_string(value)?);
    }
    text.push('}');
    Ok(())
}

/// A line for each value with the columns of `chasar history export`: time, value, name, and each label.
pub(super) fn csv(value: &Answered) -> String {
    let none = Labels::default();
    let mut rows: Vec<(&Labels, &[(i64, f64)])> = Vec::new();
    let single: Vec<[(i64, f64); 1]>;
    match value {
        Answered::Text { time_ms, value } => {
            let mut text = format!("time_ms,value\r\n{time_ms},");
            put_cell(&mut text, value);
            return text + "\r\n";
        }
        Answered::Scalar { time_ms, value } => {
            single = vec![[(*time_ms, *value)]];
            rows.push((&none, &single[0]));
        }
        Answered::Vector(all) => {
            single = all.iter().map(|sample| [(sample.time_ms, sample.value)]).collect();
            rows.extend(all.iter().zip(&single).map(|(sample, values)| (&sample.labels, values.as_slice())));
        }
        Answered::Matrix(all) => {
            rows.extend(all.iter().map(|series| (&series.labels, series.samples.as_slice())))
        }
    }
    let names: BTreeSet<&str> =
        rows.iter().flat_map(|(labels, _)| labels.iter().map(|(name, _)| name)).collect();
    let mut text = String::new();
    put_columns(&mut text, names.iter().copied().filter(|name| *name != NAME));
    for (labels, values) in rows {
        let mut tail = String::from(",");
        put_cell(&mut tail, labels.name());
        for name in names.iter().filter(|name| **name != NAME) {
            tail.push(',');
            put_cell(&mut tail, labels.get(name).unwrap_or_default());
        }
        tail += "\r\n";
        for (time, value) in values {
            text += &format!("{time},");
            // A plus in front would make a formula of it.
            if *value == f64::INFINITY {
                text += "Inf"
            } else {
                put_value(&mut text, *value)
            }
            text += &tail;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use chasar_query::{Sample, Series};

    fn some() -> [Answered; 4] {
        let labels = Labels::new([("__name__", "up"), ("a", "=1+\"\u{1b}"), ("b", "c,d")]);
        [
            Answered::Scalar { time_ms: 1500, value: f64::INFINITY },
            Answered::Text { time_ms: 1000, value: "-\"x\"".into() },
            Answered::Vector(vec![
                Sample { labels: labels.clone(), time_ms: 1000, value: 1e21 },
                Sample { labels: Labels::default(), time_ms: 1000, value: f64::NAN },
            ]),
            Answered::Matrix(vec![Series { labels, samples: vec![(1000, 0.5), (2250, f64::INFINITY)] }]),
        ]
    }

    #[test]
    fn json_is_that_of_prometheus() {
        let text = some().map(|value| json(&value).unwrap());
        assert_eq!(
            text,
            [
                r#"{"resultType":"scalar","result":[1.5,"+Inf"]}"#,
                r#"{"resultType":"string","result":[1,"-\"x\""]}"#,
                r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","a":"=1+\"\u001b","b":"c,d"},"value":[1,"1000000000000000000000"]},{"metric":{},"value":[1,"NaN"]}]}"#,
                r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up","a":"=1+\"\u001b","b":"c,d"},"values":[[1,"0.5"],[2.25,"+Inf"]]}]}"#,
            ]
        );
    }

    #[test]
    fn csv_holds_no_formulas() {
        assert_eq!(
            some().map(|value| csv(&value)),
            [
                "time_ms,value,__name__\r\n1500,Inf,\r\n",
                "time_ms,value\r\n1000,\"'-\"\"x\"\"\"\r\n",
                "time_ms,value,__name__,a,b\r\n1000,1e21,up,\"'=1+\"\"\u{1b}\",\"c,d\"\r\n1000,NaN,,,\r\n",
                "time_ms,value,__name__,a,b\r\n1000,0.5,up,\"'=1+\"\"\u{1b}\",\"c,d\"\r\n2250,Inf,up,\"'=1+\"\"\u{1b}\",\"c,d\"\r\n",
            ]
        );
    }
}
