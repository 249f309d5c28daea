use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A live stream, as the streaming service tells it to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct StreamInfo {
    /// The stream.
    pub stream_id: Uuid,
    /// Who streams.
    pub creator_id: Uuid,
    /// What it is called.
    pub title: String,
    /// Where it is in its life.
    pub status: StreamStatus,
    /// Who watches now.
    pub viewer_count: u64,
    /// When it began.
    #[serde(default)]
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<DateTime<Utc>>,
}

/// Where a stream is in its life. A word from a later version is kept and written back as it came.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StreamStatus {
    /// Made, not begun.
    Scheduled,
    /// On the air.
    Live,
    /// Over.
    Ended,
    /// A word that this version does not know.
    #[serde(untagged)]
    Unknown(String),
}

// Derived, it would be an object where it is a word that this version does not know.
#[cfg(feature = "utoipa")]
impl utoipa::PartialSchema for StreamStatus {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::String)
            .description(Some(
                "Where a stream is in its life. A later version may know more words.",
            ))
            .examples(["scheduled", "live", "ended"])
            .into()
    }
}

#[cfg(feature = "utoipa")]
impl utoipa::ToSchema for StreamStatus {}

/// What happens to a stream, for those who watch it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "ids, times and texts are what their names say")]
pub enum StreamEvent {
    /// It began.
    Started {
        stream_id: Uuid,
        started_at: DateTime<Utc>,
    },
    /// It ended.
    Ended {
        stream_id: Uuid,
        ended_at: DateTime<Utc>,
        /// The most who watched at once.
        peak_viewers: u64,
    },
    /// Somebody came.
    ViewerJoined {
        stream_id: Uuid,
        user_id: Uuid,
        /// Who watches now, the one who came included.
        viewer_count: u64,
    },
    /// Somebody went.
    ViewerLeft {
        stream_id: Uuid,
        user_id: Uuid,
        /// Who watches still.
        viewer_count: u64,
    },
    /// Somebody said something.
    CommentPosted {
        stream_id: Uuid,
        comment_id: Uuid,
        user_id: Uuid,
        body: String,
    },
}

/// What can be asked of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "ids, times and texts are what their names say")]
pub enum StreamCommand {
    /// Begin.
    Start { stream_id: Uuid },
    /// End.
    End { stream_id: Uuid },
    /// Watch.
    Join { stream_id: Uuid, user_id: Uuid },
    /// Stop watching.
    Leave { stream_id: Uuid, user_id: Uuid },
    /// Say something.
    Comment {
        stream_id: Uuid,
        user_id: Uuid,
        body: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: Uuid = Uuid::from_u128(1);
    const CREATOR: Uuid = Uuid::from_u128(2);
    const VIEWER: Uuid = Uuid::from_u128(3);

    fn at() -> DateTime<Utc> {
        "2025-10-28T00:00:00Z".parse().unwrap()
    }

    /// One line of JSON for each, after a round trip.
    fn lines<T>(values: &[T]) -> String
    where
        T: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        let line = |value: &T| {
            let json = serde_json::to_string(value).unwrap();
            assert_eq!(&serde_json::from_str::<T>(&json).unwrap(), value);
            json
        };
        values.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_stream_has_the_fields_of_the_wire_contract() {
        let info = StreamInfo {
            stream_id: STREAM,
            creator_id: CREATOR,
            title: "live cooking".to_owned(),
            status: StreamStatus::Live,
            viewer_count: 3,
            started_at: Some(at()),
            ended_at: None,
        };
        insta::assert_snapshot!(lines(&[info]), @r#"{"stream_id":"00000000-0000-0000-0000-000000000001","creator_id":"00000000-0000-0000-0000-000000000002","title":"live cooking","status":"live","viewer_count":3,"started_at":"2025-10-28T00:00:00Z","ended_at":null}"#);
    }

    #[test]
    fn each_event_has_the_fields_of_the_wire_contract() {
        let events = [
            StreamEvent::Started {
                stream_id: STREAM,
                started_at: at(),
            },
            StreamEvent::Ended {
                stream_id: STREAM,
                ended_at: at(),
                peak_viewers: 9,
            },
            StreamEvent::ViewerJoined {
                stream_id: STREAM,
                user_id: VIEWER,
                viewer_count: 4,
            },
            StreamEvent::ViewerLeft {
                stream_id: STREAM,
                user_id: VIEWER,
                viewer_count: 3,
            },
            StreamEvent::CommentPosted {
                stream_id: STREAM,
                comment_id: Uuid::from_u128(4),
                user_id: VIEWER,
                body: "hello".to_owned(),
            },
        ];
        insta::assert_snapshot!(lines(&events), @r#"
        {"type":"started","stream_id":"00000000-0000-0000-0000-000000000001","started_at":"2025-10-28T00:00:00Z"}
        {"type":"ended","stream_id":"00000000-0000-0000-0000-000000000001","ended_at":"2025-10-28T00:00:00Z","peak_viewers":9}
        {"type":"viewer_joined","stream_id":"00000000-0000-0000-0000-000000000001","user_id":"00000000-0000-0000-0000-000000000003","viewer_count":4}
        {"type":"viewer_left","stream_id":"00000000-0000-0000-0000-000000000001","user_id":"00000000-0000-0000-0000-000000000003","viewer_count":3}
        {"type":"comment_posted","stream_id":"00000000-0000-0000-0000-000000000001","comment_id":"00000000-0000-0000-0000-000000000004","user_id":"00000000-0000-0000-0000-000000000003","body":"hello"}
        "#);
    }

    #[test]
    fn each_command_has_the_fields_of_the_wire_contract() {
        let (stream_id, user_id) = (STREAM, VIEWER);
        let commands = [
            StreamCommand::Start { stream_id },
            StreamCommand::End { stream_id },
            StreamCommand::Join { stream_id, user_id },
            StreamCommand::Leave { stream_id, user_id },
            StreamCommand::Comment {
                stream_id,
                user_id,
                body: "hello".to_owned(),
            },
        ];
        insta::assert_snapshot!(lines(&commands), @r#"
        {"type":"start","stream_id":"00000000-0000-0000-0000-000000000001"}
        {"type":"end","stream_id":"00000000-0000-0000-0000-000000000001"}
        {"type":"join","stream_id":"00000000-0000-0000-0000-000000000001","user_id":"00000000-0000-0000-0000-000000000003"}
        {"type":"leave","stream_id":"00000000-0000-0000-0000-000000000001","user_id":"00000000-0000-0000-0000-000000000003"}
        {"type":"comment","stream_id":"00000000-0000-0000-0000-000000000001","user_id":"00000000-0000-0000-0000-000000000003","body":"hello"}
        "#);
    }

    #[test]
    fn a_status_from_a_later_version_survives_a_round_trip() {
        let status: StreamStatus = serde_json::from_str(r#""paused""#).unwrap();
        assert_eq!(status, StreamStatus::Unknown("paused".to_owned()));
        assert_eq!(serde_json::to_string(&status).unwrap(), r#""paused""#);
        let status: StreamStatus = serde_json::from_str(r#""live""#).unwrap();
        assert_eq!(status, StreamStatus::Live);
    }
}
