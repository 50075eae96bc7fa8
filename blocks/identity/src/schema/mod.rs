//! Entities and migrations of the tables `identity_*`. Moments are microseconds, days are text.

mod migration;

pub use migration::migrations;

pub mod organisation {
    use sea_orm::entity::prelude::*;

    /// Bodies and departments; the tree is region × department.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "identity_organisation")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// Unified social credit code.
        pub code: String,
        pub parent_id: Option<String>,
        /// 6 digits.
        pub region: String,
        pub name_zh: String,
        pub name_en: String,
        pub short_name: String,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod party {
    use sea_orm::entity::prelude::*;

    /// Natural and legal persons, whether or not they can sign in.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "identity_party")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// `natural` or `legal`.
        pub kind: String,
        /// Citizen number or unified social credit code.
        pub code: String,
        pub name: String,
        pub phone: String,
        pub address: String,
        /// Citizen number of a firm's legal representative.
        pub representative: Option<String>,
        /// Whether a base registry vouches for name and code.
        pub is_base: bool,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod user {
    use sea_orm::entity::prelude::*;

    /// Who can sign in. `stamp` rises with every change that decides what the user may do.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "identity_user")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// Lower case.
        pub login: String,
        pub name: String,
        /// Empty for officers: two realms that never mix.
        pub party_id: Option<String>,
        pub assurance: i32,
        pub password_hash: String,
        pub password_changed_at: i64,
        /// Envelope in base64.
        pub totp_secret: Option<String>,
        pub totp_confirmed_at: Option<i64>,
        /// Last time step a code was taken for; a code counts once.
        pub totp_last_step: i64,
        pub disabled_at: Option<i64>,
        pub stamp: i64,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod post {
    use sea_orm::entity::prelude::*;

    /// What an officer does at which organisation.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "identity_post")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub user_id: String,
        pub post: String,
        pub org_id: String,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod agent {
    use sea_orm::entity::prelude::*;

    /// Who may act for a party. Rows are ended, never removed.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "identity_agent")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub party_id: String,
        pub user_id: String,
        /// `representative`, `agent` or `proxy`.
        pub role: String,
        /// `*`, or matter codes separated by spaces.
        pub scope: String,
        pub from_day: String,
        pub until_day: String,
        pub appointed_by: String,
        pub created_at: i64,
        pub dismissed_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod session {
    use sea_orm::entity::prelude::*;

    /// Signed-in browsers. The secret itself is only in the cookie.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "identity_session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub secret_hash: String,
        pub user_id: String,
        /// `open`, or `code` while the second factor is awaited.
        pub stage: String,
        pub second_factor: bool,
        pub acting_for: Option<String>,
        pub device: String,
        pub address: String,
        pub created_at: i64,
        pub seen_at: i64,
        pub ends_at: i64,
        pub ended_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod token {
    use sea_orm::entity::prelude::*;

    /// Personal access tokens. The secret itself is shown once and not kept.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "identity_token")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub secret_hash: String,
        pub user_id: String,
        pub label: String,
        /// `all` or `read`.
        pub scope: String,
        pub second_factor: bool,
        pub acting_for: Option<String>,
        pub created_at: i64,
        pub ends_at: i64,
        pub used_at: Option<i64>,
        pub revoked_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod throttle {
    use sea_orm::entity::prelude::*;

    /// Failed attempts per account and per address.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "identity_throttle")]
    pub struct Model {
        /// `account:…` or `address:…`.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub failures: i32,
        pub failed_at: i64,
        pub locked_until: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
