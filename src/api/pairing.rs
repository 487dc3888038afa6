//! Parameters of the pairing methods.

use super::draft::{CARD, Draft};
use super::error::ApiError;

/// `create_pairing`: pairs each card of a set with each box of another.
pub(super) async fn create(draft: &mut Draft<'_>) -> Result<(), ApiError> {
    draft.card_set(&CARD).await?;
    draft.stb_set().await
}

/// `add_to_existing_pairing`: adds boxes to the pairing of a card.
pub(super) async fn add(draft: &mut Draft<'_>) -> Result<(), ApiError> {
    draft.card("existing_smartcard_ca_id").await?;
    draft.stb_set().await
}
