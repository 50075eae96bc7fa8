//! Certificates: what they are and how their status may change.

pub mod act;
pub mod issue;
pub(crate) mod store;

use chrono::{DateTime, NaiveDate, Utc};
use identity::PartyKind;
use kernel::mask;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::CertificateId;

/// A certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub id: CertificateId,
    /// Identifier by GB/T 36904, printed on the face.
    pub zzbs: String,
    pub type_code: String,
    pub type_name: String,
    pub type_name_en: String,
    pub(crate) definition_id: String,
    pub number: String,
    pub holder_party: String,
    pub holder_kind: PartyKind,
    pub holder_name: String,
    pub holder_code: String,
    pub issuer_code: String,
    pub issuer_name: String,
    pub face: Map<String, Value>,
    pub issued_on: NaiveDate,
    pub valid_from: NaiveDate,
    pub valid_to: NaiveDate,
    pub status: Status,
    pub status_since: DateTime<Utc>,
    pub status_reason: String,
    pub associated_zzbs: Option<String>,
    pub case_no: Option<String>,
    pub metadata: String,
    pub signature: String,
    pub key_id: String,
    pub(crate) blob: Option<String>,
    pub size: Option<i64>,
    /// SM3 of the file, hexadecimal; `None` until it is rendered.
    pub digest: Option<String>,
    pub rendered_at: Option<DateTime<Utc>>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
}

impl Certificate {
    /// The status that holds on a day: a certificate past its last day is expired even before
    /// the morning's job has said so.
    pub fn status_on(&self, today: NaiveDate) -> Status {
        match self.status {
            Status::Valid | Status::Suspended if today > self.valid_to => Status::Expired,
            status => status,
        }
    }

    /// Whether it may be relied on that day.
    pub fn is_valid_on(&self, today: NaiveDate) -> bool {
        self.status_on(today) == Status::Valid && self.valid_from <= today
    }

    /// The holder's name for strangers: persons are masked, organisations are not.
    pub fn public_holder_name(&self) -> String {
        match self.holder_kind {
            PartyKind::Natural => {
                mask::mask(mask::Kind::Name, mask::Profile::Public, &self.holder_name)
            }
            PartyKind::Legal => self.holder_name.clone(),
        }
    }

    /// The holder's code, masked where it is a person's.
    pub fn masked_holder_code(&self, profile: mask::Profile) -> String {
        match self.holder_kind {
            PartyKind::Natural => mask::mask(mask::Kind::Id, profile, &self.holder_code),
            PartyKind::Legal => self.holder_code.clone(),
        }
    }
}

/// Status by the published list of data standards §5.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// 01 有效
    Valid,
    /// 02 暂扣
    Suspended,
    /// 03 撤销
    Revoked,
    /// 04 注销
    Cancelled,
    /// 05 失效
    Expired,
    /// 06 办理转出
    Transferring,
    /// 07 吊销
    Withdrawn,
    /// 99 其他
    Other,
}

impl Status {
    pub const ALL: [Self; 8] = [
        Self::Valid,
        Self::Suspended,
        Self::Revoked,
        Self::Cancelled,
        Self::Expired,
        Self::Transferring,
        Self::Withdrawn,
        Self::Other,
    ];

    pub fn code(self) -> &'static str {
        match self {
            Self::Valid => "01",
            Self::Suspended => "02",
            Self::Revoked => "03",
            Self::Cancelled => "04",
            Self::Expired => "05",
            Self::Transferring => "06",
            Self::Withdrawn => "07",
            Self::Other => "99",
        }
    }

    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }

    /// Fluent key of its name.
    pub fn key(self) -> &'static str {
        match self {
            Self::Valid => "credential-status-valid",
            Self::Suspended => "credential-status-suspended",
            Self::Revoked => "credential-status-revoked",
            Self::Cancelled => "credential-status-cancelled",
            Self::Expired => "credential-status-expired",
            Self::Transferring => "credential-status-transferring",
            Self::Withdrawn => "credential-status-withdrawn",
            Self::Other => "credential-status-other",
        }
    }

    /// Whether the status may become the other: 01→02→01; 01 and 02 end in 03, 04, 05, 07;
    /// 01→06→01 or an end.
    pub fn may_become(self, next: Self) -> bool {
        use Status::{
            Cancelled, Expired, Other, Revoked, Suspended, Transferring, Valid, Withdrawn,
        };
        let is_end = matches!(next, Revoked | Cancelled | Expired | Withdrawn | Other);
        match self {
            Valid => is_end || matches!(next, Suspended | Transferring),
            Suspended | Transferring => is_end || next == Valid,
            Revoked | Cancelled | Expired | Withdrawn | Other => false,
        }
    }
}

/// What officers do to a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// 暂扣
    Suspend,
    /// 暂扣发还
    Resume,
    /// 撤销: it should not have been granted.
    Revoke,
    /// 注销: the holder gives it up or ceased to exist.
    Cancel,
    /// 吊销: taken away as a penalty.
    Withdraw,
}

impl Change {
    pub const ALL: [Self; 5] = [
        Self::Suspend,
        Self::Resume,
        Self::Revoke,
        Self::Cancel,
        Self::Withdraw,
    ];

    pub fn status(self) -> Status {
        match self {
            Self::Suspend => Status::Suspended,
            Self::Resume => Status::Valid,
            Self::Revoke => Status::Revoked,
            Self::Cancel => Status::Cancelled,
            Self::Withdraw => Status::Withdrawn,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Revoke => "revoke",
            Self::Cancel => "cancel",
            Self::Withdraw => "withdraw",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|change| change.name() == name)
    }

    /// Fluent key of the button.
    pub fn key(self) -> &'static str {
        match self {
            Self::Suspend => "credential-change-suspend",
            Self::Resume => "credential-change-resume",
            Self::Revoke => "credential-change-revoke",
            Self::Cancel => "credential-change-cancel",
            Self::Withdraw => "credential-change-withdraw",
        }
    }
}

/// How a certificate was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Seen by its holder or an officer.
    View,
    /// Looked up by anybody.
    Verify,
    /// The file was taken.
    Download,
    /// Stood in for a material of an application.
    Use,
}

impl Act {
    pub fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Verify => "verify",
            Self::Download => "download",
            Self::Use => "use",
        }
    }

    /// Fluent key of its name.
    pub fn key(name: &str) -> &'static str {
        match name {
            "verify" => "credential-act-verify",
            "download" => "credential-act-download",
            "use" => "credential-act-use",
            _ => "credential-act-view",
        }
    }
}

/// One line of the log of uses.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Usage {
    pub id: String,
    pub at: DateTime<Utc>,
    #[schema(example = "verify")]
    pub act: String,
    /// Who, as the holder may read it.
    pub actor_name: String,
    pub purpose: String,
    pub case_no: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_codes_are_those_of_the_list() {
        for status in Status::ALL {
            assert_eq!(Status::from_code(status.code()), Some(status));
        }
        assert_eq!(Status::from_code("08"), None);
    }

    #[test]
    fn what_has_ended_does_not_come_back() {
        use Status::*;
        assert!(Valid.may_become(Suspended) && Suspended.may_become(Valid));
        assert!(Transferring.may_become(Valid) && Valid.may_become(Transferring));
        for end in [Revoked, Cancelled, Expired, Withdrawn, Other] {
            assert!(Valid.may_become(end) && Suspended.may_become(end));
            assert!(
                Status::ALL.into_iter().all(|next| !end.may_become(next)),
                "{end:?}"
            );
        }
        assert!(!Valid.may_become(Valid) && !Suspended.may_become(Transferring));
    }
}
