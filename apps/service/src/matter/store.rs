//! Queries on `service_matter`.

use kernel::{Error, Fault, Result};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    prelude::Expr,
    sea_query::{ExprTrait, LikeExpr},
};
use store::{Tx, fault};

use super::{Matter, State, TaskType, checks, schema::matter as table};

/// A matter as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Row {
    pub task_code: String,
    pub version: i32,
    pub state: State,
    pub name: String,
    pub main_item: String,
    pub area_code: String,
    pub dept_name: String,
    pub dept_code: String,
    pub task_type: String,
    pub link: String,
    /// Publication checks not passed.
    pub lacks: i32,
    pub row_version: i32,
    /// Key of this row for reading on: pass it as `after`.
    pub key: String,
}

/// What a list is narrowed to; empty fields do not narrow.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Words that all must occur in name, department or main item.
    pub words: String,
    pub department: String,
    pub user_topic: String,
    pub corp_topic: String,
    /// Of stewards' lists only; the guide shows what it may.
    pub state: Option<State>,
    /// Show every version that stewards work on, rather than what the guide shows.
    pub is_steward: bool,
    /// Credit code of the body whose matters a steward keeps.
    pub dept_code: String,
    pub after: String,
    pub limit: u64,
}

/// The version that the guide shows, with its state; also listed, suspended and cancelled ones.
pub async fn lookup_shown(db: &impl ConnectionTrait, task_code: &str) -> Result<Option<Matter>> {
    let row = table::Entity::find()
        .filter(table::Column::TaskCode.eq(task_code))
        .filter(table::Column::IsShown.eq(true))
        .one(db)
        .await
        .map_err(|e| fault("read a matter", e))?;
    row.map(matter_of).transpose()
}

/// The version under which a new case begins: published and not ended.
///
/// Refused when the matter is only listed, suspended or cancelled.
pub async fn get_in_force(db: &impl ConnectionTrait, task_code: &str) -> Result<Matter> {
    let matter = lookup_shown(db, task_code)
        .await?
        .ok_or(Error::NotFound { what: "matter" })?;
    match matter.state {
        State::Published => Ok(matter),
        State::Suspended => Err(Error::refused("service-matter-suspended")),
        State::Cancelled => Err(Error::refused("service-matter-cancelled")),
        State::Listed | State::Draft | State::Superseded => {
            Err(Error::refused("service-matter-only-listed"))
        }
    }
}

/// One version, whatever became of it: cases keep the version that they began with.
pub async fn get(db: &impl ConnectionTrait, task_code: &str, version: i32) -> Result<Matter> {
    let row = lookup_row(db, task_code, version).await?;
    matter_of(row.ok_or(Error::NotFound { what: "matter" })?)
}

/// One version and the number that guards it against concurrent edits.
pub(super) async fn get_for_edit(
    db: &impl ConnectionTrait,
    task_code: &str,
    version: i32,
) -> Result<(Matter, i32)> {
    let row = lookup_row(db, task_code, version).await?;
    let row = row.ok_or(Error::NotFound { what: "matter" })?;
    let row_version = row.row_version;
    Ok((matter_of(row)?, row_version))
}

/// The latest version of each state that matters to writers: `(latest of all, draft, shown)`.
pub(super) async fn lookup_versions(
    db: &impl ConnectionTrait,
    task_code: &str,
) -> Result<Vec<(i32, State, bool)>> {
    let rows: Vec<(i32, String, bool)> = table::Entity::find()
        .select_only()
        .columns([
            table::Column::Version,
            table::Column::State,
            table::Column::IsShown,
        ])
        .filter(table::Column::TaskCode.eq(task_code))
        .order_by_asc(table::Column::Version)
        .into_tuple()
        .all(db)
        .await
        .map_err(|e| fault("read versions of a matter", e))?;
    let known = rows.into_iter().map(|(version, state, is_shown)| {
        (
            version,
            State::of_code(&state).unwrap_or_default(),
            is_shown,
        )
    });
    Ok(known.collect())
}

async fn lookup_row(
    db: &impl ConnectionTrait,
    task_code: &str,
    version: i32,
) -> Result<Option<table::Model>> {
    table::Entity::find_by_id((task_code.to_owned(), version))
        .one(db)
        .await
        .map_err(|e| fault("read a matter", e).into())
}

