//! The guide the demo model answers from: Markdown, cut into sections.

use std::sync::LazyLock;

use super::terms::words;

static EMBEDDED: LazyLock<Guide> = LazyLock::new(|| Guide::parse(include_str!("guide.md")));

/// A text in sections, each about one topic. What it looks like on disk is said at the top of `guide.md`.
#[derive(Debug)]
pub(crate) struct Guide {
    sections: Vec<Section>,
}

/// One topic: its names, what is to be said about it, and what can be shown.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    /// The title and the other names, as lower-case words.
    pub(crate) names: Vec<Vec<String>>,
    /// The most important first.
    pub(crate) sentences: Vec<&'static str>,
    /// A list, a table or a code block in Markdown.
    pub(crate) block: Option<&'static str>,
    pub(crate) haiku: Option<Vec<&'static str>>,
}

impl Guide {
    /// The project's own guide.
    pub(crate) fn embedded() -> &'static Guide {
        &EMBEDDED
    }

    pub(crate) fn parse(text: &'static str) -> Guide {
        // A line `## ` inside a code block would open a section; the guide has none.
        let sections = text.split("\n## ").skip(1).map(Section::parse).collect();
        Guide { sections }
    }

    pub(crate) fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The section with this title.
    pub(crate) fn titled(&self, title: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.title == title)
    }
}

impl Section {
    fn parse(text: &'static str) -> Section {
        let (title, rest) = text.split_once('\n').unwrap_or((text, ""));
        let mut section =
            Section { title: title.trim(), names: vec![words(title)], sentences: Vec::new(), block: None, haiku: None };
        let mut rest = rest.trim();
        if let Some((also, after)) = rest.strip_prefix("<!-- also:").and_then(|rest| rest.split_once("-->")) {
            section.names.extend(also.split(',').map(words));
            rest = after.trim_start();
        }
        if let Some((before, haiku)) = rest.rsplit_once("\n> ") {
            section.haiku = Some(haiku.split('/').map(str::trim).collect());
            rest = before.trim_end();
        }
        let (prose, block) = rest.split_once("\n\n").unwrap_or((rest, ""));
        section.sentences = prose.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        section.block = Some(block.trim()).filter(|block| !block.is_empty());
        section
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_has_names_sentences_a_block_and_a_haiku() {
        let guide = Guide::parse(
            "# Title\n\n## Mills\n<!-- also: a mill, grinding -->\nMills grind. \nThey turn.\n\n\
             - corn\n- rye\n\n> one / two / three\n\n## Empty\n",
        );
        let mills = guide.titled("Mills").unwrap();
        assert_eq!(mills.names, [vec!["mills"], vec!["a", "mill"], vec!["grinding"]]);
        assert_eq!(mills.sentences, ["Mills grind.", "They turn."]);
        assert_eq!(mills.block, Some("- corn\n- rye"));
        assert_eq!(mills.haiku.as_deref(), Some(["one", "two", "three"].as_slice()));
        let empty = guide.titled("Empty").unwrap();
        assert!(empty.sentences.is_empty() && empty.block.is_none() && empty.haiku.is_none());
    }

    #[test]
    fn every_section_of_the_guide_can_be_answered_from() {
        let guide = Guide::embedded();
        assert!(guide.sections().len() >= 30);
        for section in guide.sections() {
            let title = section.title;
            assert!((3..=8).contains(&section.sentences.len()), "{title}: {:?}", section.sentences);
            for sentence in &section.sentences {
                assert!(sentence.ends_with('.'), "{title}: {sentence}");
            }
            assert!(section.haiku.as_ref().is_none_or(|lines| lines.len() == 3), "{title}");
            assert!(section.names.iter().all(|name| !name.is_empty()), "{title}: {:?}", section.names);
            let fences = section.block.unwrap_or_default().matches("```").count();
            assert!(fences % 2 == 0, "{title}: an open code block");
        }
    }
}
