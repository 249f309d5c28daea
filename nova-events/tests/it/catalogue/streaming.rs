use nova_events::streaming::{CommentPosted, StreamEnded, StreamStarted, ViewerJoined, ViewerLeft};

use super::{at, id, record};

#[test]
fn the_events_of_streaming_are_those_of_the_contract() {
    let event = StreamStarted {
        stream_id: id(1),
        creator_id: id(2),
        title: "live cooking".to_owned(),
        started_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.streaming.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=stream.started
    aggregate_type=streaming
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"stream_id":"00000000-0000-0000-0000-000000000001","creator_id":"00000000-0000-0000-0000-000000000002","title":"live cooking","started_at":"2025-10-28T00:00:00Z"}
    "#);
    let event = StreamEnded {
        stream_id: id(1),
        creator_id: id(2),
        title: "live cooking".to_owned(),
        ended_at: at(),
        peak_viewers: 40,
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.streaming.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=stream.ended
    aggregate_type=streaming
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"stream_id":"00000000-0000-0000-0000-000000000001","creator_id":"00000000-0000-0000-0000-000000000002","title":"live cooking","ended_at":"2025-10-28T00:00:00Z","peak_viewers":40}
    "#);
    let event = ViewerJoined {
        stream_id: id(1),
        user_id: id(3),
        viewer_count: 2,
        at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.streaming.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=viewer.joined
    aggregate_type=streaming
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"stream_id":"00000000-0000-0000-0000-000000000001","user_id":"00000000-0000-0000-0000-000000000003","viewer_count":2,"at":"2025-10-28T00:00:00Z"}
    "#);
    let event = ViewerLeft {
        stream_id: id(1),
        user_id: id(3),
        viewer_count: 1,
        at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.streaming.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=viewer.left
    aggregate_type=streaming
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"stream_id":"00000000-0000-0000-0000-000000000001","user_id":"00000000-0000-0000-0000-000000000003","viewer_count":1,"at":"2025-10-28T00:00:00Z"}
    "#);
    let event = CommentPosted {
        stream_id: id(1),
        comment_id: id(4),
        user_id: id(3),
        body: "nice".to_owned(),
        posted_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.streaming.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=comment.posted
    aggregate_type=streaming
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"stream_id":"00000000-0000-0000-0000-000000000001","comment_id":"00000000-0000-0000-0000-000000000004","user_id":"00000000-0000-0000-0000-000000000003","body":"nice","posted_at":"2025-10-28T00:00:00Z"}
    "#);
}
