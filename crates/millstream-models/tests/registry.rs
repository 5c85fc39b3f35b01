//! Which model a name means, and which is found when there is no name.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

mod common;

use std::time::Duration;

use common::collect;
use common::provider::open;
use millstream_core::{ChatModel, ErrorKind};
use millstream_models::{Environment, LocalServer};
use millstream_testkit::provider::{MockProvider, Script};
use serde_json::json;
use tokio::net::TcpListener;

fn environment(local: Vec<LocalServer>) -> Environment {
    // Long enough for a machine that is busy with other tests.
    Environment { local, local_patience: Duration::from_secs(30), ..Environment::default() }
}

#[test]
fn a_name_is_a_provider_and_a_model() {
    let here = Environment { key: Some("key".into()), ..Environment::default() };
    let meaning = |name: &str| {
        let model = here.model(name).unwrap();
        (model.model().to_owned(), model.base_url().to_owned())
    };
    let openai = "https://api.openai.com/v1".to_owned();
    assert_eq!(meaning("openai:gpt-4o-mini"), ("gpt-4o-mini".into(), openai.clone()));
    assert_eq!(meaning(" gpt-4o "), ("gpt-4o".into(), openai.clone()));
    assert_eq!(meaning("ft:gpt-4o:me::1"), ("ft:gpt-4o:me::1".into(), openai.clone()));
    assert_eq!(meaning("openai:ft:gpt-4o:me::1"), ("ft:gpt-4o:me::1".into(), openai));
    assert_eq!(meaning("ollama:llama3.2:3b"), ("llama3.2:3b".into(), "http://127.0.0.1:11434/v1".into()));
    assert_eq!(meaning("llama.cpp:any"), ("any".into(), "http://127.0.0.1:8080/v1".into()));
    let elsewhere = Environment { base_url: Some("http://models.lan/v1/".into()), ..Environment::default() };
    assert_eq!(elsewhere.model("qwen3:4b").unwrap().base_url(), "http://models.lan/v1");
    let label = elsewhere.model("ollama:qwen3:4b").unwrap().label();
    assert_eq!(label.metadata["ls_provider"], "ollama");
    assert_eq!(label.metadata["ls_model_name"], "qwen3:4b");
}

#[test]
fn a_name_that_means_nothing_is_a_clear_error() {
    let here = Environment { key: Some("SECRET".into()), ..Environment::default() };
    for (name, word) in
        [("anthropic:claude-sonnet-4-5", "anthropic"), ("openai:", "no name"), ("", "no name"), ("ollama:", "no name")]
    {
        let error = here.model(name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(word), "{error}");
    }
    let error = Environment::default().model("openai:gpt-4o").unwrap_err();
    assert!(error.to_string().contains("OPENAI_API_KEY"), "{error}");
    assert!(!format!("{here:?}").contains("SECRET"));
}

#[tokio::test]
async fn a_key_means_openai() {
    let here = Environment { key: Some("key".into()), ..environment(Vec::new()) };
    let found = here.detect().await.unwrap().unwrap();
    assert_eq!((found.model.model(), found.by.as_str()), ("gpt-4o-mini", "OPENAI_API_KEY"));
}

#[tokio::test]
async fn a_configured_address_is_asked_for_its_models() {
    let provider = MockProvider::start([Script::answer(["Hello"])]).await;
    provider.models(["text-embedding-3", "first-chat", "second-chat"]);
    let here = Environment { base_url: Some(provider.base_url()), key: Some("sk-1".into()), ..environment(Vec::new()) };
    let found = here.detect().await.unwrap().unwrap();
    assert_eq!((found.model.model(), found.by.as_str()), ("first-chat", "OPENAI_BASE_URL"));
    assert_eq!(collect(open(&found.model, "hi").await.unwrap()).await.message().text(), "Hello");
    assert_eq!(provider.exchange(0).await.request().header("authorization"), Some("Bearer sk-1"));

    provider.answer_models(Script::error(404, "no list here"));
    assert_eq!(here.detect().await.unwrap_err().kind(), ErrorKind::ProviderUnreachable);
    let here = Environment { base_url: Some("no address".into()), ..environment(Vec::new()) };
    assert_eq!(here.detect().await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn the_first_local_server_with_a_model_is_found() {
    let first = MockProvider::start([]).await;
    let second = MockProvider::start([]).await;
    first.models(["qwen3:4b", "llama3.2"]);
    second.models(["gpt-oss-20b"]);
    let servers = || vec![LocalServer::new("one", first.base_url()), LocalServer::new("two", second.base_url())];
    let found = environment(servers()).detect().await.unwrap().unwrap();
    assert_eq!((found.model.model(), found.by.as_str()), ("qwen3:4b", "one"));
    let reversed = servers().into_iter().rev().collect();
    assert_eq!(environment(reversed).detect().await.unwrap().unwrap().by, "two");

    // It runs, but no model was pulled.
    first.models(Vec::<String>::new());
    assert_eq!(environment(servers()).detect().await.unwrap().unwrap().model.model(), "gpt-oss-20b");
    first.models(["nomic-embed-text"]);
    assert_eq!(environment(servers()).detect().await.unwrap().unwrap().by, "two");
}

#[tokio::test]
async fn what_is_no_model_server_is_not_taken_for_one() {
    let strangers = [
        Script::json(200, &json!({"object": "list", "data": null})),
        Script::json(200, &json!({"data": [{"id": "x"}]})),
        Script::json(200, &json!({"object": "list", "data": [{"name": "x"}]})),
        Script::json(200, &json!(["x"])),
        Script::error(401, "who are you"),
        Script::events(["<html>It works!</html>"]).header("content-type", "text/html"),
        Script::garbage(*b"SSH-2.0-OpenSSH\r\n"),
        Script::garbage(*b""),
        Script::silence(),
        Script::json(200, &json!({"object": "list", "data": [{"id": "x"}]})).stall_at(10),
    ];
    for stranger in strangers {
        let server = MockProvider::start([]).await;
        server.answer_models(stranger);
        let local = vec![LocalServer::new("one", server.base_url())];
        let hurried = Environment { local, local_patience: Duration::from_millis(50), ..Environment::default() };
        let found = hurried.detect().await.unwrap();
        assert!(found.is_none(), "{found:?}");
        assert_eq!(server.requests(), 0);
    }
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let found = environment(vec![LocalServer::new("one", format!("http://{gone}/v1"))]).detect().await.unwrap();
    assert!(found.is_none());
}
