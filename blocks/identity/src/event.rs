//! What happened to accounts. No body carries a password, code, secret, or full citizen number.

use serde::{Deserialize, Serialize};
use store::EventBody;

macro_rules! event {
    ($(#[$doc:meta])* $name:ident $kind:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl EventBody for $name {
            const KIND: &'static str = $kind;
        }
    };
}

event! {
    /// A natural person made an account.
    Registered "identity.registered.v1" { user: String, party: String, assurance: u8 }
}
event! {
    /// A base registry confirmed name and number of a registered person.
    Verified "identity.verified.v1" { user: String, party: String, assurance: u8 }
}
event! {
    SignedIn "identity.signed_in.v1" {
        user: String, session: String, address: String, device: String, second_factor: bool,
    }
}
event! {
    /// `user` is empty when no account has the name; what was typed is not kept, because people
    /// type passwords into the wrong field.
    SignInFailed "identity.sign_in_failed.v1" {
        user: Option<String>,
        address: String,
        /// `password`, `code` or `disabled`.
        reason: String,
        failures: i32,
    }
}
event! {
    /// A session ended by its user or an administrator; one that runs out leaves no event.
    SessionEnded "identity.session_ended.v1" { user: String, session: String }
}
event! {
    /// A security administrator ended all sessions of a user.
    SessionsEnded "identity.sessions_ended.v1" { user: String }
}
event! {
    PasswordChanged "identity.password_changed.v1" { user: String }
}
event! {
    SecondFactorAdded "identity.second_factor_added.v1" { user: String }
}
event! {
    SecondFactorRemoved "identity.second_factor_removed.v1" { user: String }
}
event! {
    TokenCreated "identity.token_created.v1" { user: String, token: String, label: String, scope: String, ends_at: i64 }
}
event! {
    TokenRevoked "identity.token_revoked.v1" { user: String, token: String }
}
event! {
    AgentAppointed "identity.agent_appointed.v1" {
        agent: String, party: String, party_name: String, user: String, role: String, scope: String,
        from_day: String, until_day: String,
    }
}
event! {
    AgentDismissed "identity.agent_dismissed.v1" { agent: String, party: String, user: String }
}
event! {
    /// From now on the user acts for `party`, or for himself.
    PartySwitched "identity.party_switched.v1" { user: String, party: Option<String> }
}
event! {
    UserDisabled "identity.user_disabled.v1" { user: String }
}
event! {
    UserEnabled "identity.user_enabled.v1" { user: String }
}
event! {
    PostAssigned "identity.post_assigned.v1" { user: String, post: String, org: String }
}
event! {
    PostRemoved "identity.post_removed.v1" { user: String, post: String, org: String }
}
event! {
    OfficerCreated "identity.officer_created.v1" { user: String }
}
