use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::{Effect, Origin, ServiceError};

impl From<KafkaError> for ServiceError {
    /// Sorted by librdkafka's error code. A full local queue has no effect; everything that the
    /// broker may have seen has an unknown one.
    ///
    /// What this service may not do at the broker, or could not prove there, is `Internal`: it is no fault of the caller.
    /// A topic that the broker does not have is `ServiceUnavailable` with origin [`Origin::Remote`]: it may yet be made,
    /// and the broker itself is there.
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
                return Self::ServiceUnavailable("Kafka topic".into())
                    .with_origin(Origin::Remote)
                    .with_source(error);
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
            (Code::TopicAuthorizationFailed, ErrorKind::Internal),
            (Code::GroupAuthorizationFailed, ErrorKind::Internal),
            (Code::Authentication, ErrorKind::Internal),
            (Code::SaslAuthenticationFailed, ErrorKind::Internal),
            (Code::UnknownTopic, ErrorKind::ServiceUnavailable),
            (Code::Fatal, ErrorKind::Internal),
        ];
        for (code, kind) in cases {
            let error = ServiceError::from(KafkaError::MessageProduction(code));
            assert_eq!(error.kind(), kind, "{code:?}");
            assert!(error.find_source::<KafkaError>().is_some());
        }
    }

    #[test]
    fn a_missing_topic_is_not_a_missing_broker() {
        for code in [Code::UnknownTopicOrPartition, Code::UnknownTopic] {
            let error = ServiceError::from(KafkaError::MessageProduction(code));
            assert!(error.is_retryable(), "{code:?}");
            assert_eq!(error.origin(), Origin::Remote, "{code:?}");
        }
    }
}
