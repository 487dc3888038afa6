//! Parameters of the methods that show something to the viewer: messages and the fingerprint.

use super::draft::{ADDRESSED_CARD, CARD, Draft};
use super::error::ApiError;

/// How long a message stays on the screen unless the client says otherwise, in seconds (CRM.COM's default).
const DISPLAY_DURATION_S: i64 = 20;

/// `send_mail_message_to_client`: puts a message into the mailbox.
pub(super) async fn mail(draft: &mut Draft<'_>) -> Result<(), ApiError> {
    draft.text("message")?;
    draft.date("star_indication_date_time")?;
    draft.card_set(&ADDRESSED_CARD).await
}

/// `send_bark_message_to_client`: shows a message on the screen.
pub(super) async fn bark(draft: &mut Draft<'_>) -> Result<(), ApiError> {
    draft.text("message")?;
    draft.whole("display_duration", Some(DISPLAY_DURATION_S))?;
    draft.date("star_indication_date_time")?;
    draft.card_set(&ADDRESSED_CARD).await
}

/// `send_repeating_bark_message_to_client`: shows it again and again.
pub(super) async fn repeating_bark(draft: &mut Draft<'_>) -> Result<(), ApiError> {
    bark(draft).await?;
    draft.mandatory_whole("repetition_count")?;
    draft.mandatory_whole("repetition_interval")
}

/// `display_fingerprint`: shows an identifying mark on the screen.
pub(super) async fn fingerprint(draft: &mut Draft<'_>) -> Result<(), ApiError> {
    draft.card_set(&CARD).await?;
    draft.date("display_date_time")?;
    for name in ["display_duration", "position_x", "position_y", "height"] {
        draft.whole(name, None)?;
    }
    draft.optional_text("fingerprint_slot")
}
