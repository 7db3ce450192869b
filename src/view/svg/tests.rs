//! Charts as text, and what a hostile name may not do to them.

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
                Dot { days: 0.0, proof: 2, letters: "d".into(), goes: false, tip: "0 d: d".into() },
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
