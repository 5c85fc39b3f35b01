//! The text of an answer, as it is.

use futures_util::{StreamExt, TryStreamExt};

use super::once::once;
use crate::cx::{Cx, Label};
use crate::event::Kind;
use crate::input::Input;
use crate::message::Message;
use crate::runnable::Runnable;
use crate::streamed::Chunks;

/// Takes the visible text out of a message, as it comes.
///
/// ```
/// use millstream_core::{Demo, Model, Runnable, Text};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let text: String = Model::from(Demo::instant()).pipe(Text).run("hello").await?;
/// assert!(!text.is_empty());
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Text;

impl Runnable for Text {
    type Input = Message;
    type Output = String;

    fn label(&self) -> Label {
        Label::new(Kind::Parser, "StrOutputParser")
    }

    fn transform(&self, input: Input<Message>, cx: Cx) -> Chunks<String> {
        // A piece without text is an empty text, so that who counts pieces counts the same before and after.
        once(input.chunks(&cx)).map_ok(|chunk| chunk.text().unwrap_or_default()).boxed()
    }
}
