use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How a service is, and what it depends on: the body of the health routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct HealthStatus {
    /// The service.
    pub service_name: String,
    /// How it is on the whole.
    pub status: HealthState,
    /// The version of the service.
    pub version: String,
    /// When this was found out, by the service's clock.
    pub timestamp: DateTime<Utc>,
    /// How each dependency is, by name.
    pub dependencies: BTreeMap<String, DependencyHealth>,
}

/// How one dependency is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct DependencyHealth {
    /// How it is.
    pub status: HealthState,
    /// How long the check took, in milliseconds.
    pub latency_ms: u64,
    /// What is wrong, fit for the eyes of the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Degrees of health; the order is from good to bad, so that `max` gives the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum HealthState {
    /// All is well.
    Healthy,
    /// It works, with something missing: a peer or the broker is away.
    Degraded,
    /// It can't do its work.
    Unhealthy,
    /// A word that this version does not know; it counts as the worst. Everything else can still be read.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_has_the_fields_of_the_wire_contract() {
        let database = DependencyHealth {
            status: HealthState::Healthy,
            latency_ms: 2,
            message: None,
        };
        let broker = DependencyHealth {
            status: HealthState::Degraded,
            latency_ms: 1000,
            message: Some("no answer".to_owned()),
        };
        let status = HealthStatus {
            service_name: "user-service".to_owned(),
            status: database.status.max(broker.status),
            version: "0.1.0".to_owned(),
            timestamp: "2025-10-28T00:00:00Z".parse().unwrap(),
            dependencies: BTreeMap::from([
                ("database".to_owned(), database),
                ("broker".to_owned(), broker),
            ]),
        };
        insta::assert_json_snapshot!(status, @r#"
        {
          "service_name": "user-service",
          "status": "degraded",
          "version": "0.1.0",
          "timestamp": "2025-10-28T00:00:00Z",
          "dependencies": {
            "broker": {
              "status": "degraded",
              "latency_ms": 1000,
              "message": "no answer"
            },
            "database": {
              "status": "healthy",
              "latency_ms": 2
            }
          }
        }
        "#);
    }

    #[test]
    fn a_degree_from_a_later_version_hides_nothing_else() {
        let json = r#"{"status":"sleeping","latency_ms":2}"#;
        let health: DependencyHealth = serde_json::from_str(json).unwrap();
        assert_eq!(health.status, HealthState::Unknown);
        assert_eq!(health.latency_ms, 2);
        assert!(health.status > HealthState::Unhealthy);
    }
}
