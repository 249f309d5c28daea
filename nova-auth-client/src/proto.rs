//! The generated types of `nova.auth.v1`: messages, the client, and with the feature `server` the
//! trait that an auth service implements.

#![expect(
    clippy::missing_errors_doc,
    unused_qualifications,
    reason = "generated code"
)]
#![cfg_attr(
    feature = "server",
    expect(clippy::allow_attributes, reason = "generated code")
)]

use std::fmt;

include!("generated/nova.auth.v1.rs");

/// The descriptors of the package, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/nova.auth.v1.bin");

impl fmt::Debug for VerifyTokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyTokenRequest").finish_non_exhaustive()
    }
}

impl fmt::Debug for VerifyTokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyTokenResponse")
            .field("user_id", &self.user_id)
            .field("token_id", &self.token_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}
