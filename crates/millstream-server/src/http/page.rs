//! The chat page, embedded in the binary.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;

/// A file of the page.
#[derive(Clone, Copy)]
struct Asset {
    path: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($($media_type:literal: $($name:literal)+;)+) => {
        [$($(Asset {
            path: concat!("/", $name),
            media_type: $media_type,
            bytes: include_bytes!(concat!("../../../../web/", $name)),
        },)+)+]
    };
}

/// Every file of `web/`.
fn assets() -> impl IntoIterator<Item = Asset> {
    assets! {
        "text/html; charset=utf-8": "index.html";
        "text/css; charset=utf-8": "agent.css" "answer.css" "style.css" "transcript.css";
        "text/javascript; charset=utf-8":
            "answer.js" "blocks.js" "chat.js" "clipboard.js" "exchange.js" "graph.js" "inline.js" "layout.js" "markdown.js" "outcome.js"
            "reader.js" "runlog.js" "scroll.js" "socket.js" "sse.js" "storage.js" "tool.js";
    }
}

/// The page may load only what this server gives, and talk only to it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `/` and the files that it loads.
pub(crate) fn routes() -> Router<App> {
    assets().into_iter().fold(Router::new(), |router, asset| {
        let tag = tag(asset.bytes);
        let serve = get(move |headers: HeaderMap| std::future::ready(respond(asset, &tag, &headers)));
        match asset.path {
            "/index.html" => router.route("/", serve.clone()).route(asset.path, serve),
            path => router.route(path, serve),
        }
    })
}

fn tag(bytes: &[u8]) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let text = format!("\"{:016x}\"", hasher.finish());
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("\"\""))
}

fn respond(asset: Asset, tag: &HeaderValue, headers: &HeaderMap) -> Response {
    let common = [
        (header::ETAG, tag.clone()),
        // Asked for anew each time, so that a new version is there at once; the tag makes that cheap.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    if headers.get(header::IF_NONE_MATCH) == Some(tag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(header::CONTENT_TYPE, asset.media_type)], asset.bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_is_served() {
        let mut files: Vec<String> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../web"))
            .unwrap()
            .map(|file| format!("/{}", file.unwrap().file_name().into_string().unwrap()))
            .collect();
        let mut served: Vec<String> = assets().into_iter().map(|asset| asset.path.to_owned()).collect();
        files.sort();
        served.sort();
        assert_eq!(served, files);
    }
}
