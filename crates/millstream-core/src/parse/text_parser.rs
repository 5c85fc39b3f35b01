//! What reads the text of an answer.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};

use super::once::once;
use crate::cx::{Cx, Label};
use crate::error::Result;
use crate::event::Kind;
use crate::input::Input;
use crate::message::Message;
use crate::part::Chunk;
use crate::runnable::Runnable;
use crate::streamed::{Chunks, Streamed};

/// A parser of the text that an answer shows: a step from a [`Message`], and with [`on_text`](Self::on_text) from a text.
///
/// What it makes may not depend on where the text is cut. A parser can keep what it has not understood yet; it should keep little.
///
/// ```
/// use millstream_core::{Reading, Result, Runnable, TextParser};
///
/// /// Gives the lines, each when it has ended.
/// #[derive(Clone)]
/// struct Lines;
///
/// #[derive(Default)]
/// struct Line(String);
///
/// impl TextParser for Lines {
///     type Reading = Line;
///
///     fn read(&self) -> Line {
///         Line::default()
///     }
/// }
///
/// impl Reading for Line {
///     type Output = Vec<String>;
///
///     fn push(&mut self, text: &str, made: &mut Vec<Vec<String>>) -> Result<()> {
///         for character in text.chars() {
///             match character {
///                 '\n' => made.push(vec![std::mem::take(&mut self.0)]),
///                 other => self.0.push(other),
///             }
///         }
///         Ok(())
///     }
///
///     fn finish(self, made: &mut Vec<Vec<String>>) -> Result<()> {
///         made.push(vec![self.0]);
///         Ok(())
///     }
/// }
///
/// # futures_util::FutureExt::now_or_never(async {
/// assert_eq!(Lines.on_text().run("one\ntwo").await?, ["one", "two"]);
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a step of a chain",
    note = "steps are prompts, models, parsers, chains, and types that implement `Runnable` or `TextParser`"
)]
pub trait TextParser: Clone + Send + Sync + 'static {
    /// What reads one text.
    type Reading: Reading;

    /// Begins to read a text.
    fn read(&self) -> Self::Reading;

    /// How the parser presents itself in events.
    fn label(&self) -> Label {
        Label::new(Kind::Parser, crate::runnable::short_type_name::<Self>())
    }

    /// The same parser as a step from a text.
    fn on_text(self) -> OnText<Self> {
        OnText(self)
    }
}

/// One text that is being read.
pub trait Reading: Send + 'static {
    /// What it is made into.
    type Output: Streamed;

    /// Reads on, and adds to `made` what this piece of the text makes; in most cases nothing or one thing.
    ///
    /// # Errors
    /// If the text cannot be what was asked for, whatever comes.
    fn push(&mut self, text: &str, made: &mut Vec<<Self::Output as Streamed>::Chunk>) -> Result<()>;

    /// The text has ended: adds to `made` what is left.
    ///
    /// # Errors
    /// If the text is not what was asked for.
    fn finish(self, made: &mut Vec<<Self::Output as Streamed>::Chunk>) -> Result<()>;
}

impl<P: TextParser> Runnable for P {
    type Input = Message;
    type Output = <P::Reading as Reading>::Output;

    fn label(&self) -> Label {
        TextParser::label(self)
    }

    fn transform(&self, input: Input<Message>, cx: Cx) -> Chunks<Self::Output> {
        parse::<Message, _>(self.read(), once(input.chunks(&cx)), Chunk::text)
    }
}

/// A parser as a step from a text: what [`TextParser::on_text`] gives.
#[derive(Clone, Copy, Debug, Default)]
pub struct OnText<P>(P);

impl<P: TextParser> Runnable for OnText<P> {
    type Input = String;
    type Output = <P::Reading as Reading>::Output;

    fn label(&self) -> Label {
        TextParser::label(&self.0)
    }

    fn transform(&self, input: Input<String>, cx: Cx) -> Chunks<Self::Output> {
        parse::<String, _>(self.0.read(), input.chunks(&cx), |text| Some(text.clone()))
    }
}

fn parse<I: Streamed, R: Reading>(
    mut reading: R,
    mut pieces: Chunks<I>,
    text: fn(&I::Chunk) -> Option<Arc<str>>,
) -> Chunks<R::Output> {
    let parsed = async_stream::try_stream! {
        let mut made = Vec::new();
        while let Some(piece) = pieces.try_next().await? {
            let Some(text) = text(&piece) else { continue };
            let read = reading.push(&text, &mut made);
            for chunk in made.drain(..) {
                yield chunk;
            }
            read?;
        }
        let read = reading.finish(&mut made);
        for chunk in made.drain(..) {
            yield chunk;
        }
        read?;
    };
    parsed.boxed()
}
