//! What happened to messages.

use serde::{Deserialize, Serialize};
use store::EventBody;

/// The mail server took a message. The address is not kept here: it is personal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailSent {
    pub message: String,
    pub user: String,
    pub key: String,
}

impl EventBody for MailSent {
    const KIND: &'static str = "notify.mail_sent.v1";
}
