//! The tree of classes (类、项、目、细目), as packs bring it.

use kernel::Result;
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, QueryOrder, sea_query::OnConflict};
use serde::Serialize;
use store::{Tx, fault};

use crate::schema::class;

/// A class at any level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = CatalogClass)]
pub struct Class {
    /// The whole code from the top.
    #[schema(example = "101001")]
    pub code: String,
    #[schema(example = "人口基本信息")]
    pub name_zh: String,
    #[schema(example = "Basic data of people")]
    pub name_en: String,
}

/// Rows of a statement; three columns each.
const ROWS: usize = 2000;

/// Adds classes, or gives them new names.
pub async fn install(tx: &Tx, classes: &[Class]) -> Result<()> {
    let replace = OnConflict::column(class::Column::Code)
        .update_columns([class::Column::NameZh, class::Column::NameEn])
        .to_owned();
    for part in classes.chunks(ROWS) {
        let rows = part.iter().map(|one| class::ActiveModel {
            code: Set(one.code.clone()),
            name_zh: Set(one.name_zh.clone()),
            name_en: Set(one.name_en.clone()),
        });
        class::Entity::insert_many(rows)
            .on_conflict(replace.clone())
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("write classes", e))?;
    }
    Ok(())
}

/// All classes by code, so that each stands below the one it belongs to.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<Class>> {
    let rows = class::Entity::find()
        .order_by_asc(class::Column::Code)
        .all(db)
        .await
        .map_err(|e| fault("list classes", e))?;
    let class = |row: class::Model| Class {
        code: row.code,
        name_zh: row.name_zh,
        name_en: row.name_en,
    };
    Ok(rows.into_iter().map(class).collect())
}

/// Names of a class and those above it, the widest first; unknown ones are left out.
pub fn path(classes: &[Class], code: &str, is_chinese: bool) -> Vec<String> {
    let found = crate::code::line(code).into_iter().filter_map(|each| {
        let at = classes
            .binary_search_by(|one| one.code.as_str().cmp(each))
            .ok()?;
        let one = classes.get(at)?;
        let name = if is_chinese || one.name_en.is_empty() {
            &one.name_zh
        } else {
            &one.name_en
        };
        Some(name.clone())
    });
    found.collect()
}
