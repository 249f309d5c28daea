use http::Uri;
use reqwest::Url;

/// Where a command goes, parsed for whoever carries it there.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) uri: Uri,
    pub(crate) url: Url,
}
