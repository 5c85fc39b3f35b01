//! Bad input gets a clear answer with the right status; nothing hangs, and nothing starts a run.

#![allow(clippy::unwrap_used, reason = "tests")]

use millstream_server::{Config, Limits};
use millstream_tests::http::{Request, Response};
use millstream_tests::sse::{Answer, Events};
use millstream_tests::{Stage, config, serve, serve_with, within};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const JSON: &str = "application/json";

#[tokio::test]
async fn bodies_that_ask_nothing_are_refused_with_a_reason() {
    let stage = Stage::says(["a"]);
    let server = serve(&stage);
    let deep = "[".repeat(100_000);
    let cases: Vec<(&[u8], u16, &str)> = vec![
        (b"", 400, "not JSON"),
        (b"nonsense", 400, "not JSON"),
        (b"{\"question\": \"x\"", 400, "not JSON"),
        (b"{\"question\": \"\\ud800\"}", 400, "not JSON"),
        (b"{\"question\": \"\xff\xfe\"}", 400, "not UTF-8"),
        (b"\xef\xbb\xbf{\"question\": \"x\"}", 400, "not JSON"),
        (deep.as_bytes(), 400, "not JSON"),
        (b"[]", 422, "not an object"),
        (b"\"x\"", 422, "not an object"),
        (b"null", 422, "not an object"),
        (b"{}", 422, "no \"question\""),
        (b"{\"Question\": \"x\"}", 422, "no \"question\""),
        (b"{\"question\": null}", 422, "no \"question\""),
        (b"{\"question\": 7}", 422, "a number"),
        (b"{\"question\": true}", 422, "a boolean"),
        (b"{\"question\": [\"x\"]}", 422, "a list"),
        (b"{\"question\": {\"text\": \"x\"}}", 422, "an object"),
        (b"{\"question\": \"\"}", 422, "empty"),
        (b"{\"question\": \" \\n\\t\\u3000\"}", 422, "empty"),
    ];
    for (body, status, why) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let request = Request::post("/chat/stream", body).header("content-type", JSON);
        let mut response = request.send(server.address()).await;
        assert_eq!(response.status(), status, "{shown}");
        assert_eq!(response.header("content-type"), Some(JSON));
        let error = response.json().await["error"].clone();
        assert!(error["message"].as_str().unwrap().contains(why), "{shown}: {error}");
        assert_eq!(error["type"], "invalid_request_error");
        let param = if status == 422 { json!("question") } else { json!(null) };
        assert_eq!(error["param"], param, "{shown}");
    }
    let mut without_body = Request::new("POST", "/chat/stream").send(server.address()).await;
    assert_eq!((without_body.status(), without_body.error_code().await.as_str()), (400, "bad_request"));
    assert_eq!(stage.calls(), 0);
}

#[tokio::test]
async fn urls_that_ask_nothing_are_refused_with_a_reason() {
    let stage = Stage::says(["a"]);
    let server = serve(&stage);
    for (target, status, why) in [
        ("/chat/stream", 422, "no \"question\""),
        ("/chat/stream?q=x", 422, "no \"question\""),
        ("/chat/stream?question", 422, "empty"),
        ("/chat/stream?question=", 422, "empty"),
        ("/chat/stream?question=%20+%0A", 422, "empty"),
        ("/chat/stream?question=%FF", 400, "not UTF-8"),
        ("/chat/stream?question=%ED%A0%80", 400, "not UTF-8"),
        ("/chat/stream?question=x&format=xml", 400, "no format \"xml\""),
        ("/chat/stream?question=x&format=%FF", 400, "not UTF-8"),
    ] {
        let mut response = Request::get(target).send(server.address()).await;
        assert_eq!(response.status(), status, "{target}");
        let error = response.json().await["error"].clone();
        assert!(error["message"].as_str().unwrap().contains(why), "{target}: {error}");
    }
    let long = format!("/chat/stream?question={}", "x".repeat(100_000));
    let status = Request::get(&long).send(server.address()).await.status();
    assert!([414, 431].contains(&status), "{status}");
    assert_eq!(stage.calls(), 0);
}

