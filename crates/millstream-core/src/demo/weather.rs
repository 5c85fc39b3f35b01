//! Questions about the weather: the demo model's reason to call a tool.

use super::terms::words;

const ABOUT_WEATHER: &[&str] = &["weather", "temperature", "forecast"];
const BEFORE_A_CITY: &[&str] = &["in", "for", "at", "of"];
/// What may stand around a city and is not part of it.
#[rustfmt::skip]
const NOT_A_CITY: &[&str] = &[
    "a", "and", "are", "be", "current", "currently", "forecast", "get", "give", "good", "hey", "hi", "how", "is",
    "it", "like", "me", "now", "outside", "please", "right", "tell", "temperature", "that", "the", "there", "this",
    "today", "tomorrow", "tonight", "weather", "week", "weekend", "what", "whats", "will", "you",
];

/// Whether the question asks for the weather anywhere.
pub(crate) fn is_about_weather(question: &str) -> bool {
    words(question).iter().any(|word| ABOUT_WEATHER.contains(&word.as_str()))
}

/// The city whose weather is asked for: `What's the weather in Paris?` is about `Paris`. `None` when the question is
/// about something else, or names no city.
pub(crate) fn weather_city(question: &str) -> Option<String> {
    if !is_about_weather(question) {
        return None;
    }
    let words: Vec<&str> = question.split_whitespace().collect();
    let after_preposition = words
        .iter()
        .rposition(|word| BEFORE_A_CITY.contains(&bare(word).to_lowercase().as_str()))
        .and_then(|position| city_at_start(&words[position + 1..], |_| true));
    // `Paris weather?` or `Weather Paris`: a capital letter must do.
    after_preposition.or_else(|| {
        (0..words.len()).find_map(|start| city_at_start(&words[start..], |word| word.starts_with(char::is_uppercase)))
    })
}

/// The words from the start on that can be one city's name.
fn city_at_start(words: &[&str], fits: impl Fn(&str) -> bool) -> Option<String> {
    let mut city: Vec<&str> = Vec::new();
    for word in words {
        let name = bare(word);
        if name.is_empty() || NOT_A_CITY.contains(&name.to_lowercase().replace(['\'', '’'], "").as_str()) || !fits(name)
        {
            break;
        }
        city.push(name);
        // Punctuation behind it ends the name, but for the point of `St. Gallen`.
        let ended = word.ends_with(|c: char| c != '.' && !c.is_alphanumeric());
        if ended {
            break;
        }
    }
    (!city.is_empty()).then(|| capitalised(&city.join(" ")))
}

fn bare(word: &str) -> &str {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")).unwrap_or(word)
}

/// People type cities in lower case; tools get them as they are written.
fn capitalised(city: &str) -> String {
    if city.chars().any(char::is_uppercase) {
        return city.to_owned();
    }
    let mut start = true;
    let mut name = String::with_capacity(city.len());
    for c in city.chars() {
        if start {
            name.extend(c.to_uppercase());
        } else {
            name.push(c);
        }
        start = !c.is_alphanumeric();
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_city_is_found() {
        for (question, city) in [
            ("What's the weather in Paris?", Some("Paris")),
            ("What is the weather like in New York today?", Some("New York")),
            ("weather in san francisco", Some("San Francisco")),
            ("How is the weather in São Paulo, please?", Some("São Paulo")),
            ("Weather forecast for Zürich tomorrow!", Some("Zürich")),
            ("What is the temperature right now in Paris and London?", Some("Paris")),
            ("Paris weather?", Some("Paris")),
            ("weather Berlin", Some("Berlin")),
            ("What's Oslo's weather?", Some("Oslo")),
            ("What will the weather be in Rio de Janeiro this weekend?", Some("Rio de Janeiro")),
            ("What is the weather?", None),
            ("How is the weather today?", None),
            ("What's the weather like?", None),
            ("What is LangGraph in Paris?", None),
            ("", None),
        ] {
            assert_eq!(weather_city(question).as_deref(), city, "{question}");
        }
    }

    proptest! {
        #[test]
        fn any_text_may_follow(text in "\\PC*") {
            let city = weather_city(&format!("What is the weather in {text}"));
            prop_assert!(city.is_none_or(|city| !city.trim().is_empty()));
        }
    }
}
