//! What a node remembers: one SQLite file in its folder.

use std::{path::Path, sync::Arc};

use kernel::{Fault, Result, SystemClock, clock::micros};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, sea_query::OnConflict,
};
use sea_orm_migration::{MigrationTrait, prelude::*};
use store::{Db, Settings, fault};

use crate::schema::entity;

entity!(
    /// How far a publication's source was read.
    reading, "node_reading", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub publication: String,
    pub watermark: Option<String>,
    /// Kind, counts and checksum of what was read last, so that the same is not sent twice.
    pub content: String,
    pub read_at: i64,
});

entity!(
    /// A file that was taken.
    file, "node_file", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub publication: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    pub digest: String,
    pub batch: String,
    pub taken_at: i64,
});

entity!(
    /// A file whose rows were taken, kept in the node's folder: all of them together are what a new
    /// subscriber gets, whatever lies in the folder by then.
    kept, "node_kept", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub publication: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub digest: String,
    /// Name that it is ordered by.
    pub place: String,
    /// Whether it holds refused rows that were mended.
    pub is_resent: bool,
    pub batch: String,
    pub taken_at: i64,
});

entity!(
    /// A taken file whose copy the node let go, because there were too many: who needs all rows
    /// needs it back.
    dropped, "node_dropped", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub publication: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub digest: String,
    /// Name that it is ordered by.
    pub place: String,
    pub taken_at: i64,
    pub dropped_at: i64,
});

entity!(
    /// A key of which the source told a row, or that it is gone, after a mended row of it was sent:
    /// from then on the source's word counts.
    met, "node_met", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub publication: String,
    /// Hash of the key, hexadecimal.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hash: String,
});

entity!(
    /// A batch that was read and signed; it stays until the hub's receipt is here, and after.
    batch, "node_batch", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub publication: String,
    pub sequence: i64,
    #[sea_orm(column_type = "Text")]
    pub manifest: String,
    pub manifest_signature: String,
    /// Rows that were set aside, JSON.
    #[sea_orm(column_type = "Text")]
    pub refused: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub receipt: Option<String>,
    pub receipt_signature: Option<String>,
    pub created_at: i64,
    pub receipted_at: Option<i64>,
});

entity!(
    /// A delivery whose chunks are all here, and whether the target has it.
    delivery, "node_delivery", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub publication: String,
    pub subscription: String,
    pub sequence: i64,
    #[sea_orm(column_type = "Text")]
    pub note: String,
    pub note_signature: String,
    pub pulled_at: i64,
    pub applied_at: Option<i64>,
    pub receipted_at: Option<i64>,
});

struct Create;

impl MigrationName for Create {
    fn name(&self) -> &'static str {
        "m20261125_11_exchange_node_create"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Create {
    async fn up(&self, manager: &SchemaManager) -> std::result::Result<(), DbErr> {
        let schema = sea_orm::Schema::new(manager.get_database_backend());
        manager
            .create_table(schema.create_table_from_entity(reading::Entity))
            .await?;
        manager
            .create_table(schema.create_table_from_entity(file::Entity))
            .await?;
        manager
            .create_table(schema.create_table_from_entity(batch::Entity))
            .await?;
        manager
            .create_table(schema.create_table_from_entity(delivery::Entity))
            .await
    }
}

struct Keep;

impl MigrationName for Keep {
    fn name(&self) -> &'static str {
        "m20261126_10_exchange_node_keep"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Keep {
    async fn up(&self, manager: &SchemaManager) -> std::result::Result<(), DbErr> {
        let schema = sea_orm::Schema::new(manager.get_database_backend());
        manager
            .create_table(schema.create_table_from_entity(kept::Entity))
            .await?;
        manager
            .create_table(schema.create_table_from_entity(met::Entity))
            .await
    }
}

struct Drop;

impl MigrationName for Drop {
    fn name(&self) -> &'static str {
        "m20261126_11_exchange_node_drop"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Drop {
    async fn up(&self, manager: &SchemaManager) -> std::result::Result<(), DbErr> {
        let schema = sea_orm::Schema::new(manager.get_database_backend());
        manager
            .create_table(schema.create_table_from_entity(dropped::Entity))
            .await
    }
}

/// What is remembered together with a batch.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// Files that it is from.
    pub files: Vec<file::Model>,
    pub kept: Vec<kept::Model>,
    /// Whether they hold all rows: what was kept before is not needed.
    pub is_all: bool,
    /// Hashes of keys by which mended rows are out of date.
    pub met: Vec<String>,
    /// Hashes of keys that are mended now.
    pub mended: Vec<String>,
}

/// The node's memory. Cheap to clone.
#[derive(Clone)]
pub struct State(Db);

impl State {
    /// Opens the memory in that folder, making it if it is not there.
    pub async fn open(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)
            .map_err(|e| Fault::caused_by(format!("make {}", folder.display()), e))?;
        let settings = Settings {
            url: format!("sqlite://{}", folder.join("node.db").display()),
            connections: 2,
        };
        let db = Db::open(&settings, Arc::new(SystemClock)).await?;
        let mut all = store::migrations();
        all.push(Box::new(Create));
        all.push(Box::new(Keep));
        all.push(Box::new(Drop));
        store::migrate(&db, all).await?;
        Ok(Self(db))
    }

