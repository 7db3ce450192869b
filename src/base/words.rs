//! Texts of the operating system as people read them.

/// A text without the numbers that Rust adds to an error of the system: ` (os error 28)`.
pub fn without_number(text: &str) -> String {
    const BEGINS: &str = " (os error ";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEGINS) {
        out += before;
        let end = after.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(after.len());
        match (end, after[end..].strip_prefix(')')) {
            (1.., Some(tail)) => rest = tail,
            _ => {
                out += BEGINS;
                rest = after;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_number_of_an_error_goes() {
        let table = [
            ("full (os error 28): full (os error 28)", "full: full"),
            ("no (os error x)", "no (os error x)"),
            ("no (os error ", "no (os error "),
            ("(os error 2)", "(os error 2)"),
        ];
        for (text, plain) in table {
            assert_eq!(without_number(text), plain);
        }
    }
}
