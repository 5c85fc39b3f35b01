//! Whether the pieces of a JSON object so far make a whole one, in constant memory.

/// Follows the brackets and texts of a JSON value that comes in pieces.
#[derive(Clone, Debug, Default)]
pub(super) struct Completeness {
    depth: usize,
    in_text: bool,
    escaped: bool,
    complete: bool,
}

impl Completeness {
    pub(super) fn push(&mut self, json: &str) {
        for byte in json.bytes() {
            if self.in_text {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_text = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.complete = self.depth == 0;
                }
                _ => {}
            }
        }
    }

    /// The outermost bracket is closed.
    pub(super) fn is_complete(&self) -> bool {
        self.complete && self.depth == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_complete_with_its_last_bracket_only() {
        let json = r#" {"a}": ["\"}", {"b\\": "}"}], "c": 1} "#;
        let end = json.rfind('}').unwrap();
        let mut pieces = Completeness::default();
        for (at, byte) in json.char_indices() {
            pieces.push(&byte.to_string());
            assert_eq!(pieces.is_complete(), at >= end, "after {:?}", &json[..=at]);
        }
    }
}
