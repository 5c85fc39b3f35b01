//! Reads the tags of a mustache template.

use super::{Node, Path};

/// So that neither rendering nor dropping a template can use up the stack.
const DEEPEST: usize = 100;

/// Reads a template.
///
/// # Errors
/// What cannot be read, with its line.
pub(in crate::prompt::template) fn read(template: &str) -> Result<Vec<Node>, String> {
    Reader {
        template,
        at: 0,
        line: 1,
        counted: 0,
        open: "{{",
        close: "}}",
        begins_line: true,
        nodes: Vec::new(),
        around: Vec::new(),
    }
    .read()
}

struct Reader<'t> {
    template: &'t str,
    at: usize,
    /// The line of the place up to which lines were counted.
    line: usize,
    counted: usize,
    open: &'t str,
    close: &'t str,
    /// Whether the tag before left nothing of its line.
    begins_line: bool,
    nodes: Vec<Node>,
    /// The sections that are open, with the nodes before each.
    around: Vec<Open<'t>>,
}

struct Open<'t> {
    name: &'t str,
    inverted: bool,
    line: usize,
    before: Vec<Node>,
}

impl<'t> Reader<'t> {
    fn read(mut self) -> Result<Vec<Node>, String> {
        while let Some(length) = self.rest().find(self.open) {
            let plain = &self.rest()[..length];
            self.at += length + self.open.len();
            self.tag(plain)?;
        }
        self.text(self.rest());
        match self.around.pop() {
            Some(open) => Err(format!("the section {:?} of line {} is not closed", open.name, open.line)),
            None => Ok(self.nodes),
        }
    }

    fn rest(&self) -> &'t str {
        &self.template[self.at..]
    }

    fn line(&mut self) -> usize {
        self.line += self.template[self.counted..self.at].matches('\n').count();
        self.counted = self.at;
        self.line
    }

    fn text(&mut self, plain: &str) {
        if !plain.is_empty() {
            self.nodes.push(Node::Text(plain.to_owned()));
        }
    }

    /// The tag that begins here, behind the text `plain`.
    fn tag(&mut self, plain: &'t str) -> Result<(), String> {
        let line = self.line();
        let length = self.rest().find(self.close).ok_or_else(|| format!("the tag in line {line} is not closed"))?;
        let tag = &self.rest()[..length];
        let in_braces = self.open == "{{" && self.close == "}}";
        self.at += length + self.close.len();
        let kind = tag.chars().next().filter(|first| "!#^/>={&".contains(*first));
        let name = kind.map_or(tag, |_| &tag[1..]).trim();
        if kind == Some('{') {
            if !(in_braces && self.rest().starts_with('}')) {
                return Err(format!("{{{{{{ in line {line} is not closed with }}}}}}"));
            }
            self.at += 1;
        }
        if name.is_empty() && kind != Some('!') {
            return Err(format!("the tag in line {line} has no name"));
        }
        let is_value = matches!(kind, None | Some('{' | '&'));
        let plain = self.without_own_line(plain, is_value);
        self.text(plain);
        match kind {
            None => self.nodes.push(Node::Value { path: Path::read(name), escaped: true }),
            Some('{' | '&') => self.nodes.push(Node::Value { path: Path::read(name), escaped: false }),
            Some('#' | '^') => {
                if self.around.len() == DEEPEST {
                    return Err(format!("more than {DEEPEST} sections are open in line {line}"));
                }
                let before = std::mem::take(&mut self.nodes);
                self.around.push(Open { name, inverted: kind == Some('^'), line, before });
            }
            Some('/') => self.end(name, line)?,
            Some('=') => self.delimiters(name, line)?,
            Some('>') => {
                return Err(format!("{{{{> {name}}}}} in line {line}: there are no other templates to insert"));
            }
            _ => {}
        }
        Ok(())
    }

    /// A tag which is alone on its line takes the whole line with it, unless it stands for a value.
    fn without_own_line(&mut self, plain: &'t str, is_value: bool) -> &'t str {
        let indent = plain.rsplit('\n').next().unwrap_or_default();
        let begins = (plain.contains('\n') || self.begins_line) && indent.trim().is_empty();
        let behind = self.rest().split('\n').next().unwrap_or_default();
        self.begins_line = begins && !is_value && behind.trim().is_empty();
        if !self.begins_line {
            return plain;
        }
        if let Some(end) = self.rest().find('\n') {
            self.at += end + 1;
        }
        plain.trim_end_matches(' ')
    }

    fn end(&mut self, name: &str, line: usize) -> Result<(), String> {
        let Some(open) = self.around.pop() else {
            return Err(format!("{{{{/{name}}}}} in line {line} closes a section that is not open"));
        };
        if open.name != name {
            return Err(format!(
                "{{{{/{name}}}}} in line {line} comes before {:?} is closed, of line {}",
                open.name, open.line
            ));
        }
        let nodes = std::mem::replace(&mut self.nodes, open.before);
        let path = Path::read(name);
        self.nodes.push(if open.inverted { Node::Inverted { path, nodes } } else { Node::Section { path, nodes } });
        Ok(())
    }

    fn delimiters(&mut self, marks: &'t str, line: usize) -> Result<(), String> {
        let mut marks = marks.strip_suffix('=').unwrap_or_default().split_whitespace();
        match (marks.next(), marks.next(), marks.next()) {
            (Some(open), Some(close), None) => (self.open, self.close) = (open, close),
            _ => return Err(format!("new marks are written {{{{=<% %>=}}}}; see line {line}")),
        }
        Ok(())
    }
}

impl Path {
    fn read(name: &str) -> Self {
        if name == "." { Self(Vec::new()) } else { Self(name.split('.').map(str::to_owned).collect()) }
    }
}
