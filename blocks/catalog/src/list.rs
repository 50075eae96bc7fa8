//! The lists beside the catalog: what departments need (需求清单), what they must provide by their
//! duties (责任清单), and what is not shared by law (负面清单).

use ::store::{
    Tx, fault,
    page::{PageOf, PageRequest},
};
use identity::{Actor, Gate, Resource, directory};
use kernel::{Error, Result, Text, clock::micros};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};
use web::App;

pub use crate::schema::list::Model as Line;
use crate::{
    event::ListChanged,
    metadata::unfit,
    oversight, request, resource,
    schema::list::{Column, Entity},
};

/// Which list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CatalogListKind)]
pub enum Kind {
    #[default]
    Need,
    Duty,
    Negative,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Need, Self::Duty, Self::Negative];

    pub fn name(self) -> &'static str {
        match self {
            Self::Need => "need",
            Self::Duty => "duty",
            Self::Negative => "negative",
        }
    }

    fn of_name(name: &str) -> Self {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.unwrap_or_default()
    }

    fn action(self) -> &'static str {
        match self {
            Self::Negative => "catalog.list.negative",
            _ => "catalog.list.edit",
        }
    }
}

/// A line to add.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCatalogLine)]
pub struct NewLine {
    pub kind: Kind,
    /// Social credit code of the department that needs, must provide, or does not share.
    #[schema(example = "11321000990000041L")]
    pub org: String,
    /// The data.
    #[schema(example = "企业注销信息")]
    pub name: String,
    /// Law, duty or matter.
    #[schema(example = "《某条例》第二条")]
    pub basis: String,
    #[serde(default)]
    pub note: String,
    /// The resource that answers it, where there is one already.
    #[serde(default)]
    #[schema(example = "102001/000001")]
    pub resource_code: String,
}

/// Whether the actor may do that with lines of all these organisations.
async fn may_at(app: &App, actor: &Actor, action: &str, orgs: &[String]) -> Result<()> {
    let gate = app.part::<Gate>()?;
    for org in orgs {
        let line = oversight::line(app.db().read(), org).await?;
        actor.may(&gate, action, &line)?;
    }
    Ok(())
}

fn text(field: &str, text: &str, longest: usize, is_needed: bool) -> Result<String> {
    let text = text.trim();
    if is_needed && text.is_empty() {
        return Err(Error::invalid(field, Text::new("catalog-request-needed")));
    }
    match unfit(text, longest) {
        Some(wrong) => Err(Error::invalid(field, wrong)),
        None => Ok(text.to_owned()),
    }
}

/// Adds a line; answers its id.
pub async fn add(app: &App, actor: &Actor, new: &NewLine) -> Result<String> {
    let org = kernel::code::normalise(&new.org);
    may_at(app, actor, new.kind.action(), std::slice::from_ref(&org)).await?;
    let organisation = directory::organisation(app.db().read(), &org).await?;
    let organisation =
        organisation.ok_or_else(|| Error::invalid("org", Text::new("catalog-rule-provider")))?;
    let code = need_resource(app, &new.resource_code).await?;
    if new.kind == Kind::Negative {
        // It stops what the provider shares.
        let providers = provider_of(app, &code).await?;
        may_at(app, actor, new.kind.action(), &providers).await?;
    }
    let now = app.clock().now();
    let state = if code.is_empty() { "open" } else { "answered" };
    let row = Line {
        id: ::store::event::new_id(now),
        kind: new.kind.name().to_owned(),
        org,
        org_name: organisation.name_zh,
        name: text("name", &new.name, 200, true)?,
        basis: text("basis", &new.basis, 1000, true)?,
        resource_code: code,
        note: text("note", &new.note, 1000, false)?,
        state: state.to_owned(),
        created_at: micros(now),
        created_by: actor.trace(),
        version: 1,
    };
    let who = actor.trace();
    app.db()
        .write(move |tx| {
            let (row, who) = (row.clone(), who.clone());
            async move {
                let active = row.clone().into_active_model();
                Entity::insert(active)
                    .exec_without_returning(&*tx)
                    .await
                    .map_err(|e| fault("write a line", e))?;
                tell(&tx, &row, &who)?;
                bind(&tx, &row, &who).await?;
                Ok(row.id)
            }
        })
        .await
}

/// Whose line it is, or whoever provides what answers it. A line of what is not shared stops or
/// frees what others provide: only who may do so for all of them changes it.
async fn may_answer(app: &App, actor: &Actor, row: &Line, code: &str) -> Result<()> {
    let kind = Kind::of_name(&row.kind);
    let action = kind.action();
    let own = std::slice::from_ref(&row.org);
    let providers = provider_of(app, code).await?;
    if kind == Kind::Negative {
        may_at(app, actor, action, own).await?;
        may_at(app, actor, action, &providers).await?;
        let former = provider_of(app, &row.resource_code).await?;
        return may_at(app, actor, action, &former).await;
    }
    let is_own = may_at(app, actor, action, own).await;
    if is_own.is_err() && !providers.is_empty() {
        return may_at(app, actor, action, &providers).await;
    }
    is_own
}

/// Blank, or the code of a published resource.
async fn need_resource(app: &App, code: &str) -> Result<String> {
    let code = code.trim();
    if code.is_empty() {
        return Ok(String::new());
    }
    match resource::store::of_code(app.db().read(), code).await? {
        Some(row) if row.is_public() => Ok(code.to_owned()),
        _ => {
            let text = Text::new("catalog-rule-related").with("codes", code);
            Err(Error::invalid("resource_code", text))
        }
    }
}

