//! What a measurement found, as tables: how long each stage took of each volume, in the mean and with
//! the standard deviation, as the works behind vex print it.
//!
//! Pure. A stage that a program does at the same time as another has no time of its own.

use crate::lang::Lang;

/// What stands where a stage has no time of its own.
const NONE: &str = "—";

/// How long the stages of one run took, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stages {
    /// Until the last byte was read.
    pub dump: f64,
    /// Compaction; `None` where it happens while reading.
    pub press: Option<f64>,
    /// Until the last byte was in the store.
    pub upload: f64,
}

impl Stages {
    fn total(&self) -> f64 {
        self.dump + self.press.unwrap_or(0.0) + self.upload
    }

    /// Dump, compaction, upload, total.
    fn columns(&self) -> [Option<f64>; 4] {
        [Some(self.dump), self.press, Some(self.upload), Some(self.total())]
    }
}

/// All runs of one program with one volume.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The volume, as people read it.
    pub volume: String,
    /// The program.
    pub program: String,
    /// Its runs.
    pub runs: Vec<Stages>,
}

/// The mean of some numbers, and their sample standard deviation; that of one number is zero.
pub fn mean_and_deviation(numbers: &[f64]) -> (f64, f64) {
    let n = numbers.len().max(1) as f64;
    let mean = numbers.iter().sum::<f64>() / n;
    let squares: f64 = numbers.iter().map(|x| (x - mean).powi(2)).sum();
    (mean, if numbers.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 })
}

/// The two tables: means with one decimal, deviations with two.
pub fn tables(measured: &[Measured], lang: Lang) -> [Vec<Vec<String>>; 2] {
    [(0, 1), (1, 2)].map(|(which, decimals)| {
        let heads = ["volume", "program", "dump", "press", "upload", "total"];
        let heads = heads.map(|head| lang.say(&format!("bench-head-{head}"), &[])).to_vec();
        let row = |measured: &Measured| {
            let cells = (0..4).map(|column| {
                let numbers: Option<Vec<f64>> =
                    measured.runs.iter().map(|run| run.columns()[column]).collect();
                numbers.map_or(NONE.to_owned(), |numbers| {
                    let (mean, deviation) = mean_and_deviation(&numbers);
                    decimal([mean, deviation][which], decimals, lang)
                })
            });
            [measured.volume.clone(), measured.program.clone()].into_iter().chain(cells).collect()
        };
        [heads].into_iter().chain(measured.iter().map(row)).collect()
    })
}

/// How the first program stands to the second with each volume both were measured with.
pub fn ratios(measured: &[Measured], lang: Lang) -> Vec<String> {
    let mean =
        |m: &Measured| mean_and_deviation(&m.runs.iter().map(Stages::total).collect::<Vec<_>>()).0;
    let mut lines = Vec::new();
    for (index, own) in measured.iter().enumerate() {
        let other = measured[index + 1..].iter().find(|other| other.volume == own.volume);
        let Some(other) = other.filter(|other| mean(other) > 0.0) else { continue };
        let ratio = decimal(mean(own) / mean(other), 2, lang);
        let parts = [
            ("volume", own.volume.as_str()),
            ("program", own.program.as_str()),
            ("ratio", ratio.as_str()),
            ("other", other.program.as_str()),
        ];
        lines.push(lang.say("bench-ratio", &parts));
    }
    lines
}

fn decimal(number: f64, decimals: usize, lang: Lang) -> String {
    let text = format!("{number:.decimals$}");
    match lang {
        Lang::PtBr => text.replace('.', ","),
        Lang::En => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(dump: f64, press: f64, upload: f64) -> Stages {
        Stages { dump, press: Some(press), upload }
    }

    #[test]
    fn the_published_means_and_deviations_are_those_of_whole_seconds() {
        // Table 2 and 3 of the work: 1 GB, five runs, read in whole seconds.
        let runs = [(0., 3., 1.), (0., 4., 0.), (1., 4., 1.), (1., 4., 0.), (1., 3., 1.)];
        let runs = runs.map(|(dump, press, upload)| stages(dump, press, upload)).to_vec();
        let measured =
            [Measured { volume: "1 GB".into(), program: "mydumper + 7-Zip".into(), runs }];
        let [means, deviations] = tables(&measured, Lang::PtBr);
        assert_eq!(
            means[0],
            ["Volume", "Programa", "Dump (s)", "Compactação (s)", "Upload (s)", "Total (s)"]
        );
        assert_eq!(means[1][2..], ["0,6", "3,6", "0,6", "4,8"]);
        assert_eq!(deviations[1][2..5], ["0,55", "0,55", "0,55"]);
    }

    #[test]
    fn what_happens_at_the_same_time_has_no_column_and_the_ratio_is_that_of_the_totals() {
        let of = |program: &str, runs: Vec<Stages>| Measured {
            volume: "1 GB".into(),
            program: program.into(),
            runs,
        };
        let own = Stages { dump: 2.0, press: None, upload: 0.5 };
        let measured = [of("vex", vec![own]), of("other", vec![stages(1.0, 3.0, 1.0)])];
        let [means, deviations] = tables(&measured, Lang::En);
        assert_eq!(means[1][2..], ["2.0", "—", "0.5", "2.5"]);
        assert_eq!(deviations[1][2..], ["0.00", "—", "0.00", "0.00"]);
        let said = ratios(&measured, Lang::En);
        assert_eq!(said, ["1 GB: vex took 0.50 of the time of other"]);
    }
}
