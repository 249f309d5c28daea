use axum::http::{HeaderMap, HeaderValue};

/// The headers of a request, whichever framework holds them.
pub(crate) trait HeaderView {
    /// The values of `name`, in order.
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;

    /// The first value of `name`.
    fn first<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The first value of `name` where it is text.
    fn text<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        text_of(self.first(name)?)
    }
}

/// The value as text where it holds visible ASCII, spaces and tabs alone.
pub(crate) fn text_of(value: &[u8]) -> Option<&str> {
    let is_text = |c: &u8| matches!(c, b' '..=b'~' | b'\t');
    std::str::from_utf8(value)
        .ok()
        .filter(|_| value.iter().all(is_text))
}

impl HeaderView for HeaderMap {
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).iter().map(HeaderValue::as_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_the_http_crate_calls_so() {
        for byte in 0..=u8::MAX {
            let Ok(value) = HeaderValue::from_bytes(&[byte]) else {
                continue;
            };
            assert_eq!(text_of(&[byte]), value.to_str().ok(), "{byte}");
        }
    }
}
