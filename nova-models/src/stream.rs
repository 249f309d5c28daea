use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A live stream, as the streaming service tells it to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// What happens to a stream, for those who watch it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are those of the stream's events")]
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
        peak_viewers: u64,
    },
    /// Somebody came.
    ViewerJoined {
        stream_id: Uuid,
        user_id: Uuid,
        viewer_count: u64,
    },
    /// Somebody went.
    ViewerLeft {
        stream_id: Uuid,
        user_id: Uuid,
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
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are those of the stream's events")]
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

    #[test]
    fn a_stream_has_the_fields_of_the_wire_contract() {
        let info = StreamInfo {
            stream_id: Uuid::from_u128(1),
            creator_id: Uuid::from_u128(2),
            title: "live cooking".to_owned(),
            status: StreamStatus::Live,
            viewer_count: 3,
            started_at: Some("2025-10-28T00:00:00Z".parse().unwrap()),
            ended_at: None,
        };
        let event = StreamEvent::ViewerJoined {
            stream_id: info.stream_id,
            user_id: Uuid::from_u128(3),
            viewer_count: 4,
        };
        let command = StreamCommand::Join {
            stream_id: info.stream_id,
            user_id: Uuid::from_u128(3),
        };
        insta::assert_json_snapshot!((info, event, command), @r#"
        [
          {
            "stream_id": "00000000-0000-0000-0000-000000000001",
            "creator_id": "00000000-0000-0000-0000-000000000002",
            "title": "live cooking",
            "status": "live",
            "viewer_count": 3,
            "started_at": "2025-10-28T00:00:00Z",
            "ended_at": null
          },
          {
            "type": "viewer_joined",
            "stream_id": "00000000-0000-0000-0000-000000000001",
            "user_id": "00000000-0000-0000-0000-000000000003",
            "viewer_count": 4
          },
          {
            "type": "join",
            "stream_id": "00000000-0000-0000-0000-000000000001",
            "user_id": "00000000-0000-0000-0000-000000000003"
          }
        ]
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
