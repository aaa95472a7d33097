//! JSON answers, encoded byte for byte like the Operator's.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;

/// Encodes a value like Go's `encoding/json`, which escapes `<`, `>` and `&`.
pub fn go_json(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    if !text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return text;
    }
    // These characters occur only in strings.
    text.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// An answer with a JSON text as its body.
pub fn json_text(status: StatusCode, text: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(text.into()));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// An answer with a value, encoded as JSON, as its body.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    json_text(status, go_json(value))
}

/// An answer with the body `{"error": message}`.
pub fn error(status: StatusCode, message: &str) -> Response {
    json(status, &serde_json::json!({ "error": message }))
}

#[cfg(test)]
mod tests {
    use super::go_json;

    /// The expected texts are those of `json.Marshal` (Go 1.22).
    #[test]
    fn encodes_as_go_does() {
        for (value, expected) in [
            ("plain", r#""plain""#),
            ("a<b>&c", r#""a\u003cb\u003e\u0026c""#),
            ("\u{2028}\u{2029}", r#""\u2028\u2029""#),
            ("\"\\\n\t\u{8}\u{c}\u{1}\u{7f}é", "\"\\\"\\\\\\n\\t\\b\\f\\u0001\u{7f}é\""),
        ] {
            assert_eq!(go_json(&value), expected);
        }
    }
}