/// A page of matters in the order of their keys, and whether there are more.
pub async fn list(db: &impl ConnectionTrait, search: &Search) -> Result<(Vec<Row>, bool)> {
    let limit = search.limit.clamp(1, 200);
    let mut rows = table::Entity::find()
        .filter(condition(search))
        .order_by_asc(table::Column::Rank)
        .order_by_asc(table::Column::TaskCode)
        .order_by_asc(table::Column::Version)
        .limit(limit + 1)
        .all(db)
        .await
        .map_err(|e| fault("list matters", e))?;
    let has_more = rows.len() as u64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok((rows.into_iter().map(row_of).collect(), has_more))
}

/// How many matters each department shows, most first.
pub async fn count_by_department(db: &impl ConnectionTrait) -> Result<Vec<(String, i64)>> {
    table::Entity::find()
        .select_only()
        .column(table::Column::DeptName)
        .column_as(table::Column::TaskCode.count(), "matters")
        .filter(table::Column::IsShown.eq(true))
        .group_by(table::Column::DeptName)
        .order_by_desc(Expr::col("matters"))
        .order_by_asc(table::Column::DeptName)
        .limit(60)
        .into_tuple()
        .all(db)
        .await
        .map_err(|e| fault("count matters", e).into())
}

fn condition(search: &Search) -> Condition {
    let mut all = Condition::all();
    if search.is_steward {
        all = all.add(table::Column::State.ne(State::Superseded.code()));
    } else {
        all = all.add(table::Column::IsShown.eq(true));
    }
    for word in search.words.split_whitespace().take(8) {
        all = all.add(contains(table::Column::SearchText, &word.to_lowercase()));
    }
    if !search.department.is_empty() {
        all = all.add(table::Column::DeptName.eq(&search.department));
    }
    if !search.dept_code.is_empty() {
        all = all.add(table::Column::DeptCode.eq(&search.dept_code));
    }
    for (column, topic) in [
        (table::Column::UserTopics, &search.user_topic),
        (table::Column::CorpTopics, &search.corp_topic),
    ] {
        if !topic.is_empty() {
            all = all.add(contains(column, &format!("|{topic}|")));
        }
    }
    if let Some(state) = search.state {
        all = all.add(table::Column::State.eq(state.code()));
    }
    match Key::read(&search.after) {
        Some(key) => all.add(key.after()),
        None => all,
    }
}

/// `column LIKE '%word%'` with the wildcards of the word taken literally.
fn contains(column: table::Column, word: &str) -> sea_orm::sea_query::SimpleExpr {
    let mut pattern = String::from("%");
    for letter in word.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    Expr::col(column).like(LikeExpr::new(pattern).escape('\\'))
}

/// Place in a list: rank, task code, version.
struct Key {
    rank: i32,
    task_code: String,
    version: i32,
}

impl Key {
    fn read(text: &str) -> Option<Self> {
        let (rank, rest) = text.split_once('~')?;
        let (task_code, version) = rest.rsplit_once('~')?;
        Some(Self {
            rank: rank.parse().ok()?,
            task_code: task_code.to_owned(),
            version: version.parse().ok()?,
        })
    }

    fn after(self) -> Condition {
        use table::Column::{Rank, TaskCode, Version};
        let same_code = Condition::all()
            .add(TaskCode.eq(self.task_code.clone()))
            .add(Version.gt(self.version));
        let same_rank = Condition::all().add(Rank.eq(self.rank)).add(
            Condition::any()
                .add(TaskCode.gt(self.task_code))
                .add(same_code),
        );
        Condition::any().add(Rank.gt(self.rank)).add(same_rank)
    }
}

fn row_of(row: table::Model) -> Row {
    Row {
        key: format!("{}~{}~{}", row.rank, row.task_code, row.version),
        state: State::of_code(&row.state).unwrap_or_default(),
        task_code: row.task_code,
        version: row.version,
        name: row.name,
        main_item: row.main_item,
        area_code: row.area_code,
        dept_name: row.dept_name,
        dept_code: row.dept_code,
        task_type: row.task_type,
        link: row.link,
        lacks: row.lacks,
        row_version: row.row_version,
    }
}

