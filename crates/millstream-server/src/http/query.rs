//! The query of a URL, read byte for byte: a value that is not UTF-8 is refused, not repaired.

use percent_encoding::percent_decode;

use super::Problem;

/// The value of `name`, decoded; `None` if it is not there.
pub(crate) fn value(query: Option<&str>, name: &'static str) -> Result<Option<String>, Problem> {
    let Some(query) = query else { return Ok(None) };
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decode(key).as_deref() == Some(name) {
            let text = decode(value);
            let refused = || Problem::bad_request(format!("the query's {name:?} is not UTF-8"));
            return text.map(Some).ok_or_else(refused);
        }
    }
    Ok(None)
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_bad_ones_refused() {
        let query = Some("a=1&question=a+b%20%C3%A9%2B&empty=");
        assert_eq!(value(query, "question").unwrap().unwrap(), "a b é+");
        assert_eq!(value(query, "empty").unwrap().unwrap(), "");
        assert_eq!(value(query, "none").unwrap(), None);
        assert!(value(Some("question=%FF"), "question").is_err());
    }
}
