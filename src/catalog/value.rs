//! What goes into a statement and comes out of it, whatever database the catalog is in.

/// One value of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// NULL.
    Null,
    /// A whole number.
    Int(i64),
    /// A text; also a fraction, as its digits.
    Text(String),
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Value {
        Value::Text(text.clone())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Value {
        Value::Int(i64::from(yes))
    }
}

/// Whole numbers; one too big for the column is its biggest.
macro_rules! whole {
    ($($kind:ty)*) => {$(
        impl From<$kind> for Value {
            fn from(number: $kind) -> Value {
                Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
            }
        }
    )*};
}

whole! { i64 u64 u32 i32 u8 usize }

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

impl<T: Clone + Into<Value>> From<&Option<T>> for Value {
    fn from(value: &Option<T>) -> Value {
        value.clone().map_or(Value::Null, Into::into)
    }
}

/// One row of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(pub Vec<Value>);

impl Row {
    /// The text of a column; empty where it is NULL or a number.
    pub fn text(&self, column: usize) -> &str {
        self.opt_text(column).unwrap_or("")
    }

    /// The text of a column, if it has one.
    pub fn opt_text(&self, column: usize) -> Option<&str> {
        match self.0.get(column) {
            Some(Value::Text(text)) => Some(text),
            Some(Value::Int(_) | Value::Null) | None => None,
        }
    }

    /// The number of a column; 0 where it is NULL or no number.
    pub fn int(&self, column: usize) -> i64 {
        self.opt_int(column).unwrap_or(0)
    }

    /// The number of a column, if it has one: a sum comes as digits from some databases, and what
    /// stands behind its point is cut.
    pub fn opt_int(&self, column: usize) -> Option<i64> {
        match self.0.get(column)? {
            Value::Int(number) => Some(*number),
            Value::Text(text) => {
                text.split_once('.').map_or(&**text, |(whole, _)| whole).parse().ok()
            }
            Value::Null => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_as_digits_too() {
        let row = Row(vec![Value::Text("12.75".into()), Value::Int(3), Value::Null]);
        assert_eq!([row.int(0), row.int(1), row.int(2), row.int(9)], [12, 3, 0, 0]);
        assert_eq!(row.opt_text(1), None);
        assert_eq!(Value::from(None::<&str>), Value::Null);
        assert_eq!(Value::from(u64::MAX), Value::Int(i64::MAX));
    }
}
