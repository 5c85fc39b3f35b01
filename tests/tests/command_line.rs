//! The binary: what it says, how it ends, and what it does when it is told to stop.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use millstream_testkit::provider::{MockProvider, Script};
use millstream_tests::http::Request;
use millstream_tests::sse::{Answer, Events};
use millstream_tests::within;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

const SECRET: &str = "sk-sentinel-4711";

/// The binary that was built into the directory of this test: `target/debug/deps/command_line-...` and `target/debug/millstream`.
fn binary() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let path = here.parent().and_then(|deps| deps.parent()).unwrap().join("millstream");
    assert!(
        path.exists(),
        "{} is missing; build it: cargo build -p millstream-server --bin millstream",
        path.display()
    );
    path
}

/// The binary with the demo model and nothing of this environment.
fn millstream(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).env_clear().env("MILLSTREAM_MODEL", "demo").env("MILLSTREAM_DEMO_DELAY", "0");
    command.env("MILLSTREAM_STORE", "memory:");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// How a command ended, and what it said.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

async fn run(mut command: Command) -> Ended {
    let output = within(command.output()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let ended = Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
    ended
}

async fn signal(child: &Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id().expect("it runs"));
    assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
}

/// A server, where it listens, and the rest of what it says.
struct Serving {
    child: Child,
    address: SocketAddr,
    said: String,
    _stdout: BufReader<ChildStdout>,
}

async fn serving(arguments: &[&str], configure: impl FnOnce(&mut Command)) -> Serving {
    let mut command = millstream(&[arguments, &["--listen", "127.0.0.1:0"]].concat());
    configure(&mut command);
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("Ctrl-C") {
        assert!(within(stdout.read_line(&mut said)).await.unwrap() > 0, "the server ended: {said}");
    }
    let (_, url) = said.split_once("http://").unwrap();
    let address = url.split_whitespace().next().unwrap().parse().unwrap();
    Serving { child, address, said, _stdout: stdout }
}

async fn ends(child: &mut Child) -> ExitStatus {
    within(child.wait()).await.unwrap()
}

#[tokio::test]
async fn help_teaches() {
    let help = run(millstream(&["--help"])).await;
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    for word in
        ["Usage:", "Examples:", "serve", "chat", "--listen", "--model", "--base-url", "OPENAI_API_KEY", "curl -N"]
    {
        assert!(help.out.contains(word), "{word} is not in:\n{}", help.out);
    }
    for command in ["serve", "chat"] {
        let help = run(millstream(&[command, "--help"])).await;
        assert_eq!(help.code, Some(0));
        assert!(help.out.contains("--model"), "{}", help.out);
    }
    let version = run(millstream(&["--version"])).await;
    assert_eq!((version.code, version.out.trim()), (Some(0), concat!("millstream ", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test]
async fn wrong_arguments_end_with_2_and_a_reason() {
    for (arguments, why) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["dance"], "dance"),
        (&["--listen"], "--listen"),
        (&["--listen", "nonsense"], "ADDR:PORT"),
        (&["--listen", "127.0.0.1"], "ADDR:PORT"),
        (&["--listen", "127.0.0.1:99999"], "ADDR:PORT"),
        (&["--cors-origin", "app.example"], "origin"),
        (&["--cors-origin", "https://app.example/path"], "origin"),
        (&["--linger", "soon"], "--linger"),
        (&["--linger=-1"], "--linger"),
        (&["--heartbeat", "0"], "--heartbeat"),
        (&["--workers", "0"], "--workers"),
        (&["--demo-delay", "fast"], "--demo-delay"),
        (&["--store", "postgres://x"], "sqlite:FILE"),
        (&["--store", "sqlite:"], "sqlite:FILE"),
        (&["--base-url", "nonsense", "--model", "x"], "http://"),
        (&["--base-url", "ftp://x/v1", "--model", "x"], "http://"),
        (&["chat", ""], "empty"),
        (&["chat", " \n"], "empty"),
        (&["chat", "one", "two"], "two"),
    ] {
        let ended = run(millstream(arguments)).await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(why), "{arguments:?}: {}", ended.err);
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_had_ends_with_1_and_a_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run(millstream(&["--listen", &address])).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    assert!(ended.err.contains(&format!("{address} is in use")) && ended.err.contains("--listen"), "{}", ended.err);
    // A server of our own, whose workers share their port, does not share it with another.
    let first = serving(&[], |_| {}).await;
    let ended = run(millstream(&["serve", "--listen", &first.address.to_string()])).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("is in use"), "{}", ended.err);
    // An address of documentation is no machine's.
    let ended = run(millstream(&["--listen", "203.0.113.1:0"])).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("cannot listen on 203.0.113.1:0"), "{}", ended.err);
}

