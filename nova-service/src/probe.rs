/// Whether a path is one of those by which a service is watched: they are answered also, and above all, when it refuses other requests.
pub(crate) fn is_probe(path: &str) -> bool {
    matches!(path, "/metrics" | "/health/live" | "/health/ready")
        || path.starts_with("/grpc.health.v1.Health/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_that_only_looks_like_a_probe_is_none() {
        for probe in ["/metrics", "/health/live", "/health/ready"] {
            assert!(is_probe(probe), "{probe}");
        }
        for other in ["/health/tips", "/health/live/x", "/metrics/x", "/health"] {
            assert!(!is_probe(other), "{other}");
        }
    }
}
