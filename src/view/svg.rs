//! Charts: functions from numbers to SVG text.
//!
//! Knows no catalog and no language. Invariant: every label and title is escaped here, so that a
//! page may take the text as it is; colours are classes, never attributes; nothing has a `style`.

/// Text for an attribute or an element.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A symbol of the page's sprite.
pub fn icon(name: &str, class: &str) -> String {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    format!("<svg{class} aria-hidden=\"true\"><use href=\"#{name}\"/></svg>")
}

/// One column of a bar chart: its tip, and how many of Sucesso, Alerta and Erro.
#[derive(Debug, Clone)]
pub struct Column {
    /// What it says when pointed at.
    pub tip: String,
    /// Sucesso, Alerta, Erro.
    pub parts: [usize; 3],
}

/// Stacked bars; where fewer than twelve make the highest, the blocks are separate, so that three
/// look like three. `height` is 64 of a chart, 34 of a small one (`small`).
pub fn bars(columns: &[Column], label: &str, small: bool) -> String {
    let (class, height) = if small { ("chart lo", 34.0) } else { ("chart", 64.0) };
    let highest = columns.iter().map(|c| c.parts.iter().sum::<usize>()).max().unwrap_or(0).max(1);
    let width = 1000.0 / columns.len().max(1) as f64;
    let (left, inner) = (width * 0.15, width * 0.7);
    let mut out = format!(
        "<svg class=\"{class}\" viewBox=\"0 0 1000 {height}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">",
        escape(label)
    );
    for (i, column) in columns.iter().enumerate() {
        let x = i as f64 * width + left;
        let mut y = height - 2.0;
        let mut blocks = String::new();
        for (class, n) in ["ok", "al", "er"].iter().zip(column.parts).filter(|(_, n)| *n > 0) {
            let h = n as f64 / highest as f64 * (height - 4.0);
            y -= h;
            let shown = if highest < 12 { (h - 1.0).max(0.5) } else { h };
            blocks += &format!(
                "<rect class=\"b-{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{inner:.1}\" height=\"{shown:.1}\"/>"
            );
        }
        out += &if blocks.is_empty() {
            let y = height - 3.0;
            format!(
                "<rect class=\"base\" x=\"{x:.1}\" y=\"{y}\" width=\"{inner:.1}\" height=\"1\"/>"
            )
        } else {
            format!("<g><title>{}</title>{blocks}</g>", escape(&column.tip))
        };
    }
    let y = height - 1.0;
    out + &format!("<rect class=\"base\" x=\"0\" y=\"{y}\" width=\"1000\" height=\"1\"/></svg>")
}

/// An age beside its limit; both in seconds. What is over the limit is drawn beyond its mark.
pub fn gauge(age: i64, limit: i64, label: &str) -> String {
    let share = age.max(0) as f64 / limit.max(1) as f64;
    let fill = (share.min(1.0) * 80.0).max(1.5);
    let (class, over) = if share > 1.0 {
        let over = ((share - 1.0) * 80.0).clamp(4.0, 32.0);
        ("er", format!("<rect class=\"over\" x=\"80\" y=\"2\" width=\"{over:.1}\" height=\"6\"/>"))
    } else {
        ("ok", String::new())
    };
    format!(
        "<svg class=\"gauge {class}\" viewBox=\"0 0 112 10\" role=\"img\" aria-label=\"{}\"><rect class=\"bg\" x=\"0\" y=\"2\" \
         width=\"112\" height=\"6\" rx=\"1\"/><rect x=\"0\" y=\"2\" width=\"{fill:.1}\" height=\"6\" rx=\"1\"/>{over}<rect \
         class=\"lim\" x=\"79\" width=\"1.5\" height=\"10\"/></svg>",
        escape(label)
    )
}

/// The middle one of some numbers; the mean of the two in the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[half]),
        _ => Some((sorted[half - 1] + sorted[half]) / 2.0),
    }
}