    pub async fn reading(&self, publication: &str) -> Result<Option<reading::Model>> {
        let found = reading::Entity::find_by_id(publication)
            .one(self.0.read())
            .await;
        found.map_err(|e| fault("read the node's memory", e).into())
    }

    pub async fn file(&self, publication: &str, name: &str) -> Result<Option<file::Model>> {
        let key = (publication.to_owned(), name.to_owned());
        let found = file::Entity::find_by_id(key).one(self.0.read()).await;
        found.map_err(|e| fault("read the node's memory", e).into())
    }

    /// Files that were taken from a folder, in their newest versions.
    pub async fn files(&self, publication: &str) -> Result<Vec<file::Model>> {
        file::Entity::find()
            .filter(file::Column::Publication.eq(publication))
            .order_by_asc(file::Column::Name)
            .all(self.0.read())
            .await
            .map_err(|e| fault("read the node's memory", e).into())
    }

    /// Files that are kept of a publication, or of all.
    pub async fn kept(&self, publication: Option<&str>) -> Result<Vec<kept::Model>> {
        let mut query = kept::Entity::find();
        if let Some(publication) = publication {
            query = query.filter(kept::Column::Publication.eq(publication));
        }
        let all = query.order_by_asc(kept::Column::TakenAt).all(self.0.read());
        all.await
            .map_err(|e| fault("read the node's memory", e).into())
    }

    /// Files that are kept and of whose batch the receipt is here, but for mended ones.
    pub async fn receipted(&self) -> Result<Vec<kept::Model>> {
        let done = Query::select()
            .column(batch::Column::Id)
            .from(batch::Entity)
            .and_where(batch::Column::ReceiptedAt.is_not_null())
            .to_owned();
        kept::Entity::find()
            .filter(kept::Column::IsResent.eq(false))
            .filter(kept::Column::Batch.in_subquery(done))
            .order_by_desc(kept::Column::TakenAt)
            .order_by_desc(kept::Column::Place)
            .all(self.0.read())
            .await
            .map_err(|e| fault("read the node's memory", e).into())
    }

    /// Files of a publication whose copies were let go.
    pub async fn dropped(&self, publication: &str) -> Result<Vec<dropped::Model>> {
        dropped::Entity::find()
            .filter(dropped::Column::Publication.eq(publication))
            .order_by_asc(dropped::Column::TakenAt)
            .order_by_asc(dropped::Column::Name)
            .all(self.0.read())
            .await
            .map_err(|e| fault("read the node's memory", e).into())
    }

    /// Copies that are kept no more; the files themselves are removed after it.
    pub async fn let_go(&self, surplus: Vec<kept::Model>) -> Result<()> {
        self.0
            .write(move |tx| {
                let surplus = surplus.clone();
                async move {
                    for row in surplus {
                        drop_kept(&tx, row).await?;
                    }
                    Ok(())
                }
            })
            .await
    }

    /// Hashes of keys by which mended rows are out of date.
    pub async fn met(&self, publication: &str) -> Result<Vec<String>> {
        met::Entity::find()
            .select_only()
            .column(met::Column::Hash)
            .filter(met::Column::Publication.eq(publication))
            .into_tuple()
            .all(self.0.read())
            .await
            .map_err(|e| fault("read the node's memory", e).into())
    }

    /// Batches that have no receipt yet, the oldest first.
    pub async fn unsent(&self) -> Result<Vec<batch::Model>> {
        batch::Entity::find()
            .filter(batch::Column::ReceiptedAt.is_null())
            .order_by_asc(batch::Column::CreatedAt)
            .order_by_asc(batch::Column::Id)
            .all(self.0.read())
            .await
            .map_err(|e| fault("read the node's memory", e).into())
    }