fn matter_of(row: table::Model) -> Result<Matter> {
    let state = State::of_code(&row.state).unwrap_or_default();
    let Some(document) = &row.document else {
        return Ok(Matter {
            version: row.version,
            state,
            local_task_code: row.task_code.clone(),
            task_code: row.task_code,
            name: row.name,
            main_item: row.main_item,
            area_code: row.area_code,
            dept_name: row.dept_name,
            dept_code: row.dept_code,
            task_type: TaskType(row.task_type),
            link: row.link,
            ..Matter::default()
        });
    };
    let matter: Matter =
        serde_json::from_str(document).map_err(|e| Fault::caused_by("read a matter", e))?;
    Ok(Matter {
        version: row.version,
        state,
        ..matter
    })
}

/// Writes a new version; `state` and `version` are taken from the matter.
pub(crate) async fn insert(tx: &Tx, matter: &Matter, is_shown: bool) -> Result<()> {
    let row = active_row(tx, matter, is_shown)?;
    table::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("write a matter", e))?;
    Ok(())
}

/// Writes a version that exists over itself, if nobody else changed it meanwhile.
pub(super) async fn update(
    tx: &Tx,
    matter: &Matter,
    is_shown: bool,
    row_version: i32,
) -> Result<()> {
    let mut row = active_row(tx, matter, is_shown)?;
    row.row_version = Set(row_version + 1);
    let done = table::Entity::update_many()
        .set(row)
        .filter(table::Column::TaskCode.eq(&matter.task_code))
        .filter(table::Column::Version.eq(matter.version))
        .filter(table::Column::RowVersion.eq(row_version))
        .exec(&**tx)
        .await
        .map_err(|e| fault("write a matter", e))?;
    match done.rows_affected {
        0 => Err(Error::refused("service-matter-changed-meanwhile")),
        _ => Ok(()),
    }
}

/// Takes the shown version out of the guide; one that was in force becomes superseded.
pub(super) async fn update_superseded(tx: &Tx, task_code: &str) -> Result<()> {
    let next = Expr::case(
        Expr::col(table::Column::State).eq(State::Listed.code()),
        State::Listed.code(),
    )
    .finally(State::Superseded.code());
    table::Entity::update_many()
        .col_expr(table::Column::State, next.into())
        .col_expr(table::Column::IsShown, Expr::value(false))
        .filter(table::Column::TaskCode.eq(task_code))
        .filter(table::Column::IsShown.eq(true))
        .exec(&**tx)
        .await
        .map_err(|e| fault("supersede a matter", e))?;
    Ok(())
}

fn active_row(tx: &Tx, matter: &Matter, is_shown: bool) -> Result<table::ActiveModel> {
    let document =
        serde_json::to_string(matter).map_err(|e| Fault::caused_by("write a matter", e))?;
    let lacks = i32::try_from(checks(matter).len()).unwrap_or(i32::MAX);
    Ok(table::ActiveModel {
        task_code: Set(matter.task_code.clone()),
        version: Set(matter.version),
        state: Set(matter.state.code().to_owned()),
        is_shown: Set(is_shown),
        rank: Set(i32::from(!matter.is_open())),
        name: Set(matter.name.clone()),
        search_text: Set(search_text(matter)),
        main_item: Set(matter.main_item.clone()),
        area_code: Set(matter.area_code.clone()),
        dept_name: Set(matter.dept_name.clone()),
        dept_code: Set(matter.dept_code.clone()),
        task_type: Set(matter.task_type.0.clone()),
        link: Set(matter.link.clone()),
        user_topics: Set(topics(&matter.user_topics)),
        corp_topics: Set(topics(&matter.corp_topics)),
        document: Set(Some(document)),
        lacks: Set(lacks),
        row_version: Set(1),
        updated_at: Set(kernel::clock::micros(tx.now())),
    })
}

fn search_text(matter: &Matter) -> String {
    let parts = [
        &matter.name,
        &matter.name_en,
        &matter.dept_name,
        &matter.main_item,
        &matter.summary,
        &matter.task_code,
    ];
    parts.map(|part| part.to_lowercase()).join(" ")
}

