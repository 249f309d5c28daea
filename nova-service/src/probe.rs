/// Whether a path is one of those by which a service is watched: they are answered also, and above all, when it refuses other requests.
pub(crate) fn is_probe(path: &str) -> bool {
    path == "/metrics"
        || path.starts_with("/health/")
        || path.starts_with("/grpc.health.v1.Health/")
}