#[tokio::test]
async fn chat_prints_the_answer_and_nothing_else() {
    let ended = run(millstream(&["chat", "What are the stream modes?"])).await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(ended.out.contains("updates") && ended.out.ends_with('\n') && !ended.out.contains('\x1b'), "{}", ended.out);
}

#[tokio::test]
async fn chat_reads_questions_from_standard_input() {
    let mut command = millstream(&["chat"]);
    command.stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let questions = "What are the stream modes?\n\n  \nExplain RAG\n";
    child.stdin.take().unwrap().write_all(questions.as_bytes()).await.unwrap();
    let output = within(child.wait_with_output()).await.unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(out.contains("updates") && out.contains("Retrieval"), "{out}");
}

#[tokio::test]
async fn ctrl_c_stops_an_answer_and_keeps_its_text() {
    let question = "What are the stream modes?";
    let whole = run(millstream(&["chat", question])).await.out;
    let mut command = millstream(&["chat", question, "--demo-delay", "100"]);
    let mut child = command.spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut out = vec![0; 1];
    within(stdout.read_exact(&mut out)).await.unwrap();
    signal(&child, "INT").await;
    within(stdout.read_to_end(&mut out)).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(ends(&mut child).await.code(), Some(130));
    assert!(text.len() < whole.len() && whole.starts_with(text.trim_end()), "{text}");
    assert!(text.ends_with('\n'));
}

