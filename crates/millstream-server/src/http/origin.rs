//! Who may call: pages of this server, of origins that the operator named, and programs that are not pages (R30).

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Problem;
use crate::app::App;

/// Refuses other sites' pages, and, on a loopback address, requests by a name that is not the loopback's (DNS rebinding).
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let host = host(&request);
    if app.config.listen.ip().is_loopback()
        && let Some(host) = &host
        && !is_loopback(name_of(host))
        && !app.config.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name_of(host)))
    {
        let message = format!(
            "this server listens on the loopback address and answers to localhost, not to {host:?}; behind a proxy, start it with --host {}",
            name_of(host)
        );
        return Problem::foreign_origin(message).into_response();
    }
    if let Some(origin) = origin(request.headers())
        && !is_own(origin, host.as_deref())
        && !app.config.cors_origins.iter().any(|allowed| allowed == "*" || allowed == origin)
    {
        let message = format!("pages of {origin:?} may not use this server; start it with --cors-origin {origin}");
        return Problem::foreign_origin(message).into_response();
    }
    next.run(request).await
}

fn origin(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or("null"))
}

/// The authority that the client asked for: HTTP/2 has it in the URI.
fn host(request: &Request) -> Option<String> {
    let from_header = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    request.uri().authority().map(|authority| authority.to_string()).or_else(|| from_header.map(str::to_owned))
}

fn is_own(origin: &str, host: Option<&str>) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_some() && authority == host
}

/// The host without its port, and an IPv6 address without its brackets.
fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

fn is_loopback(name: &str) -> bool {
    let ip = name.parse::<std::net::IpAddr>();
    name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || ip.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names_are_known_with_and_without_a_port() {
        for host in ["localhost", "localhost:8000", "127.0.0.1:1", "127.1.2.3", "[::1]:8000", "app.localhost:80"] {
            assert!(is_loopback(name_of(host)), "{host}");
        }
        for host in ["example.com", "localhost.example.com:80", "10.0.0.1", "[2001:db8::1]:80", ""] {
            assert!(!is_loopback(name_of(host)), "{host}");
        }
    }

    #[test]
    fn an_origin_is_our_own_if_it_is_the_host() {
        assert!(is_own("http://127.0.0.1:8000", Some("127.0.0.1:8000")));
        assert!(!is_own("http://127.0.0.1:9000", Some("127.0.0.1:8000")));
        assert!(!is_own("null", Some("127.0.0.1:8000")));
    }
}