#[tokio::test]
async fn bodies_are_taken_up_to_the_limit_and_no_further() {
    let stage = Stage::says(["a"]);
    let limits = Limits { body: 4096, ..Limits::default() };
    let server = serve_with(Config { limits, ..config() }, &stage);
    let of_length = |length: usize| {
        let frame = json!({ "question": "" }).to_string().len();
        Request::ask("/chat/stream", &"x".repeat(length - frame))
    };
    let mut exact = Events::of(of_length(4096).send(server.address()).await);
    assert_eq!(Answer::of_plain(&exact.rest().await).text, "a");
    for length in [4097, 10 << 20] {
        let mut response = of_length(length).send(server.address()).await;
        assert_eq!((response.status(), response.error_code().await.as_str()), (413, "too_large"));
    }
    // The same without a word about the length beforehand.
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let head = format!(
        "POST /chat/stream HTTP/1.1\r\nhost: {}\r\ncontent-type: {JSON}\r\ntransfer-encoding: chunked\r\n\r\n",
        server.address()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("800\r\n{}\r\n", "x".repeat(2048));
    stream.write_all((chunk.repeat(3) + "0\r\n\r\n").as_bytes()).await.unwrap();
    assert_eq!(Response::read(stream, false).await.status(), 413);
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn a_question_of_ten_mebibytes_is_refused_by_a_server_as_it_comes() {
    let stage = Stage::says(["a"]);
    let server = serve(&stage);
    let mut response = Request::ask("/chat/stream", &"x".repeat(10 << 20)).send(server.address()).await;
    assert_eq!((response.status(), response.error_code().await.as_str()), (413, "too_large"));
    assert_eq!(stage.calls(), 0);
}

#[tokio::test]
async fn a_refusal_is_read_by_a_client_that_sends_everything_first() {
    let limits = Limits { body: 16 << 20, ..Limits::default() };
    let roomy = serve_with(Config { limits, ..config() }, &Stage::says(["a"]));
    let tight = serve(&Stage::says(["a"]));
    let long = || Request::ask("/chat/stream", &"x".repeat(10 << 20));
    let body = "x".repeat(10 << 20);
    for (request, status) in [
        (long().header("origin", "https://evil.example"), 403),
        (long().header("last-event-id", "nonsense"), 400),
        (Request::post("/chat/stream", body.clone()).header("content-type", "text/plain"), 415),
        (Request::post("/chat/stream?format=xml", body.clone()).header("content-type", JSON), 400),
        (Request::post("/nothing", body.clone()), 404),
        (Request::post("/healthz", body.clone()), 405),
        (Request::post("/runs/nonsense/stop", body.clone()), 404),
    ] {
        assert_eq!(within(request.send(roomy.address())).await.status(), status);
        assert_eq!(within(request.send(tight.address())).await.status(), 413);
    }
}

#[tokio::test]
async fn only_json_is_read_as_json() {
    let server = serve(&Stage::says(["a"]));
    let body = json!({ "question": "x", "unknown": [1, 2] }).to_string();
    for (media_type, status) in [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        ("application/vnd.api+json", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("", 415),
    ] {
        let request = Request::post("/chat/stream", body.clone()).header("content-type", media_type);
        let mut response = request.send(server.address()).await;
        assert_eq!(response.status(), status, "{media_type:?}");
        if status == 415 {
            assert_eq!(response.error_code().await, "unsupported_media_type");
        }
    }
    assert_eq!(Request::post("/chat/stream", body).send(server.address()).await.status(), 200);
}

#[tokio::test]
async fn a_question_reaches_the_model_as_it_was_asked() {
    let stage = Stage::says(["a"]);
    let server = serve(&stage);
    let question = " {braces} {{double}} %7B\u{0}\r\n\u{2028} 👩‍👩‍👧 \"quoted\" + & = # e\u{301} ";
    Events::of(Request::ask("/chat/stream", question).send(server.address()).await).rest().await;
    let escaped: String = question.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let target = format!("/chat/stream?a=b&question={escaped}");
    Events::of(Request::get(&target).send(server.address()).await).rest().await;
    for messages in stage.requests() {
        assert_eq!(messages.last().unwrap().text(), question);
    }
    assert_eq!(stage.calls(), 2);
}

#[tokio::test]
async fn unknown_paths_are_404_and_wrong_methods_405() {
    let server = serve(&Stage::says(["a"]));
    for target in ["/nothing", "/chat", "/chat/stream/", "/runs", "/../etc/passwd", "/%2e%2e/x"] {
        let mut response = Request::get(target).send(server.address()).await;
        assert_eq!((response.status(), response.error_code().await.as_str()), (404, "not_found"), "{target}");
    }
    for (method, target, allowed) in [
        ("PUT", "/chat/stream", vec!["GET", "HEAD", "POST"]),
        ("DELETE", "/chat/stream", vec!["GET", "HEAD", "POST"]),
        ("DELETE", "/runs/x", vec!["GET", "HEAD"]),
        ("POST", "/runs/x/stream", vec!["GET", "HEAD"]),
        ("GET", "/runs/x/stop", vec!["POST"]),
        ("POST", "/ws/chat", vec!["CONNECT", "GET", "HEAD"]),
        ("POST", "/healthz", vec!["GET", "HEAD"]),
        ("POST", "/", vec!["GET", "HEAD"]),
    ] {
        let mut response = Request::new(method, target).send(server.address()).await;
        assert_eq!((response.status(), response.error_code().await.as_str()), (405, "bad_method"), "{method} {target}");
        let mut allow: Vec<_> = response.header("allow").unwrap().split(',').map(str::trim).collect();
        allow.sort_unstable();
        assert_eq!(allow, allowed, "{method} {target}");
    }
}

#[tokio::test]
async fn pages_of_other_sites_may_not_ask() {
    let stage = Stage::says(["a"]);
    let server = serve(&stage);
    let own = server.url();
    let upgrade = || {
        let request = Request::get("/ws/chat").header("connection", "upgrade").header("upgrade", "websocket");
        request.header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    let requests = || {
        let stop = Request::post("/runs/0191f2a0-5b7c-4d2e-8f3a-123456789abc/stop", "");
        [Request::ask("/chat/stream", "?"), Request::get("/chat/stream?question=x"), stop, upgrade()]
    };
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost", "file://"] {
        for request in requests() {
            let mut response = request.header("origin", origin).send(server.address()).await;
            assert_eq!((response.status(), response.error_code().await.as_str()), (403, "foreign_origin"), "{origin}");
            assert_eq!(response.header("access-control-allow-origin"), None);
        }
    }
    for host in ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "10.0.0.1"] {
        for request in requests() {
            let mut response = request.header("host", host).send(server.address()).await;
            assert_eq!((response.status(), response.error_code().await.as_str()), (403, "foreign_origin"), "{host}");
        }
    }
    assert_eq!(stage.calls(), 0);
    let asked = Request::ask("/chat/stream", "?");
    assert_eq!(asked.clone().header("origin", &own).send(server.address()).await.status(), 200);
    assert_eq!(upgrade().header("origin", &own).send(server.address()).await.status(), 101);
    let config = Config { hosts: vec!["chat.example".to_owned()], ..config() };
    let behind_a_proxy = serve_with(config, &stage);
    let request = Request::get("/healthz").header("host", "chat.example").header("origin", "https://chat.example");
    assert_eq!(request.send(behind_a_proxy.address()).await.status(), 200);
    let by_name = format!("localhost:{}", server.address().port());
    let named = asked.header("host", &by_name).header("origin", &format!("http://{by_name}"));
    assert_eq!(named.send(server.address()).await.status(), 200);
}

#[tokio::test]
async fn named_origins_may_ask_and_read_the_errors_too() {
    let stage = Stage::says(["a"]);
    let site = "https://app.example";
    let server = serve_with(Config { cors_origins: vec![site.to_owned()], ..config() }, &stage);
    let preflight = |origin: &str| {
        let asks = "content-type, last-event-id, authorization, idempotency-key";
        let request = Request::new("OPTIONS", "/chat/stream").header("origin", origin);
        request.header("access-control-request-method", "POST").header("access-control-request-headers", asks)
    };
    let response = preflight(site).send(server.address()).await;
    assert_eq!((response.status(), response.header("access-control-allow-origin")), (200, Some(site)));
    let headers = response.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
    for name in ["content-type", "last-event-id", "authorization", "idempotency-key"] {
        assert!(headers.contains(name), "{headers}");
    }
    assert!(response.header("access-control-allow-methods").unwrap().contains("POST"));
    let refused = preflight("https://evil.example").send(server.address()).await;
    assert_eq!(refused.header("access-control-allow-origin"), None);
    assert_eq!(stage.calls(), 0);

    for (request, status) in [
        (Request::ask("/chat/stream", "?"), 200),
        (Request::ask("/chat/stream", ""), 422),
        (Request::get("/nothing"), 404),
        (Request::new("PUT", "/chat/stream"), 405),
    ] {
        let response = request.header("origin", site).send(server.address()).await;
        assert_eq!((response.status(), response.header("access-control-allow-origin")), (status, Some(site)));
        let exposed = response.header("access-control-expose-headers").unwrap();
        assert!(exposed.contains("x-run-id"), "{exposed}");
    }
    let evil = Request::ask("/chat/stream", "?").header("origin", "https://evil.example").send(server.address()).await;
    assert_eq!((evil.status(), evil.header("access-control-allow-origin")), (403, None));
}

#[tokio::test]
async fn half_a_request_is_nobodys_problem() {
    let stage = Stage::says(["a"]);
    let server = serve(&stage);
    let whole = Request::ask("/chat/stream", "a question of some length").bytes(server.address());
    for length in (0..whole.len()).step_by(7) {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(&whole[..length]).await.unwrap();
        stream.shutdown().await.unwrap();
        // What comes, if anything, is a refusal; and then the connection ends.
        let mut answer = Vec::new();
        let _ = within(stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "after {length}: {answer}");
    }
    assert_eq!(stage.calls(), 0);
    assert_eq!(Request::get("/healthz").send(server.address()).await.status(), 200);
}

#[tokio::test]
async fn a_request_that_never_ends_is_given_up() {
    let stage = Stage::says(["a"]);
    let moment = std::time::Duration::from_millis(50);
    let limits = Limits { head: moment, send: moment, ..Limits::default() };
    let server = serve_with(Config { limits, ..config() }, &stage);
    let whole = Request::ask("/chat/stream", "a question of some length").bytes(server.address());
    for (length, refusal) in [(20, ""), (whole.len() - 5, "HTTP/1.1 408 ")] {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(&whole[..length]).await.unwrap();
        let mut answer = Vec::new();
        let _ = within(stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with(refusal), "after {length}: {answer}");
    }
    assert_eq!(stage.calls(), 0);
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let server = serve(&Stage::says(["a"]));
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for garbage in
        [&b"nonsense\r\n\r\n"[..], hello, b"GET / HTTP/9.9\r\n\r\n", b"\x00\xff\x00\xff\r\n\r\n", b"\r\n\r\nx\r\n\r\n"]
    {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = within(stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{garbage:?}: {answer}");
    }
    assert_eq!(Request::get("/healthz").send(server.address()).await.status(), 200);
}

#[tokio::test]
async fn two_requests_on_one_connection_are_answered_in_turn() {
    let server = serve(&Stage::says(["a"]));
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let twice = Request::get("/healthz").bytes(server.address()).repeat(2);
    stream.write_all(&twice).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = within(stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8(answer).unwrap();
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
}

#[tokio::test]
async fn a_server_says_what_it_is() {
    let server = serve(&Stage::says(["a"]));
    assert_eq!(Request::get("/healthz").send(server.address()).await.json().await, json!({ "status": "ok" }));
    let info = Request::get("/info").send(server.address()).await.json().await;
    assert_eq!(info["name"], "millstream");
    assert!(info["version"].is_string());
    let mut page = Request::get("/").send(server.address()).await;
    assert_eq!((page.status(), page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    let tag = page.header("etag").unwrap().to_owned();
    assert!(String::from_utf8(page.bytes().await).unwrap().contains("<html"));
    let again = Request::get("/").header("if-none-match", &tag).send(server.address()).await;
    assert_eq!(again.status(), 304);
}
