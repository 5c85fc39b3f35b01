//! From the text of JSON, whole or not, to the value that it shows.

use serde_json::{Map, Number, Value};

use super::scan::{Container, Scan, Token};

/// What `text` shows; `None` if it shows nothing yet.
pub(super) fn value(text: &str) -> Option<Value> {
    let mut building = Building::default();
    Scan::default().read(text, &mut |token| building.take(token));
    building.finish()
}

#[derive(Default)]
struct Building {
    root: Option<Value>,
    open: Vec<Open>,
    text: Option<String>,
    number: String,
}

enum Open {
    Object { fields: Map<String, Value>, key: String },
    List(Vec<Value>),
}

impl Building {
    fn take(&mut self, token: Token<'_>) {
        match token {
            Token::Open(Container::Object) => {
                self.open.push(Open::Object { fields: Map::new(), key: String::new() });
            }
            Token::Open(Container::List) => self.open.push(Open::List(Vec::new())),
            Token::Close => self.close(),
            Token::Key(more) => {
                if let Some(Open::Object { key, .. }) = self.open.last_mut() {
                    key.push_str(more);
                }
            }
            Token::KeyEnd => {}
            Token::TextStart => self.text = Some(String::new()),
            Token::Text(more) => self.text.get_or_insert_default().push_str(more),
            Token::TextEnd => self.end_text(),
            Token::Number { character, .. } => self.number.push(character),
            Token::NumberEnd => self.end_number(),
            Token::Literal(literal) => self.put(literal.map_or(Value::Null, Value::Bool)),
        }
    }

    /// Ends everything that is open where it is.
    fn finish(mut self) -> Option<Value> {
        self.end_text();
        self.end_number();
        while !self.open.is_empty() {
            self.close();
        }
        self.root
    }

    fn put(&mut self, value: Value) {
        match self.open.last_mut() {
            Some(Open::Object { fields, key }) => {
                fields.insert(std::mem::take(key), value);
            }
            Some(Open::List(items)) => items.push(value),
            None => self.root = Some(value),
        }
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Open::Object { fields, .. }) => self.put(Value::Object(fields)),
            Some(Open::List(items)) => self.put(Value::Array(items)),
            None => {}
        }
    }

    fn end_text(&mut self) {
        if let Some(text) = self.text.take() {
            self.put(Value::String(text));
        }
    }

    fn end_number(&mut self) {
        let written = std::mem::take(&mut self.number);
        // A point or an exponent without digits says nothing yet.
        let written = written.trim_end_matches(['.', 'e', 'E', '+', '-']);
        if !written.is_empty() {
            // One that no number of ours can be is there all the same.
            self.put(written.parse::<Number>().map_or(Value::Null, Value::Number));
        }
    }
}