fn topics(topics: &[String]) -> String {
    if topics.is_empty() {
        return String::new();
    }
    // Two bars between topics, so that each has its own.
    format!("|{}|", topics.join("||"))
}

/// A row of an imported list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Listed {
    pub task_code: String,
    pub name: String,
    pub main_item: String,
    pub area_code: String,
    pub dept_name: String,
    pub dept_code: String,
    pub task_type: String,
    pub link: String,
}

/// Which of the task codes are there already, with what the guide shows of them.
pub(crate) async fn list_shown_of(
    db: &impl ConnectionTrait,
    task_codes: &[String],
) -> Result<std::collections::HashMap<String, (State, Listed)>> {
    let rows = table::Entity::find()
        .filter(table::Column::TaskCode.is_in(task_codes))
        .filter(table::Column::IsShown.eq(true))
        .all(db)
        .await
        .map_err(|e| fault("read matters", e))?;
    let known = rows.into_iter().map(|row| {
        let state = State::of_code(&row.state).unwrap_or_default();
        let listed = Listed {
            task_code: row.task_code.clone(),
            name: row.name,
            main_item: row.main_item,
            area_code: row.area_code,
            dept_name: row.dept_name,
            dept_code: row.dept_code,
            task_type: row.task_type,
            link: row.link,
        };
        (row.task_code, (state, listed))
    });
    Ok(known.collect())
}

/// Inserts rows of a list in one statement; rows whose key is there are left as they are.
pub(crate) async fn insert_listed(tx: &Tx, rows: &[(&Listed, i32)]) -> Result<()> {
    use sea_orm::sea_query::OnConflict;
    if rows.is_empty() {
        return Ok(());
    }
    let now = kernel::clock::micros(tx.now());
    let rows = rows.iter().map(|(row, lacks)| listed_row(row, *lacks, now));
    let keep = OnConflict::columns([table::Column::TaskCode, table::Column::Version])
        .do_nothing()
        .to_owned();
    table::Entity::insert_many(rows)
        .on_conflict(keep)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("write listed matters", e))?;
    Ok(())
}

/// Writes a list's row over the listed version that the guide shows.
pub(crate) async fn update_listed(tx: &Tx, row: &Listed, lacks: i32) -> Result<()> {
    let mut changed = listed_row(row, lacks, kernel::clock::micros(tx.now()));
    changed.version = sea_orm::ActiveValue::NotSet;
    changed.row_version = sea_orm::ActiveValue::NotSet;
    table::Entity::update_many()
        .set(changed)
        .filter(table::Column::TaskCode.eq(&row.task_code))
        .filter(table::Column::State.eq(State::Listed.code()))
        .exec(&**tx)
        .await
        .map_err(|e| fault("write a listed matter", e))?;
    Ok(())
}

fn listed_row(row: &Listed, lacks: i32, now: i64) -> table::ActiveModel {
    let search_text = format!(
        "{} {} {} {}",
        row.name, row.dept_name, row.main_item, row.task_code
    );
    table::ActiveModel {
        task_code: Set(row.task_code.clone()),
        version: Set(0),
        state: Set(State::Listed.code().to_owned()),
        is_shown: Set(true),
        rank: Set(1),
        name: Set(row.name.clone()),
        search_text: Set(search_text.to_lowercase()),
        main_item: Set(row.main_item.clone()),
        area_code: Set(row.area_code.clone()),
        dept_name: Set(row.dept_name.clone()),
        dept_code: Set(row.dept_code.clone()),
        task_type: Set(row.task_type.clone()),
        link: Set(row.link.clone()),
        user_topics: Set(String::new()),
        corp_topics: Set(String::new()),
        document: Set(None),
        lacks: Set(lacks),
        row_version: Set(1),
        updated_at: Set(now),
    }
}

/// The checks that a row of a list fails: they are the same for all rows of a task type.
pub(crate) fn lacks_by_type(task_type: &str) -> Vec<kernel::Finding> {
    checks(&Matter {
        task_type: TaskType(task_type.to_owned()),
        state: State::Listed,
        ..Matter::default()
    })
}

/// How many those are.
pub(crate) fn lacks_of(task_type: &str) -> i32 {
    i32::try_from(lacks_by_type(task_type).len()).unwrap_or(i32::MAX)
}