#[tokio::test]
async fn a_reader_that_leaves_ends_chat_without_a_panic() {
    let mut child = millstream(&["chat", "What are the stream modes?", "--demo-delay", "20"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = within(child.wait_with_output()).await.unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(!err.contains("panicked") && err.starts_with("millstream: "), "{err}");
}

#[tokio::test]
async fn a_model_that_cannot_be_had_is_said_and_the_key_is_not() {
    let refusing = MockProvider::start([]).await;
    refusing.otherwise(|_| Script::error(401, "no such key"));
    for base_url in ["http://127.0.0.1:1/v1", refusing.base_url().as_str()] {
        let mut command = millstream(&["chat", "Hello", "--base-url", base_url, "--model", "some-model"]);
        command.env("OPENAI_API_KEY", SECRET).env("MILLSTREAM_LOG", "debug");
        let ended = run(command).await;
        assert_eq!(ended.code, Some(1), "{base_url}: {}", ended.err);
        assert!(ended.err.contains("millstream: ") && !ended.err.contains(SECRET), "{base_url}: {}", ended.err);
    }
}

#[tokio::test]
async fn serve_says_where_it_is_and_answers_there() {
    let mut server = serving(&[], |_| {}).await;
    for word in ["curl -N http://127.0.0.1:", "/chat/stream", "ws://127.0.0.1:", "demo"] {
        assert!(server.said.contains(word), "{word} is not in:\n{}", server.said);
    }
    let health = Request::get("/healthz").send(server.address).await;
    assert_eq!(health.status(), 200);
    let info = Request::get("/info").send(server.address).await.json().await;
    assert_eq!(info["model"]["kind"], "demo");
    let question = Request::ask("/chat/stream", "What are the stream modes?");
    let answer = Answer::of_plain(&Events::of(question.send(server.address).await).rest().await);
    assert!(answer.text.contains("updates"));
    drop(health);
    signal(&server.child, "INT").await;
    assert_eq!(ends(&mut server.child).await.code(), Some(0));
}

#[tokio::test]
async fn serve_uses_the_provider_that_it_is_given_and_keeps_its_secrets() {
    let provider = MockProvider::start([Script::answer(["from ", "afar"])]).await;
    provider.otherwise(|_| Script::error(401, SECRET));
    let base_url = provider.base_url();
    let arguments = ["--base-url", &base_url, "--model", "some-model"];
    let mut server = serving(&arguments, |command| {
        command.env("OPENAI_API_KEY", SECRET);
    })
    .await;
    let info = Request::get("/info").send(server.address).await.json().await;
    assert_eq!((&info["model"]["kind"], &info["model"]["name"]), (&"openai".into(), &"some-model".into()));
    assert!(!info.to_string().contains(SECRET) && !server.said.contains(SECRET));
    let mut events = Events::of(Request::ask("/chat/stream", "Hello").send(server.address).await);
    assert_eq!(Answer::of_plain(&events.rest().await).text, "from afar");
    let request = within(provider.exchange(0)).await;
    assert_eq!(request.request().header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
    assert_eq!(request.request().json()["model"], "some-model");

    // What a provider says is for no client and no log.
    let refused = Request::ask("/chat/stream?format=json", "Hello").send(server.address).await.bytes().await;
    let refused = String::from_utf8(refused).unwrap();
    assert!(refused.contains("unauthorized") && !refused.contains(SECRET), "{refused}");
    signal(&server.child, "TERM").await;
    let mut log = String::new();
    within(server.child.stderr.take().unwrap().read_to_string(&mut log)).await.unwrap();
    assert!(log.contains("unauthorized") && !log.contains(SECRET), "{log}");
}

#[tokio::test]
async fn a_terminated_server_ends_its_streams_in_good_order() {
    let mut server = serving(&["--demo-delay", "600000"], |_| {}).await;
    let mut plain = Events::of(Request::ask("/chat/stream", "Explain RAG").send(server.address).await);
    let mut json = Events::of(Request::ask("/chat/stream?format=json", "Explain RAG").send(server.address).await);
    plain.opened().await;
    json.opened().await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    signal(&server.child, "TERM").await;
    assert_eq!(Answer::of_plain(&plain.rest().await).ending.as_deref(), Some("cancelled"));
    assert_eq!(Answer::of_json(&json.rest().await).ending.as_deref(), Some("stopped"));
    // A client that keeps its connection open does not keep the process.
    assert_eq!(ends(&mut server.child).await.code(), Some(0));
    drop(idle);
}

/// A path for a file of its own, which is gone with this.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("millstream-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn store(&self) -> String {
        format!("sqlite:{}", self.0.join("threads.db").display())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_conversation_survives_a_stop_and_a_kill() {
    let provider = MockProvider::start([]).await;
    provider.otherwise(|_| Script::answer(["Yes", "."]));
    let (base_url, scratch) = (provider.base_url(), Scratch::new("restart"));
    let store = scratch.store();
    let arguments = ["--base-url", &base_url, "--model", "some-model", "--store", &store];
    for (number, how) in ["TERM", "KILL", "KILL"].into_iter().enumerate() {
        let mut server = serving(&arguments, |_| {}).await;
        let message = Request::tell(&format!("Message {number}"), "t");
        let answer = Answer::of_agent(&Events::of(message.send(server.address).await).rest().await);
        assert_eq!((answer.text.as_str(), answer.ending.as_deref()), ("Yes.", Some("stop")));
        let question = json!({ "question": format!("Question {number}"), "thread_id": "t" }).to_string();
        let answer = Events::of(Request::post("/chat/stream", question).send(server.address).await).rest().await;
        assert_eq!(Answer::of_plain(&answer).text, "Yes.");
        signal(&server.child, how).await;
        ends(&mut server.child).await;
    }
    // The agent and the chat were asked in turn.
    for (exchange, what) in [(4, "Message"), (5, "Question")] {
        let last = within(provider.exchange(exchange)).await.request().json();
        let said = last["messages"].as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap());
        let [zero, one, two] = [0, 1, 2].map(|number| format!("{what} {number}"));
        let expected = ["You are a helpful assistant.", &zero, "Yes.", &one, "Yes.", &two];
        assert_eq!(said.collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_had_ends_with_1_and_a_way_out() {
    let scratch = Scratch::new("store");
    let text = scratch.0.join("text");
    std::fs::write(&text, "This is no database, and it is long enough not to be taken for an empty one. ".repeat(20))
        .unwrap();
    for file in [scratch.0.join("nowhere/threads.db"), text] {
        let ended =
            run(millstream(&["--listen", "127.0.0.1:0", "--store", &format!("sqlite:{}", file.display())])).await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{}", file.display());
        assert!(ended.err.contains("--store") && ended.err.contains(&*file.to_string_lossy()), "{}", ended.err);
    }
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_at_once_does() {
    for name in ["TERM", "INT"] {
        let mut server = serving(&[], |_| {}).await;
        signal(&server.child, name).await;
        assert_eq!(ends(&mut server.child).await.code(), Some(0), "{name}");
    }
}

/// On Linux every address that begins with 127 is this machine, so that a free port of an odd one stays free.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_that_nobody_listens_to_serves_all_the_same() {
    let address = TcpListener::bind("127.77.47.11:0").unwrap().local_addr().unwrap();
    let mut child = millstream(&["--listen", &address.to_string()]).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    within(async { while TcpStream::connect(address).await.is_err() {} }).await;
    assert_eq!(Request::get("/healthz").send(address).await.status(), 200);
    signal(&child, "TERM").await;
    assert_eq!(ends(&mut child).await.code(), Some(0));
}