    /// The newest batches, with their receipts.
    pub async fn batches(&self, limit: u64) -> Result<Vec<batch::Model>> {
        batch::Entity::find()
            .order_by_desc(batch::Column::CreatedAt)
            .order_by_desc(batch::Column::Id)
            .limit(limit)
            .all(self.0.read())
            .await
            .map_err(|e| fault("read the node's memory", e).into())
    }

    /// The newest deliveries.
    pub async fn deliveries(&self, limit: u64) -> Result<Vec<delivery::Model>> {
        delivery::Entity::find()
            .order_by_desc(delivery::Column::PulledAt)
            .order_by_desc(delivery::Column::Id)
            .limit(limit)
            .all(self.0.read())
            .await
            .map_err(|e| fault("read the node's memory", e).into())
    }

    /// The newest batch of a publication.
    pub async fn last_batch(&self, publication: &str) -> Result<Option<batch::Model>> {
        batch::Entity::find()
            .filter(batch::Column::Publication.eq(publication))
            .order_by_desc(batch::Column::CreatedAt)
            .order_by_desc(batch::Column::Id)
            .one(self.0.read())
            .await
            .map_err(|e| fault("read the node's memory", e).into())
    }

    pub async fn batch(&self, id: &str) -> Result<Option<batch::Model>> {
        let found = batch::Entity::find_by_id(id).one(self.0.read()).await;
        found.map_err(|e| fault("read the node's memory", e).into())
    }

    pub async fn delivery(&self, id: &str) -> Result<Option<delivery::Model>> {
        let found = delivery::Entity::find_by_id(id).one(self.0.read()).await;
        found.map_err(|e| fault("read the node's memory", e).into())
    }

    /// A batch is read: it, how far the source was read, and the files it is from, in one write.
    pub async fn add_batch(
        &self,
        row: batch::Model,
        read: reading::Model,
        taken: Taken,
    ) -> Result<()> {
        self.0
            .write(move |tx| {
                let (row, read, taken) = (row.clone(), read.clone(), taken.clone());
                async move {
                    let failed = |e| fault("remember a batch", e);
                    remember_kept(&tx, &row.publication, &taken).await?;
                    batch::Entity::insert(row.into_active_model().reset_all())
                        .exec_without_returning(&*tx)
                        .await
                        .map_err(failed)?;
                    remember_reading(&tx, read).await?;
                    for file in taken.files {
                        let again =
                            OnConflict::columns([file::Column::Publication, file::Column::Name])
                                .update_columns([
                                    file::Column::Digest,
                                    file::Column::Batch,
                                    file::Column::TakenAt,
                                ])
                                .to_owned();
                        file::Entity::insert(file.into_active_model().reset_all())
                            .on_conflict(again)
                            .exec_without_returning(&*tx)
                            .await
                            .map_err(failed)?;
                    }
                    Ok(())
                }
            })
            .await
    }

    /// The source was read and nothing was new.
    pub async fn note_reading(&self, read: reading::Model) -> Result<()> {
        self.0
            .write(move |tx| {
                let read = read.clone();
                async move { remember_reading(&tx, read).await }
            })
            .await
    }

    /// The batch cannot be sent any more; what it was read from is read again.
    pub async fn forget_batch(&self, row: &batch::Model) -> Result<()> {
        let row = row.clone();
        self.0
            .write(move |tx| {
                let row = row.clone();
                async move {
                    let failed = |e| fault("forget a batch", e);
                    batch::Entity::delete_by_id(&row.id)
                        .exec(&*tx)
                        .await
                        .map_err(failed)?;
                    reading::Entity::delete_by_id(&row.publication)
                        .exec(&*tx)
                        .await
                        .map_err(failed)?;
                    file::Entity::delete_many()
                        .filter(file::Column::Batch.eq(&row.id))
                        .exec(&*tx)
                        .await
                        .map_err(failed)?;
                    kept::Entity::delete_many()
                        .filter(kept::Column::Batch.eq(&row.id))
                        .filter(kept::Column::IsResent.eq(true))
                        .exec(&*tx)
                        .await
                        .map_err(failed)?;
                    Ok(())
                }
            })
            .await
    }

