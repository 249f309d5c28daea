use chrono::{DateTime, Utc};
use nova_errors::{ServiceError, Violation};
use nova_events::content::{MediaType, PostCreated, PostStatus, PostStatusUpdated, PostUpdated};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use uuid::Uuid;

/// A post, as the routes answer it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// The post.
    pub post_id: Uuid,
    /// Who wrote it.
    pub user_id: Uuid,
    /// The text.
    pub caption: String,
    /// What it shows beside the text.
    pub media_type: MediaType,
    /// Whether others see it.
    pub status: PostStatus,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// What a new post is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewPost {
    /// The text: at most 2 200 characters.
    pub caption: String,
    /// What it shows beside the text; `none` where absent.
    #[serde(default = "no_media")]
    pub media_type: MediaType,
}

/// What a change of a post sets; an absent field stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PostChange {
    /// The text.
    #[serde(default)]
    pub caption: Option<String>,
    /// `published` or `archived`.
    #[serde(default)]
    pub status: Option<PostStatus>,
}

const MAX_CAPTION: usize = 2_200;

const fn no_media() -> MediaType {
    MediaType::None
}

impl NewPost {
    pub(crate) fn validate(&self) -> Result<(), ServiceError> {
        caption_fits(&self.caption)?;
        match &self.media_type {
            MediaType::Unknown(word) => {
                let expected = "expected image, video or none";
                Err(unexpected("media_type", expected, word))
            }
            _ => Ok(()),
        }
    }
}

impl PostChange {
    pub(crate) fn validate(&self) -> Result<(), ServiceError> {
        if let Some(caption) = &self.caption {
            caption_fits(caption)?;
        }
        match &self.status {
            None | Some(PostStatus::Published | PostStatus::Archived) => {}
            Some(other) => {
                let expected = "expected published or archived";
                return Err(unexpected("status", expected, other.as_str()));
            }
        }
        if self.caption.is_none() && self.status.is_none() {
            return Err(violation(
                "caption",
                "expected a caption or a status".to_owned(),
            ));
        }
        Ok(())
    }
}

fn caption_fits(caption: &str) -> Result<(), ServiceError> {
    let length = caption.chars().count();
    if length > MAX_CAPTION {
        return Err(violation(
            "caption",
            format!("expected at most {MAX_CAPTION} characters, got {length}"),
        ));
    }
    if caption.contains('\0') {
        return Err(violation("caption", "expected no NUL character".to_owned()));
    }
    Ok(())
}

fn unexpected(field: &str, expected: &str, word: &str) -> ServiceError {
    let shown: String = word.chars().take(64).collect();
    violation(field, format!("{expected}, got {shown:?}"))
}

fn violation(field: &str, message: String) -> ServiceError {
    ServiceError::Validation(Violation::new(field, message).into())
}

impl sqlx::FromRow<'_, nova_kit::Row> for Post {
    fn from_row(row: &nova_kit::Row) -> sqlx::Result<Self> {
        Ok(Self {
            post_id: row.try_get("id")?,
            user_id: row.try_get("user_id")?,
            caption: row.try_get("caption")?,
            media_type: row.try_get::<String, _>("media_type")?.into(),
            status: row.try_get::<String, _>("status")?.into(),
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

impl From<&Post> for PostCreated {
    fn from(post: &Post) -> Self {
        Self {
            post_id: post.post_id,
            user_id: post.user_id,
            caption: post.caption.clone(),
            media_type: post.media_type.clone(),
            status: post.status.clone(),
            created_at: post.created_at,
        }
    }
}

impl From<&Post> for PostUpdated {
    fn from(post: &Post) -> Self {
        Self {
            post_id: post.post_id,
            user_id: post.user_id,
            caption: post.caption.clone(),
            updated_at: post.updated_at,
        }
    }
}

impl From<&Post> for PostStatusUpdated {
    fn from(post: &Post) -> Self {
        Self {
            post_id: post.post_id,
            user_id: post.user_id,
            new_status: post.status.clone(),
            updated_at: post.updated_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_the_field_that_breaks_a_rule() {
        let fault = |json: &str| {
            let change: PostChange = serde_json::from_str(json).unwrap();
            let error = change.validate().unwrap_err();
            error.violations()[0].field.clone()
        };
        assert_eq!(fault(r#"{"status":"deleted"}"#), "status");
        assert_eq!(fault(r#"{"status":"on fire"}"#), "status");
        assert_eq!(fault(r#"{"caption":"a\u0000b"}"#), "caption");
        assert_eq!(fault("{}"), "caption");
    }

    #[test]
    fn a_caption_is_counted_in_characters() {
        let post = |caption: String| NewPost {
            caption,
            media_type: MediaType::None,
        };
        assert!(post("ä".repeat(MAX_CAPTION)).validate().is_ok());
        assert!(post("ä".repeat(MAX_CAPTION + 1)).validate().is_err());
    }

    #[test]
    fn a_long_word_is_not_echoed() {
        let word = "\u{1}".repeat(1_000_000);
        let post = NewPost {
            caption: String::new(),
            media_type: MediaType::Unknown(word.clone()),
        };
        let change = PostChange {
            caption: None,
            status: Some(PostStatus::Unknown(word)),
        };
        for error in [post.validate().unwrap_err(), change.validate().unwrap_err()] {
            let violation = &error.violations()[0];
            assert!(violation.message.len() < 500, "{}", violation.field);
        }
    }
}
