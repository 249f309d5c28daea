use tower_layer::Layer;

use super::AttemptTimeout;

/// Makes an [`AttemptTimeout`] of a service.
#[derive(Debug, Clone, Copy)]
pub struct AttemptTimeoutLayer;

impl<S> Layer<S> for AttemptTimeoutLayer {
    type Service = AttemptTimeout<S>;

    fn layer(&self, inner: S) -> AttemptTimeout<S> {
        AttemptTimeout::new(inner)
    }
}
