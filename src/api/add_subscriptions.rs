//! `POST conax_sms_sas/…/add_subscriptions`: gives one service to one card.

use super::error::ApiError;
use super::{Data, Params, Session, subscriptions};
use crate::app::App;
use crate::request::RequestType;

/// The method.
///
/// # Errors
/// A parameter, or the store.
pub async fn call(app: &App, session: &Session, params: Params) -> Result<Data, ApiError> {
    subscriptions::call(app, session, RequestType::AddSubscriptions, params).await
}
