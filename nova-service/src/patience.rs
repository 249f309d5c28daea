use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// How long something may stand still. Who moves a little all the time is never cut.
#[derive(Debug)]
pub(crate) struct Patience {
    limit: Duration,
    /// Made when there is something to wait for, and used again.
    timer: Option<Pin<Box<Sleep>>>,
    waits: bool,
}

impl Patience {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            timer: None,
            waits: false,
        }
    }

    /// Something has moved.
    pub(crate) fn renew(&mut self) {
        self.waits = false;
    }

    /// Ready when nothing has moved for the whole limit since this was first asked.
    pub(crate) fn poll_spent(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let limit = self.limit;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if !self.waits {
            self.waits = true;
            timer.as_mut().reset(Instant::now() + limit);
        }
        timer.as_mut().poll(cx).map(|()| {
            let message = format!("nothing moved for {limit:?}");
            io::Error::new(io::ErrorKind::TimedOut, message)
        })
    }
}
