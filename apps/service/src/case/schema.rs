//! Tables of cases.
//!
//! What rules know of a case ([`Facts`](super::Facts), with suspensions and extension) is one JSON
//! column: it is read and written with the case and never queried. Columns beside it are what
//! lists select and order by.

use sea_orm_migration::MigrationTrait;

pub mod case {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "service_case")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        #[sea_orm(unique)]
        pub number: String,
        pub parent_id: Option<String>,
        pub parent_number: Option<String>,
        /// Position among the parent's sub-cases from 1; 0 for others.
        pub part: i32,
        pub is_theme: bool,
        /// Task code of the matter, or id of the theme.
        pub matter_code: String,
        pub matter_name: String,
        pub matter_version: i32,
        pub party_id: Option<String>,
        pub party_kind: String,
        pub party_name: String,
        pub party_code: String,
        pub party_phone: String,
        pub party_address: String,
        /// User who handed it in, and who may look after it for the party.
        pub agent_id: String,
        pub agent_name: String,
        pub channel: String,
        pub region: String,
        pub org: String,
        pub org_name: String,
        pub state: String,
        pub is_open: bool,
        /// `YYYY-MM-DD` of the date that matters now; `9999-12-31` when none does, so that lists
        /// ordered by it have no empty keys.
        pub due_on: String,
        pub submitted_at: i64,
        pub closed_at: Option<i64>,
        #[sea_orm(column_type = "Text")]
        pub facts: String,
        /// Answers of the questionnaire.
        #[sea_orm(column_type = "Text")]
        pub answers: String,
        pub form: Option<String>,
        /// Values of the form, as handed in.
        #[sea_orm(column_type = "Text")]
        pub data: String,
        /// Where each prefilled value came from.
        #[sea_orm(column_type = "Text")]
        pub provenance: String,
        /// Sub-cases that the answers call for, fixed when handed in.
        #[sea_orm(column_type = "Text")]
        pub plan: String,
        pub process: Option<String>,
        pub instance_id: Option<String>,
        /// Call of the parent's process that waits for this sub-case to end.
        pub call_id: Option<String>,
        /// Certificate issued as the result.
        pub certificate_id: Option<String>,
        /// Identifier of the draft: handing it in twice makes one case.
        #[sea_orm(unique)]
        pub idempotency_key: String,
        pub query_salt: String,
        pub query_hash: String,
        pub query_failures: i32,
        pub query_locked_until: i64,
        pub version: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod entry {
    use sea_orm::entity::prelude::*;

    /// A line of a case's timeline.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "service_case_entry")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub case_id: String,
        pub at: i64,
        pub seq: i32,
        /// Name of the event.
        pub event: String,
        pub state: String,
        pub actor: String,
        pub actor_name: String,
        pub post: String,
        pub org_name: String,
        #[sea_orm(column_type = "Text")]
        pub words: String,
        /// Whether the applicant sees it.
        pub is_public: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod material {
    use sea_orm::entity::prelude::*;

    /// A material of a case and how it was obtained.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "service_material")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub case_id: String,
        pub key: String,
        pub name: String,
        /// `paper`, `upload`, `certificate`, `later` or `none`.
        pub obtained: String,
        /// Certificate that replaces it.
        pub certificate_id: Option<String>,
        pub copies: i32,
        /// Files as JSON list of id, name, size and digest.
        #[sea_orm(column_type = "Text")]
        pub files: String,
        pub at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod opinion {
    use sea_orm::entity::prelude::*;

    /// What an officer said in a step; visible to all bodies of a joint case.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "service_opinion")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub case_id: String,
        pub at: i64,
        pub step: String,
        pub outcome: String,
        #[sea_orm(column_type = "Text")]
        pub opinion: String,
        /// Values of the task's form as JSON.
        #[sea_orm(column_type = "Text")]
        pub data: String,
        pub officer_id: String,
        pub officer_name: String,
        pub post: String,
        pub org_name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod sequence {
    use sea_orm::entity::prelude::*;

    /// The last serial taken by an organisation on a day.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "service_sequence")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub org: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub day: String,
        pub last: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod notice {
    use sea_orm::entity::prelude::*;

    /// A statutory notice of a case; rendered by a job, then kept as a file.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "service_notice")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub case_id: String,
        /// Name of the template, as `acceptance`.
        pub kind: String,
        pub number: String,
        pub at: i64,
        /// What the template is filled with, as JSON; fixed when the notice was made.
        #[sea_orm(column_type = "Text")]
        pub data: String,
        /// The finished file; empty until rendered.
        pub blob: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Migrations of these tables.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m20261122_02_service_case::Migration)]
}

mod m20261122_02_service_case {
    use sea_orm_migration::{
        prelude::*,
        schema::{big_integer, big_integer_null, boolean, integer, string, string_null, text},
    };

    pub struct Migration;

    impl MigrationName for Migration {
        fn name(&self) -> &'static str {
            "m20261122_02_service_case"
        }
    }

    #[async_trait::async_trait]
    impl MigrationTrait for Migration {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            for table in [case(), entry(), material(), opinion(), sequence(), notice()] {
                manager.create_table(table).await?;
            }
            for index in indexes() {
                manager.create_index(index).await?;
            }
            Ok(())
        }
    }

    fn case() -> TableCreateStatement {
        Table::create()
            .table("service_case")
            .col(string("id").primary_key())
            .col(string("number").unique_key())
            .col(string_null("parent_id"))
            .col(string_null("parent_number"))
            .col(integer("part"))
            .col(boolean("is_theme"))
            .col(string("matter_code"))
            .col(text("matter_name"))
            .col(integer("matter_version"))
            .col(string_null("party_id"))
            .col(string("party_kind"))
            .col(text("party_name"))
            .col(string("party_code"))
            .col(string("party_phone"))
            .col(text("party_address"))
            .col(string("agent_id"))
            .col(text("agent_name"))
            .col(string("channel"))
            .col(string("region"))
            .col(string("org"))
            .col(text("org_name"))
            .col(string("state"))
            .col(boolean("is_open"))
            .col(string("due_on"))
            .col(big_integer("submitted_at"))
            .col(big_integer_null("closed_at"))
            .col(text("facts"))
            .col(text("answers"))
            .col(string_null("form"))
            .col(text("data"))
            .col(text("provenance"))
            .col(text("plan"))
            .col(string_null("process"))
            .col(string_null("instance_id"))
            .col(string_null("call_id"))
            .col(string_null("certificate_id"))
            .col(string("idempotency_key").unique_key())
            .col(string("query_salt"))
            .col(string("query_hash"))
            .col(integer("query_failures"))
            .col(big_integer("query_locked_until"))
            .col(integer("version"))
            .to_owned()
    }

    fn entry() -> TableCreateStatement {
        Table::create()
            .table("service_case_entry")
            .col(string("id").primary_key())
            .col(string("case_id"))
            .col(big_integer("at"))
            .col(integer("seq"))
            .col(string("event"))
            .col(string("state"))
            .col(string("actor"))
            .col(text("actor_name"))
            .col(string("post"))
            .col(text("org_name"))
            .col(text("words"))
            .col(boolean("is_public"))
            .to_owned()
    }

    fn material() -> TableCreateStatement {
        Table::create()
            .table("service_material")
            .col(string("id").primary_key())
            .col(string("case_id"))
            .col(string("key"))
            .col(text("name"))
            .col(string("obtained"))
            .col(string_null("certificate_id"))
            .col(integer("copies"))
            .col(text("files"))
            .col(big_integer("at"))
            .to_owned()
    }

    fn opinion() -> TableCreateStatement {
        Table::create()
            .table("service_opinion")
            .col(string("id").primary_key())
            .col(string("case_id"))
            .col(big_integer("at"))
            .col(string("step"))
            .col(string("outcome"))
            .col(text("opinion"))
            .col(text("data"))
            .col(string("officer_id"))
            .col(text("officer_name"))
            .col(string("post"))
            .col(text("org_name"))
            .to_owned()
    }

    fn sequence() -> TableCreateStatement {
        Table::create()
            .table("service_sequence")
            .col(string("org"))
            .col(string("day"))
            .col(big_integer("last"))
            .primary_key(Index::create().col("org").col("day"))
            .to_owned()
    }

    fn notice() -> TableCreateStatement {
        Table::create()
            .table("service_notice")
            .col(string("id").primary_key())
            .col(string("case_id"))
            .col(string("kind"))
            .col(string("number"))
            .col(big_integer("at"))
            .col(text("data"))
            .col(string_null("blob"))
            .to_owned()
    }

    fn indexes() -> Vec<IndexCreateStatement> {
        let index = |name: &'static str, table: &'static str, columns: &[&'static str]| {
            let mut index = Index::create();
            index.name(name).table(table);
            for column in columns {
                index.col(*column);
            }
            index
        };
        vec![
            index(
                "service_case_org",
                "service_case",
                &["org", "is_open", "due_on", "id"],
            ),
            index(
                "service_case_region",
                "service_case",
                &["region", "is_open", "due_on", "id"],
            ),
            index("service_case_party", "service_case", &["party_id", "id"]),
            index("service_case_agent", "service_case", &["agent_id", "id"]),
            index(
                "service_case_parent",
                "service_case",
                &["parent_id", "part"],
            ),
            index(
                "service_case_state",
                "service_case",
                &["state", "due_on", "id"],
            ),
            index(
                "service_case_entry_case",
                "service_case_entry",
                &["case_id", "seq"],
            ),
            index(
                "service_material_case",
                "service_material",
                &["case_id", "id"],
            ),
            index(
                "service_opinion_case",
                "service_opinion",
                &["case_id", "id"],
            ),
            index("service_notice_case", "service_notice", &["case_id", "id"]),
        ]
    }
}
