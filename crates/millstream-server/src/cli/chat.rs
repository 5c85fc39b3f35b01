//! `millstream chat`: in the terminal, streaming.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use futures_util::StreamExt;
use millstream::{
    Chain, Delta, Error, Message, MessageFold, Messages, Part, Result, Runnable, Usage, UsageSource, Vars, vars,
};

use millstream::models::ProviderDetail;

use super::fail;
use super::model::{self, ModelArguments};

/// Arguments of `chat`.
#[derive(Debug, Args)]
pub(crate) struct ChatArguments {
    /// What to ask. Without it, questions are read from standard input, one a line, as one conversation.
    question: Option<String>,
    #[command(flatten)]
    model: ModelArguments,
    /// The system prompt.
    #[arg(long, value_name = "TEXT", default_value = "You are a helpful assistant.")]
    system: String,
}

/// How an answer ended.
enum Ending {
    Complete(Message),
    /// Ctrl-C: what had come is kept.
    Stopped(Message),
}

/// Asks, prints, and ends with 0, or 1 for a failure, or 130 if the last answer was stopped.
pub(crate) fn run(arguments: ChatArguments) -> ExitCode {
    let found = match arguments.model.find() {
        Ok(found) => found,
        Err(error) => return fail(error, 2),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(error, 1),
    };

    let ended = runtime.block_on(async {
        let chain = model::chat(&found, &arguments.system);
        match arguments.question {
            Some(question) if question.trim().is_empty() => {
                Err(Problem::Usage("the question is empty; ask something".to_owned()))
            }
            Some(question) => Ok(matches!(ask(&chain, Messages::default(), &question).await?, Ending::Complete(_))),
            None => converse(&chain, &found.to_string()).await,
        }
    });
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(130),
        Err(Problem::Usage(message)) => fail(message, 2),
        Err(Problem::Run(error)) => fail(in_full(&error), 1),
    }
}

/// The error with the provider's own words: the terminal belongs to the person whose key it is.
fn in_full(error: &Error) -> String {
    match ProviderDetail::of(error) {
        Some(detail) => format!("{error}\n  the provider says: {}", detail.body().trim()),
        None => error.to_string(),
    }
}

enum Problem {
    Usage(String),
    Run(Error),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Run(error)
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self::Run(error.into())
    }
}

/// Reads questions line by line; each answer knows the ones before.
async fn converse(chain: &Chain<Vars, Message>, model: &str) -> Result<bool, Problem> {
    let interactive = std::io::stdin().is_terminal();
    let mut history = Messages::default();
    if interactive {
        eprintln!("{model}\nAsk; Ctrl-C stops an answer, Ctrl-D ends.");
    }
    let mut complete = true;
    loop {
        if interactive {
            eprint!("\n> ");
        }
        let mut line = String::new();
        // Blocking is right here: nothing else runs while a person types.
        if std::io::stdin().lock().read_line(&mut line)? == 0 {
            return Ok(complete);
        }
        let question = line.trim();
        if question.is_empty() {
            continue;
        }
        let ending = match ask(chain, history.clone(), question).await {
            Ok(ending) => ending,
            Err(error) if interactive => {
                eprintln!("millstream: {}", in_full(&error));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        complete = matches!(ending, Ending::Complete(_));
        let (Ending::Complete(answer) | Ending::Stopped(answer)) = ending;
        history.push(Message::human(question));
        history.push(answer);
    }
}

/// Asks once and prints the answer as it comes.
async fn ask(chain: &Chain<Vars, Message>, history: Messages, question: &str) -> Result<Ending> {
    let asked = Instant::now();
    let mut chunks = chain.run(vars! { question: question, history: history }).stream();
    let (mut fold, mut screen) = (MessageFold::default(), Screen::new());
    loop {
        let chunk = tokio::select! {
            chunk = chunks.next() => chunk,
            _ = tokio::signal::ctrl_c() => {
                screen.end("stopped")?;
                return Ok(Ending::Stopped(fold.partial()));
            }
        };
        match chunk {
            Some(Ok(chunk)) => {
                chunk.iter().try_for_each(|part| screen.show(part, asked))?;
                fold.push(&chunk)?;
            }
            Some(Err(error)) => {
                screen.end("cut off")?;
                return Err(error);
            }
            None => break,
        }
    }
    let message = fold.finish()?;
    screen.end(&screen.summary(message.usage.as_ref(), asked.elapsed()))?;
    Ok(Ending::Complete(message))
}

/// The answer on standard output; what is known about it on standard error, so that a pipe gets the answer alone.
struct Screen {
    first: Option<Duration>,
    reasoning: bool,
    interactive: bool,
}

impl Screen {
    fn new() -> Self {
        Self { first: None, reasoning: false, interactive: std::io::stdout().is_terminal() }
    }

    fn show(&mut self, part: &Part, asked: Instant) -> Result<()> {
        let Part::Delta { delta, .. } = part else { return Ok(()) };
        self.first.get_or_insert_with(|| asked.elapsed());
        match delta {
            Delta::Text(text) => {
                if std::mem::take(&mut self.reasoning) {
                    eprintln!("\x1b[0m");
                }
                let mut out = std::io::stdout().lock();
                out.write_all(text.as_bytes())?;
                out.flush()?;
            }
            Delta::Reasoning(text) if self.interactive => {
                if !std::mem::replace(&mut self.reasoning, true) {
                    eprint!("\x1b[2m");
                }
                eprint!("{text}");
            }
            _ => {}
        }
        Ok(())
    }

    /// Time to first token, tokens, tokens per second.
    fn summary(&self, usage: Option<&Usage>, total: Duration) -> String {
        let first = self.first.unwrap_or(total);
        let mut text = format!("first token {} ms", first.as_millis());
        if let Some(usage) = usage {
            let about = if usage.source == UsageSource::Provider { "" } else { "~" };
            let writing = (total - first).as_secs_f64();
            text += &format!(" · {about}{} tokens", usage.output_tokens);
            if writing > 0.0 {
                text += &format!(" · {about}{:.0} tokens/s", usage.output_tokens as f64 / writing);
            }
        }
        text
    }

    fn end(&self, note: &str) -> Result<()> {
        if self.reasoning {
            eprintln!("\x1b[0m");
        }
        writeln!(std::io::stdout())?;
        if self.interactive {
            eprintln!("\x1b[2m[{note}]\x1b[0m");
        }
        Ok(())
    }
}