    pub async fn note_receipt(&self, id: &str, receipt: &crate::wire::Signed) -> Result<()> {
        let (id, receipt) = (id.to_owned(), receipt.clone());
        self.0
            .write(move |tx| {
                let (id, receipt) = (id.clone(), receipt.clone());
                async move {
                    let failed = |e| fault("remember a receipt", e);
                    let row = batch::Entity::find_by_id(id)
                        .one(&*tx)
                        .await
                        .map_err(failed)?;
                    let Some(row) = row else { return Ok(()) };
                    let row = batch::Model {
                        receipt: Some(receipt.text),
                        receipt_signature: Some(receipt.signature),
                        receipted_at: Some(micros(tx.now())),
                        ..row
                    };
                    let row = row.into_active_model().reset_all();
                    batch::Entity::update(row)
                        .exec(&*tx)
                        .await
                        .map_err(failed)?;
                    Ok(())
                }
            })
            .await
    }

    pub async fn put_delivery(&self, row: delivery::Model) -> Result<()> {
        self.0
            .write(move |tx| {
                let row = row.clone();
                async move {
                    let again = OnConflict::column(delivery::Column::Id)
                        .update_columns([
                            delivery::Column::AppliedAt,
                            delivery::Column::ReceiptedAt,
                        ])
                        .to_owned();
                    delivery::Entity::insert(row.into_active_model().reset_all())
                        .on_conflict(again)
                        .exec_without_returning(&*tx)
                        .await
                        .map_err(|e| fault("remember a delivery", e))?;
                    Ok(())
                }
            })
            .await
    }
}

async fn drop_kept(tx: &store::Tx, row: kept::Model) -> Result<()> {
    let failed = |e| fault("let a copy go", e);
    let key = (
        row.publication.clone(),
        row.name.clone(),
        row.digest.clone(),
    );
    kept::Entity::delete_by_id(key)
        .exec(&**tx)
        .await
        .map_err(failed)?;
    let gone = dropped::Model {
        publication: row.publication,
        name: row.name,
        digest: row.digest,
        place: row.place,
        taken_at: row.taken_at,
        dropped_at: micros(tx.now()),
    };
    dropped::Entity::insert(gone.into_active_model().reset_all())
        .exec_without_returning(&**tx)
        .await
        .map_err(failed)?;
    Ok(())
}

async fn remember_kept(tx: &store::Tx, publication: &str, taken: &Taken) -> Result<()> {
    let failed = |e| fault("remember files", e);
    if taken.is_all {
        kept::Entity::delete_many()
            .filter(kept::Column::Publication.eq(publication))
            .filter(kept::Column::IsResent.eq(false))
            .exec(&**tx)
            .await
            .map_err(failed)?;
        dropped::Entity::delete_many()
            .filter(dropped::Column::Publication.eq(publication))
            .exec(&**tx)
            .await
            .map_err(failed)?;
    }
    for row in &taken.kept {
        let key = (publication.to_owned(), row.name.clone(), row.digest.clone());
        dropped::Entity::delete_by_id(key)
            .exec(&**tx)
            .await
            .map_err(failed)?;
        let again = OnConflict::columns([
            kept::Column::Publication,
            kept::Column::Name,
            kept::Column::Digest,
        ])
        .update_columns([
            kept::Column::Place,
            kept::Column::IsResent,
            kept::Column::Batch,
            kept::Column::TakenAt,
        ])
        .to_owned();
        kept::Entity::insert(row.clone().into_active_model().reset_all())
            .on_conflict(again)
            .exec_without_returning(&**tx)
            .await
            .map_err(failed)?;
    }
    for hash in &taken.mended {
        met::Entity::delete_by_id((publication.to_owned(), hash.clone()))
            .exec(&**tx)
            .await
            .map_err(failed)?;
    }
    for hash in &taken.met {
        let row = met::Model {
            publication: publication.to_owned(),
            hash: hash.clone(),
        };
        let again = OnConflict::columns([met::Column::Publication, met::Column::Hash])
            .do_nothing()
            .to_owned();
        met::Entity::insert(row.into_active_model().reset_all())
            .on_conflict(again)
            .exec_without_returning(&**tx)
            .await
            .map_err(failed)?;
    }
    Ok(())
}

async fn remember_reading(tx: &store::Tx, read: reading::Model) -> Result<()> {
    let again = OnConflict::column(reading::Column::Publication)
        .update_columns([
            reading::Column::Watermark,
            reading::Column::Content,
            reading::Column::ReadAt,
        ])
        .to_owned();
    reading::Entity::insert(read.into_active_model().reset_all())
        .on_conflict(again)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("remember a reading", e))?;
    Ok(())
}
