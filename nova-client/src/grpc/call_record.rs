use nova_errors::{ErrorKind, GrpcCode, ServiceError};
use tokio::time::Instant;

/// A call on its way, which is recorded when it is answered, fails, or is dropped.
#[derive(Debug)]
pub(super) struct CallRecord {
    began: Instant,
    method: String,
    failure: Option<ErrorKind>,
}

impl CallRecord {
    /// A call of the method at `path`.
    pub(super) fn start(path: &str) -> Self {
        Self {
            began: Instant::now(),
            method: path.trim_start_matches('/').to_owned(),
            // Unless it is finished.
            failure: Some(ErrorKind::Cancelled),
        }
    }

    pub(super) fn finish<T>(mut self, outcome: &Result<T, ServiceError>) {
        self.failure = outcome.as_ref().err().map(ServiceError::kind);
    }
}

impl Drop for CallRecord {
    fn drop(&mut self) {
        let code = self.failure.map_or(GrpcCode::Ok, ErrorKind::grpc_code);
        let mut labels = vec![
            metrics::Label::from_static_parts("rpc.system.name", "grpc"),
            metrics::Label::new("rpc.method", std::mem::take(&mut self.method)),
            metrics::Label::new("rpc.response.status_code", code.to_string()),
        ];
        if let Some(kind) = self.failure {
            labels.push(metrics::Label::from_static_parts("error.type", kind.code()));
        }
        metrics::histogram!("rpc.client.call.duration", labels)
            .record(self.began.elapsed().as_secs_f64());
    }
}