/// Who provides the resource of a code; nobody for a blank one.
async fn provider_of(app: &App, code: &str) -> Result<Vec<String>> {
    if code.is_empty() {
        return Ok(Vec::new());
    }
    let entry = resource::store::of_code(app.db().read(), code).await?;
    Ok(entry.into_iter().map(|entry| entry.provider).collect())
}

/// What is not shared from now on stops at once: grants of it are suspended, with the basis.
async fn bind(tx: &Tx, row: &Line, who: &str) -> Result<()> {
    if !excludes(row) {
        return Ok(());
    }
    let entries = if row.resource_code.is_empty() {
        let names = std::slice::from_ref(&row.name);
        resource::store::named(&**tx, &row.org, names).await?
    } else {
        let entry = resource::store::of_code(&**tx, &row.resource_code).await?;
        entry.into_iter().collect()
    };
    for entry in &entries {
        request::act::resource_excluded(tx, entry, who, &row.basis).await?;
    }
    Ok(())
}

fn excludes(row: &Line) -> bool {
    row.kind == Kind::Negative.name() && row.state != "closed"
}

/// What is not shared by law.
pub(crate) struct Exclusions(Vec<Line>);

impl Exclusions {
    pub(crate) async fn get(db: &impl ConnectionTrait) -> Result<Self> {
        let rows = Entity::find()
            .filter(Column::Kind.eq(Kind::Negative.name()))
            .filter(Column::State.ne("closed"))
            .order_by_asc(Column::Id)
            .all(db)
            .await
            .map_err(|e| fault("list exclusions", e))?;
        Ok(Self(rows))
    }

    /// The basis on which a resource is not shared: a line names its code, or is its provider's
    /// under its name.
    pub(crate) fn basis(&self, code: &str, provider: &str, name: &str) -> Option<&str> {
        let is_meant = |line: &&Line| {
            if line.resource_code.is_empty() {
                line.org == provider && line.name == name
            } else {
                line.resource_code == code
            }
        };
        self.0.iter().find(is_meant).map(|line| &*line.basis)
    }
}

/// The basis on which an entry is not shared by law, if the list says so.
pub async fn exclusion(
    db: &impl ConnectionTrait,
    entry: &resource::Entry,
) -> Result<Option<String>> {
    let all = Exclusions::get(db).await?;
    let code = entry.code.as_deref().unwrap_or_default();
    let basis = all.basis(code, &entry.provider, &entry.name);
    Ok(basis.map(str::to_owned))
}

fn tell(tx: &Tx, row: &Line, who: &str) -> Result<()> {
    let body = ListChanged {
        line: row.id.clone(),
        kind: row.kind.clone(),
        org: row.org.clone(),
        name: row.name.clone(),
        state: row.state.clone(),
    };
    tx.emit(format!("catalog-line:{}", row.id), who, &body)
}

/// Answers a line by a resource, or closes it with a note and no code.
pub async fn answer(
    app: &App,
    actor: &Actor,
    id: &str,
    version: i64,
    resource_code: &str,
    note: &str,
) -> Result<Line> {
    let found = Entity::find_by_id(id).one(app.db().read()).await;
    let found = found.map_err(|e| fault("look up a line", e))?;
    let row = found.ok_or(Error::NotFound { what: "line" })?;
    let code = need_resource(app, resource_code).await?;
    may_answer(app, actor, &row, &code).await?;
    let note = text("note", note, 1000, code.is_empty())?;
    if row.version != version {
        return Err(Error::refused("catalog-changed"));
    }
    let state = if code.is_empty() {
        "closed"
    } else {
        "answered"
    };
    let next = Line {
        state: state.to_owned(),
        resource_code: code,
        note: if note.is_empty() { row.note } else { note },
        version: version + 1,
        ..row
    };
    let who = actor.trace();
    app.db()
        .write(move |tx| {
            let (next, who) = (next.clone(), who.clone());
            async move { update(&tx, next, version, &who).await }
        })
        .await
}

async fn update(tx: &Tx, row: Line, seen: i64, who: &str) -> Result<Line> {
    let done = Entity::update_many()
        .set(row.clone().into_active_model().reset_all())
        .filter(Column::Id.eq(&row.id))
        .filter(Column::Version.eq(seen))
        .exec(&**tx)
        .await
        .map_err(|e| fault("change a line", e))?;
    if done.rows_affected == 0 {
        return Err(Error::refused("catalog-changed"));
    }
    tell(tx, &row, who)?;
    bind(tx, &row, who).await?;
    Ok(row)
}

/// The lines of a list, the newest first.
pub async fn list(
    app: &App,
    actor: &Actor,
    kind: Kind,
    page: &PageRequest,
) -> Result<PageOf<Line>> {
    actor.may(&*app.part::<Gate>()?, "catalog.read", &Resource::system())?;
    let mut query = Entity::find()
        .filter(Column::Kind.eq(kind.name()))
        .order_by_desc(Column::Id)
        .limit(page.fetch());
    if let Some(before) = &page.after {
        query = query.filter(Column::Id.lt(before));
    }
    let rows = query.all(app.db().read()).await;
    let rows = rows.map_err(|e| fault("list lines", e))?;
    Ok(page.cut(rows, |row| row.id.clone()))
}
