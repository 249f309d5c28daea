use actix_web::http::header::{HeaderMap, HeaderValue};

use crate::header_view::HeaderView;

impl HeaderView for HeaderMap {
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).map(HeaderValue::as_bytes)
    }
}
