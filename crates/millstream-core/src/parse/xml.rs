//! XML.

mod element;
mod leaf;
mod scan;

pub use element::{XmlElement, XmlFold};
pub use leaf::XmlLeaf;

use std::sync::Arc;

use super::text_parser::{Reading, TextParser};
use super::{excerpt, unfit};
use crate::cx::Label;
use crate::error::Result;
use crate::event::Kind;
use leaf::{Leaves, Told};
use scan::{Scan, Token};

/// How deep elements may be nested.
const DEPTH: usize = 128;

/// Reads an answer as XML: LangChain's `XMLOutputParser`. Streams each innermost element when it has ended, with the names of those around it;
/// in a chain of any types the whole as far as it has come.
///
/// The first tag of the answer is the outermost one. What is before it and after its end is left out, and so are attributes, comments, and
/// text beside elements. What models get wrong where they write text is taken for text: a lone `&` or `<`. [`TextInside`](crate::TextInside)
/// gives the text of one tag as it comes.
///
/// ```
/// use millstream_core::{Demo, Model, Runnable, Xml};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let said = "Of course: <film><title>Alien</title><cast><who>Weaver</who><who>Hurt</who></cast></film>";
/// let film = Model::from(Demo::says([said])).pipe(Xml).run("A film, please").await?;
/// assert_eq!(film.get("title").unwrap().text(), Some("Alien"));
/// let json = r#"{"film":[{"title":"Alien"},{"cast":[{"who":"Weaver"},{"who":"Hurt"}]}]}"#;
/// assert_eq!(serde_json::to_string(&film).unwrap(), json);
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
///
/// # Errors
/// `invalid_output` if there is no tag, a tag ends that is not the innermost, or the answer ends before the outermost does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Xml;

impl Xml {
    /// What to tell a model that should use the tags `tags`.
    pub fn format_instructions(self, tags: &[&str]) -> String {
        let tags: Vec<String> = tags.iter().map(|tag| format!("<{tag}>")).collect();
        format!(
            "Answer with XML, and with nothing else: one element with all others in it, each closed before the one around it. \
             Use these tags: {}.",
            tags.join(", ")
        )
    }
}

impl TextParser for Xml {
    type Reading = ReadingXml;

    fn read(&self) -> ReadingXml {
        ReadingXml::default()
    }

    fn label(&self) -> Label {
        Label::new(Kind::Parser, "XMLOutputParser")
    }
}

/// An answer that is read as XML.
#[derive(Default)]
pub struct ReadingXml {
    scan: Scan,
    open: Vec<Open>,
    leaves: Leaves,
    /// How many of the open elements are in a leaf that was given.
    told: usize,
    has_begun: bool,
}

#[derive(Debug)]
struct Open {
    name: Arc<str>,
    text: String,
    has_children: bool,
}

impl ReadingXml {
    fn take(&mut self, token: Token, made: &mut Vec<XmlLeaf>) -> Result<()> {
        match token {
            Token::Start(name) => self.start(&name),
            Token::Character(character) => {
                if let Some(innermost) = self.open.last_mut().filter(|innermost| !innermost.has_children) {
                    innermost.text.push(character);
                }
                Ok(())
            }
            Token::End(name) => self.end(&name, made),
        }
    }

    fn start(&mut self, name: &str) -> Result<()> {
        if self.open.len() == DEPTH {
            return Err(unfit(format!("the model's answer has elements nested more than {DEPTH} deep")));
        }
        if let Some(around) = self.open.last_mut() {
            around.has_children = true;
            around.text.clear();
        }
        self.has_begun = true;
        self.open.push(Open { name: name.into(), text: String::new(), has_children: false });
        Ok(())
    }

    fn end(&mut self, name: &str, made: &mut Vec<XmlLeaf>) -> Result<()> {
        let Some(ended) = self.open.pop_if(|innermost| &*innermost.name == name) else {
            let place = self.place();
            return Err(unfit(format!("the model's answer has </{}> where {place} is open", excerpt(name))));
        };
        let around = self.open.len();
        if !ended.has_children {
            let path = self.open.iter().map(|open| open.name.clone()).chain([ended.name]).collect();
            let text = (!ended.text.is_empty()).then_some(ended.text);
            made.push(self.leaves.add(Told { path, shared: self.told.min(around), text }));
            self.told = around;
        }
        self.told = self.told.min(around);
        if around == 0 {
            self.scan.stop();
        }
        Ok(())
    }

    fn place(&self) -> String {
        let names: String = self.open.iter().map(|open| format!("<{}>", open.name)).collect();
        excerpt(&names)
    }
}

impl Reading for ReadingXml {
    type Output = XmlElement;

    fn push(&mut self, text: &str, made: &mut Vec<XmlLeaf>) -> Result<()> {
        let mut tokens = Vec::new();
        for character in text.chars() {
            self.scan.take(character, &mut tokens);
            tokens.drain(..).try_for_each(|token| self.take(token, made))?;
        }
        Ok(())
    }

    fn finish(self, _: &mut Vec<XmlLeaf>) -> Result<()> {
        if !self.has_begun {
            return Err(unfit("the model's answer has no XML: there is no tag in it"));
        }
        if !self.open.is_empty() {
            return Err(unfit(format!("the model's answer ends inside of {}", self.place())));
        }
        Ok(())
    }
}
