use nova_errors::ServiceError;
use nova_kit::{Db, Pool};
use nova_outbox::Outbox;

use crate::access_tokens::AccessTokens;
use crate::accounts::Accounts;
use crate::password_pool::PasswordPool;
use crate::revocation_feed::{RevocationFeed, RevocationPoll};
use crate::revocations::Revocations;
use crate::sessions::Sessions;
use crate::signing_keys::SigningKeys;
use crate::users::Users;

/// All that the HTTP routes and the gRPC methods work on. A clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) accounts: Accounts,
    pub(crate) sessions: Sessions,
    pub(crate) users: Users,
    pub(crate) keys: SigningKeys,
    pub(crate) revocations: RevocationFeed,
}

impl Identity {
    /// Loads or makes what the service needs; the worker keeps the feed of revocations up to date.
    pub(crate) async fn open(
        pool: Pool,
        outbox: Outbox<Db>,
    ) -> Result<(Self, RevocationPoll), ServiceError> {
        let passwords = PasswordPool::start().await?;
        let keys = SigningKeys::open(pool.clone()).await?;
        let tokens = AccessTokens::new(keys.clone());
        let revocations = Revocations::new(pool.clone());
        let (feed, poll) = RevocationFeed::open(revocations.clone()).await?;
        let identity = Self {
            accounts: Accounts::new(pool.clone(), outbox, passwords, revocations.clone()),
            sessions: Sessions::new(pool.clone(), tokens, revocations),
            users: Users::new(pool),
            keys,
            revocations: feed,
        };
        Ok((identity, poll))
    }
}
