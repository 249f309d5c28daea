use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::{Effect, Origin, ServiceError};

impl From<KafkaError> for ServiceError {
    /// Sorted by librdkafka's error code. A full local queue has no effect; everything that the
    /// broker may have seen has an unknown one.
    fn from(error: KafkaError) -> Self {
        let converted = match error.rdkafka_error_code() {
            Some(Code::QueueFull) => {
                return Self::ServiceUnavailable("producer queue is full".into())
                    .with_effect(Effect::None)
                    .with_source(error);
            }
            Some(
                Code::MessageTimedOut
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::TimedOutQueue,
            ) => Self::Timeout("Kafka request".into()),
            Some(
                Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::BrokerNotAvailable
                | Code::ReplicaNotAvailable
                | Code::NetworkException
                | Code::NotEnoughReplicas
                | Code::NotEnoughReplicasAfterAppend
                | Code::NotCoordinator
                | Code::CoordinatorNotAvailable
                | Code::CoordinatorLoadInProgress
                | Code::KafkaStorageError,
            ) => Self::ServiceUnavailable("Kafka".into()),
            Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => {
                Self::PayloadTooLarge("record over the broker's limit".into())
            }
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
                Self::NotFound("topic".into())
            }
            Some(
                Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::TransactionalIdAuthorizationFailed,
            ) => Self::Authorization("Kafka".into()),
            Some(Code::Authentication | Code::SaslAuthenticationFailed) => {
                Self::Authentication("Kafka".into())
            }
            _ => Self::Internal("Kafka".into()),
        };
        converted.with_origin(Origin::Transport).with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn codes_lead_to_kinds() {
        let cases = [
            (Code::QueueFull, ErrorKind::ServiceUnavailable),
            (Code::MessageTimedOut, ErrorKind::Timeout),
            (Code::AllBrokersDown, ErrorKind::ServiceUnavailable),
            (Code::MessageSizeTooLarge, ErrorKind::PayloadTooLarge),
            (Code::TopicAuthorizationFailed, ErrorKind::Authorization),
            (Code::Fatal, ErrorKind::Internal),
        ];
        for (code, kind) in cases {
            let error = ServiceError::from(KafkaError::MessageProduction(code));
            assert_eq!(error.kind(), kind, "{code:?}");
            assert!(error.find_source::<KafkaError>().is_some());
        }
    }
}
