//! A word of a search over what is kept in another form than it is shown: what it may stand for.
//!
//! Knows no language; whoever shows the list says what a word means in it.

use crate::catalog::value::Value;

/// A word of a search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sought {
    /// The word, small and without accents.
    pub text: String,
    /// Verdicts that are shown as it.
    pub verdicts: Vec<u8>,
    /// Keys of actions that are shown as it.
    pub actions: Vec<&'static str>,
    /// Where it is a day: its first moment, and that of the next.
    pub day: Option<(String, String)>,
}

impl Sought {
    /// That one of `columns` holds the word, that `code` is one of what it stands for, or that `at`
    /// is in its day; and the values of that.
    pub fn condition(&self, columns: &[&str], code: &str, at: &str) -> (String, Vec<Value>) {
        let escaped: String = self
            .text
            .chars()
            .flat_map(|c| match c {
                '%' | '_' | '!' => vec!['!', c],
                other => vec![other],
            })
            .collect();
        let like = |column: &&str| format!("lower({column}) LIKE ? ESCAPE '!'");
        let mut parts: Vec<String> = columns.iter().map(like).collect();
        let mut values = vec![Value::Text(format!("%{escaped}%")); columns.len()];
        let codes = self.verdicts.iter().map(|v| Value::from(i64::from(*v)));
        for value in codes.chain(self.actions.iter().map(|a| Value::from(*a))) {
            parts.push(format!("{code} = ?"));
            values.push(value);
        }
        if let Some((from, to)) = &self.day {
            parts.push(format!("({at} >= ? AND {at} < ?)"));
            values.extend([Value::from(from.as_str()), Value::from(to.as_str())]);
        }
        (format!("({})", parts.join(" OR ")), values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_compared_as_it_stands_and_as_what_it_means() {
        let day = Some(("a".to_owned(), "b".to_owned()));
        let word = Sought { text: "5%".into(), verdicts: vec![2], day, ..Sought::default() };
        let (sql, values) = word.condition(&["job", "host"], "verdict", "started");
        assert_eq!(
            sql,
            "(lower(job) LIKE ? ESCAPE '!' OR lower(host) LIKE ? ESCAPE '!' OR verdict = ? OR \
             (started >= ? AND started < ?))"
        );
        assert_eq!(values.len(), 5);
        assert_eq!(values[0], Value::Text("%5!%%".into()));
    }
}
