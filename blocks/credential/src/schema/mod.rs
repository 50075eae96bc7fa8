//! Entities and migrations of the tables `credential_*`. Moments are microseconds, days are text.

mod m20261122_01_credential_create;

use sea_orm_migration::MigrationTrait;

/// All migrations of this crate.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m20261122_01_credential_create::Migration)]
}

pub mod kind {
    use sea_orm::entity::prelude::*;

    /// A type of certificate as its newest pack defines it.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "credential_type")]
    pub struct Model {
        /// 21 characters.
        #[sea_orm(primary_key, auto_increment = false)]
        pub code: String,
        pub name_zh: String,
        pub name_en: String,
        /// The definition as JSON.
        #[sea_orm(column_type = "Text")]
        pub definition: String,
        pub updated_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod certificate {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "credential_certificate")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        #[sea_orm(unique)]
        pub zzbs: String,
        pub type_code: String,
        pub type_name_zh: String,
        pub type_name_en: String,
        /// The definition of the type at the time of issue, template included, by digest.
        pub definition_id: String,
        /// Printed number.
        pub number: String,
        pub holder_party: String,
        pub holder_kind: String,
        pub holder_name: String,
        pub holder_code: String,
        pub issuer_code: String,
        pub issuer_name: String,
        #[sea_orm(column_type = "Text")]
        pub face: String,
        pub issued_on: String,
        pub valid_from: String,
        pub valid_to: String,
        /// `01` to `07`, `99`.
        pub status: String,
        pub status_since: i64,
        pub status_reason: String,
        /// The issue that follows or precedes this one.
        pub associated_zzbs: Option<String>,
        pub case_no: Option<String>,
        /// Canonical metadata JSON, signed; empty until rendered.
        #[sea_orm(column_type = "Text")]
        pub metadata: String,
        /// SM2 signature of the metadata, hexadecimal DER.
        pub signature: String,
        pub key_id: String,
        pub blob: Option<String>,
        pub size: Option<i64>,
        /// SM3 of the file, hexadecimal.
        pub digest: Option<String>,
        pub rendered_at: Option<i64>,
        pub version: i64,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod definition {
    use sea_orm::entity::prelude::*;

    /// Definitions of types that certificates were issued under; the id is the SM3 digest.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "credential_definition")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        #[sea_orm(column_type = "Text")]
        pub content: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod usage {
    use sea_orm::entity::prelude::*;

    /// Every view, verification, download and use of a certificate.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "credential_use")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub certificate_id: String,
        pub at: i64,
        pub act: String,
        pub actor: String,
        /// Name of who did it as the holder may read it; an organisation for officers.
        pub actor_name: String,
        pub purpose: String,
        pub case_no: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod expiry {
    use sea_orm::entity::prelude::*;

    /// Days on whose morning certificates expire, so that each has one job.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "credential_expiry")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub last_day: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