/// Sizes over time, oldest first, in a band of 8 % about their median; what is more than 20 % off
/// has a mark. Empty for fewer than two.
pub fn trend(values: &[f64], label: &str) -> String {
    let Some(middle) = median(values).filter(|_| values.len() > 1) else { return String::new() };
    let low = values.iter().copied().fold(middle * 0.84, f64::min);
    let high = values.iter().copied().fold(middle * 1.16, f64::max);
    let range = if high > low { high - low } else { 1.0 };
    let x = |i: usize| 2.0 + i as f64 * 100.0 / (values.len() - 1) as f64;
    let y = |value: f64| 24.0 - (value - low) / range * 22.0;
    let mut out = format!(
        "<svg class=\"trend\" viewBox=\"0 0 104 26\" role=\"img\" aria-label=\"{}\"><rect class=\"band\" x=\"0\" width=\"104\" \
         y=\"{:.1}\" height=\"{:.1}\"/><path d=\"M",
        escape(label),
        y(middle * 1.08),
        y(middle * 0.92) - y(middle * 1.08)
    );
    let points: Vec<String> =
        values.iter().enumerate().map(|(i, v)| format!("{:.1} {:.1}", x(i), y(*v))).collect();
    out += &points.join(" ");
    out += "\"/>";
    for (i, value) in values.iter().enumerate() {
        if (value - middle).abs() > 0.2 * middle {
            out += &format!(
                "<path class=\"odd\" d=\"M{:.1} {:.1}l4.5 4.5-4.5 4.5-4.5-4.5z\"/>",
                x(i),
                y(*value) - 4.5
            );
        }
    }
    let last = values.len() - 1;
    out + &format!(
        "<circle class=\"last\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\"/></svg>",
        x(last),
        y(values[last])
    )
}

/// How far something is; `share` is from 0 to 1.
pub fn progress(share: f64, label: &str) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    format!(
        "<svg class=\"bar\" viewBox=\"0 0 1000 6\" preserveAspectRatio=\"none\" role=\"progressbar\" aria-valuenow=\"{:.0}\" \
         aria-valuemin=\"0\" aria-valuemax=\"100\" aria-label=\"{}\"><rect class=\"bg\" width=\"1000\" height=\"6\"/><rect \
         width=\"{:.0}\" height=\"6\"/></svg>",
        share * 100.0,
        escape(label),
        share * 1000.0
    )
}

/// A piece of a lane: its class, from and to in seconds of the run, and its tip.
#[derive(Debug, Clone)]
pub struct Piece {
    /// `g-read`, `g-send`, `g-proof`, `g-keep`, `g-wait`, `g-er`, `g-crit`.
    pub class: &'static str,
    /// Where it begins, in seconds.
    pub from: f64,
    /// Where it ends, in seconds.
    pub to: f64,
    /// What it says when pointed at.
    pub tip: String,
}

/// The lane of one step in a waterfall of `total` seconds.
pub fn lane(total: f64, pieces: &[Piece]) -> String {
    let total = if total > 0.0 { total } else { 1.0 };
    let mut out = "<svg viewBox=\"0 0 1000 18\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
        .to_owned();
    for piece in pieces {
        let width = ((piece.to - piece.from) / total * 1000.0).max(2.5);
        let x = (piece.from / total * 1000.0).clamp(0.0, 1000.0 - 2.5);
        out += &format!(
            "<rect class=\"{}\" x=\"{x:.1}\" y=\"3\" width=\"{:.1}\" height=\"12\"><title>{}</title></rect>",
            piece.class,
            width.min(1000.0 - x),
            escape(&piece.tip)
        );
    }
    out + "</svg>"
}

/// The bracket of a group of steps; `decides` is the one that made the run as long as it was.
pub fn bracket(total: f64, from: f64, to: f64, decides: bool) -> String {
    let total = if total > 0.0 { total } else { 1.0 };
    let (a, b) = (from / total * 1000.0, to / total * 1000.0);
    let class = if decides { "g-crit" } else { "g-keep" };
    format!(
        "<svg viewBox=\"0 0 1000 18\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><path class=\"{class}\" d=\"M{a:.0} \
         7H{b:.0}V10H{a:.0}z\"/></svg>"
    )
}

/// A copy on the line of a retention: its age in days, its proof from 1 to 3, the letters of the
/// rules that keep it, whether it goes next, and its tip.
#[derive(Debug, Clone)]
pub struct Dot {
    /// Age in days.
    pub days: f64,
    /// 1 written, 2 read, 3 restored.
    pub proof: u8,
    /// What stands below it.
    pub letters: String,
    /// Whether the next retention removes it.
    pub goes: bool,
    /// What it says when pointed at.
    pub tip: String,
}

/// Copies on a square-root scale of `span` days, newest right.
pub fn keep_line(dots: &[Dot], span: f64, label: &str) -> String {
    let span = if span > 0.0 { span } else { 1.0 };
    let mut out = format!(
        "<svg viewBox=\"0 0 1000 34\" role=\"img\" aria-label=\"{}\"><line x1=\"10\" x2=\"990\" y1=\"12\" y2=\"12\"/>",
        escape(label)
    );
    for dot in dots {
        let x = 990.0 - (dot.days.max(0.0) / span).sqrt().min(1.0) * 970.0;
        let class = if dot.goes { "gone".to_owned() } else { format!("p{}", dot.proof) };
        out += &format!(
            "<circle class=\"dot {class}\" cx=\"{x:.0}\" cy=\"12\" r=\"5.5\"><title>{}</title></circle>",
            escape(&dot.tip)
        );
        if !dot.letters.is_empty() {
            out += &format!("<text x=\"{x:.0}\" y=\"31\">{}</text>", escape(&dot.letters));
        }
    }
    out + "</svg>"
}

/// How a store grew, oldest first.
pub fn growth(values: &[f64], label: &str) -> String {
    let high = values.iter().copied().fold(0.0, f64::max) * 1.15;
    let high = if high > 0.0 { high } else { 1.0 };
    let step = 1000.0 / (values.len().max(2) - 1) as f64;
    let points: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(i, v)| format!("{:.0} {:.1}", i as f64 * step, 70.0 - v / high * 66.0))
        .collect();
    let points = points.join(" ");
    format!(
        "<svg class=\"chart\" viewBox=\"0 0 1000 72\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\"><path \
         d=\"M0 70L{points}L1000 70z\" class=\"area\"/><path d=\"M{points}\" class=\"edge\"/><rect class=\"base\" y=\"70\" \
         width=\"1000\" height=\"1\"/></svg>",
        escape(label)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(tip: &str, parts: [usize; 3]) -> Column {
        Column { tip: tip.into(), parts }
    }

    #[test]
    fn charts_are_as_they_were() {
        let columns =
            [column("01h: 3", [2, 1, 0]), column("02h: 0", [0; 3]), column("03h: 1", [0, 0, 1])];
        let shown = [
            bars(&columns, "Backups por hora, hoje", false),
            bars(&columns, "Sucesso por hora de hoje", true),
            gauge(25_252, 93_600, "idade 7 h 0 min, prazo 26 h"),
            gauge(1_054_800, 691_200, "idade 12 d 5 h, prazo 8 d"),
            trend(&[6.0, 6.1, 3.1, 6.2], "tamanho de loja, 4 backups"),
            progress(0.38, "loja: 38 por cento"),
            lane(540.0, &[Piece { class: "g-read", from: 1.0, to: 161.0, tip: "6.21 GB".into() }]),
            bracket(540.0, 0.0, 539.0, true),
            keep_line(
                &[
                    Dot {
                        days: 0.0,
                        proof: 2,
                        letters: "d".into(),
                        goes: false,
                        tip: "0 d: d".into(),
                    },
                    Dot {
                        days: 31.0,
                        proof: 2,
                        letters: String::new(),
                        goes: true,
                        tip: "31 d".into(),
                    },
                ],
                40.0,
                "1 cópia guardada",
            ),
            growth(&[156.0, 180.0, 214.0], "cloud: 156 GB a 214 GB em 30 dias"),
        ];
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn no_label_or_tip_becomes_markup() {
        let evil = "\"><script>alert(1)</script>'&\u{0}";
        let columns = [column(evil, [1, 0, 0])];
        let dot = Dot { days: 1.0, proof: 1, letters: evil.into(), goes: false, tip: evil.into() };
        let piece = Piece { class: "g-er", from: 0.0, to: 1.0, tip: evil.into() };
        let shown = [
            bars(&columns, evil, false),
            gauge(1, 0, evil),
            trend(&[1.0, 2.0], evil),
            progress(f64::NAN, evil),
            lane(0.0, &[piece]),
            keep_line(&[dot], 0.0, evil),
            growth(&[], evil),
        ];
        for text in shown {
            assert!(!text.contains("<script") && !text.contains("\u{0}"), "{text}");
            assert_eq!(text.matches("<svg").count(), 1, "{text}");
        }
    }

    #[test]
    fn a_median_is_the_middle_and_nothing_has_none() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        assert_eq!(trend(&[1.0], "x"), "");
    }
}
