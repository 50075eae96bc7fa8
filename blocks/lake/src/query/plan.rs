//! From the text of a question to a plan that reads only what policy gives.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use datafusion::{
    catalog::TableProvider,
    common::tree_node::TreeNodeRecursion,
    config::Dialect,
    datasource::empty::EmptyTable,
    error::DataFusionError,
    execution::{
        SessionState, SessionStateBuilder, context::SQLOptions, disk_manager::DiskManagerBuilder,
        memory_pool::FairSpillPool, runtime_env::RuntimeEnvBuilder,
    },
    logical_expr::LogicalPlan,
    prelude::{SessionConfig, SessionContext},
    sql::{parser::Statement, sqlparser::ast::Statement as Sql},
};
use identity::{Actor, Gate, Resource, directory};
use kernel::{Error, Fault, Result, Text, clock::micros};
use web::App;

use super::{
    LONGEST, Question,
    guard::{Guarded, View},
    size,
};
use crate::{
    Lake, RowPolicy, Sharing, Table, batch,
    declaration::store as declarations,
    delta::{self, TABLES},
    part::cores,
    resource,
};

/// A question ready to run.
pub(crate) struct Planned {
    pub context: SessionContext,
    pub plan: LogicalPlan,
    /// Columns that are read, by table; a table of which only rows are counted has none.
    pub uses: BTreeMap<String, BTreeSet<String>>,
    pub hidden: BTreeMap<String, BTreeSet<String>>,
}

impl Planned {
    /// Columns that are read and hidden, as `table.column`.
    pub(crate) fn hidden_names(&self) -> Vec<String> {
        self.names(true)
    }

    /// Sensitive columns that are read whole, and all others.
    pub(crate) fn names(&self, is_hidden: bool) -> Vec<String> {
        let mut names = Vec::new();
        for (table, columns) in &self.uses {
            let hidden = self.hidden.get(table);
            let chosen = columns
                .iter()
                .filter(|column| hidden.is_some_and(|h| h.contains(*column)) == is_hidden);
            names.extend(chosen.map(|column| format!("{table}.{column}")));
        }
        names
    }
}

/// Functions that make long text or long lists out of a few letters; one of them fills a server's
/// memory in a moment, and the engine does not count what functions hold.
const SWELLING: [&str; 22] = [
    "repeat",
    "lpad",
    "rpad",
    "replace",
    "regexp_replace",
    "overlay",
    "array_repeat",
    "list_repeat",
    "array_resize",
    "list_resize",
    "range",
    "generate_series",
    "gen_series",
    "array_pad",
    "array_replace",
    "array_replace_n",
    "array_replace_all",
    "list_replace",
    "list_replace_n",
    "list_replace_all",
    "space",
    "format",
];
/// Reads the question, asks the policies about every table, and plans.
pub(crate) async fn plan(
    app: &App,
    lake: &Lake,
    actor: &Actor,
    question: &Question,
) -> Result<Planned> {
    let context = session(lake)?;
    let (state, sql) = (context.state(), question.sql.clone());
    let reading = async move {
        let statement = read(&state, &sql)?;
        let references = state.resolve_table_references(&statement).map_err(unfit)?;
        Ok((statement, references))
    };
    let (statement, references) = apart(lake, reading).await?;
    let mut hidden = BTreeMap::new();
    for reference in references {
        let name = reference.table().to_owned();
        let view = view(app, lake, actor, &name).await?;
        let mine = view.hidden().into_iter().map(str::to_owned).collect();
        let provider = guarded(lake, &context, &view, question).await?;
        context
            .register_table(name.as_str(), provider)
            .map_err(unfit)?;
        hidden.insert(name, mine);
    }
    let planned = async move {
        let plan = context
            .state()
            .statement_to_plan(statement)
            .await
            .map_err(unfit)?;
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)
            .map_err(unfit)?;
        let plan = context.state().optimize(&plan).map_err(unfit)?;
        let uses = uses(&plan)?;
        Ok(Planned {
            context,
            plan,
            uses,
            hidden,
        })
    };
    apart(lake, planned).await
}

/// Reading and planning compute, too: they have their place among the questions' threads and their
/// time.
async fn apart<T: Send + 'static>(
    lake: &Lake,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let work = lake.runtime()?.spawn(work);
    let work = tokio_util::task::AbortOnDropHandle::new(work);
    let most = std::time::Duration::from_secs(lake.settings().query_seconds);
    match tokio::time::timeout(most, work).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => Err(Fault::caused_by("plan a question", error).into()),
        Err(_) => Err(Error::refused("lake-query-time")),
    }
}

fn session(lake: &Lake) -> Result<SessionContext, Fault> {
    let broken = |e| Fault::caused_by("begin a question", e);
    let settings = lake.settings();
    let memory = usize::try_from(settings.query_memory_mb << 20).unwrap_or(usize::MAX);
    let disk =
        DiskManagerBuilder::default().with_max_temp_directory_size(settings.query_disk_mb << 20);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(memory)))
        .with_disk_manager_builder(disk)
        .build_arc()
        .map_err(broken)?;
    let config = SessionConfig::new()
        .with_default_catalog_and_schema("tongban", "lake")
        .with_information_schema(false)
        .with_target_partitions(cores())
        .set_bool("datafusion.execution.enable_recursive_ctes", false)
        .set_bool("datafusion.execution.parquet.pushdown_filters", true);
    let builder = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features();
    #[cfg(feature = "cluster")]
    let builder = if settings.is_cluster() {
        crate::cluster::session(builder, settings.partitions)
    } else {
        builder
    };
    let context = SessionContext::new_with_state(builder.build());
    for name in SWELLING {
        context.deregister_udf(name);
        context.deregister_udtf(name);
    }
    Ok(context)
}

/// One SELECT within its limits.
fn read(state: &SessionState, sql: &str) -> Result<Statement> {
    if sql.trim().is_empty() {
        return Err(Error::invalid("sql", Text::new("lake-sql-missing")));
    }
    if sql.chars().count() > LONGEST {
        let text = Text::new("lake-sql-long").with("most", LONGEST);
        return Err(Error::invalid("sql", text));
    }
    let statement = state.sql_to_statement(sql, &Dialect::PostgreSQL);
    let statement = statement.map_err(unfit)?;
    let Statement::Statement(inner) = &statement else {
        return Err(Error::invalid("sql", Text::new("lake-sql-not-select")));
    };
    let Sql::Query(query) = &**inner else {
        return Err(Error::invalid("sql", Text::new("lake-sql-not-select")));
    };
    if !size::fits(query) {
        return Err(Error::invalid("sql", Text::new("lake-sql-large")));
    }
    Ok(statement)
}

/// What policy gives this reader of that table. A table that is not there and one that is not for
/// him sound the same.
async fn view(app: &App, lake: &Lake, actor: &Actor, name: &str) -> Result<View> {
    let gate = app.part::<Gate>()?;
    let unknown = || {
        let text = Text::new("lake-sql-table").with("table", name);
        Error::invalid("sql", text)
    };
    let table = declarations::lookup(lake.0.db.read(), name).await?;
    let table = Arc::new(table.ok_or_else(unknown)?);
    let thing = resource(&table);
    let may = |action: &str| match actor.may(&gate, action, &thing) {
        Ok(()) => Ok(true),
        Err(Error::Forbidden { .. }) => Ok(false),
        Err(error) => Err(error),
    };
    if !may("lake.query")? {
        return Err(unknown());
    }
    let given = given(lake, &gate, actor, &table).await?;
    let of = if may("lake.all_rows")? {
        None
    } else {
        of(actor, &table)
    };
    Ok(View {
        is_unmasked: may("lake.unmask")?,
        table,
        of,
        given,
    })
}

/// Columns that grants give this reader of a table that is not for everybody; all columns where
/// nothing is said. That there is such a table is no secret, so he is told how to come by it.
async fn given(
    lake: &Lake,
    gate: &Gate,
    actor: &Actor,
    table: &Table,
) -> Result<Option<BTreeSet<String>>> {
    let sharing = lake.sharing(table).await?;
    if sharing == Sharing::Free {
        return Ok(None);
    }
    let db = &lake.0.db;
    let above = directory::above(db.read(), &table.org).await?;
    let thing = resource(table).above(above);
    match actor.may(gate, "lake.without_grant", &thing) {
        Ok(()) => return Ok(None),
        Err(Error::Forbidden { .. }) => {}
        Err(error) => return Err(error),
    }
    let columns = match lake.grants() {
        Some(grants) if sharing == Sharing::Granted => {
            let orgs = asking_orgs(gate, actor, &thing)?;
            grants.columns(db, table, &orgs).await?
        }
        _ => BTreeSet::new(),
    };
    if columns.is_empty() {
        let key = match sharing {
            Sharing::Withheld => "lake-sql-withheld",
            Sharing::Free | Sharing::Granted => "lake-sql-grant",
        };
        let text = Text::new(key).with("table", &table.id);
        return Err(Error::invalid("sql", text));
    }
    Ok(Some(columns))
}

/// The departments for which somebody may ask: a grant of one is of no use to posts at another.
fn asking_orgs(gate: &Gate, actor: &Actor, thing: &Resource) -> Result<Vec<String>> {
    let mut orgs = Vec::new();
    for post in &actor.posts {
        let alone = Actor {
            posts: vec![post.clone()],
            ..actor.clone()
        };
        match alone.may(gate, "lake.query", thing) {
            Ok(()) => orgs.push(post.org.clone()),
            Err(Error::Forbidden { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(orgs)
}

fn of(actor: &Actor, table: &Table) -> Option<Vec<String>> {
    let posts = actor.posts.iter();
    Some(match table.rows.as_ref()? {
        RowPolicy::Region(_) => posts.map(|post| post.region.clone()).collect(),
        RowPolicy::Org(_) => posts.map(|post| post.org.clone()).collect(),
    })
}

async fn guarded(
    lake: &Lake,
    context: &SessionContext,
    view: &View,
    question: &Question,
) -> Result<Arc<dyn TableProvider>> {
    let id = &view.table.id;
    let db = lake.0.db.read();
    let version = match question.as_of {
        Some(at) => batch::store::version_at(db, id, micros(at)).await?,
        None => None,
    };
    let is_before_all = question.as_of.is_some() && version.is_none();
    let open = if is_before_all {
        None
    } else {
        lake.0.place.open(TABLES, id, version).await?
    };
    let inner: Arc<dyn TableProvider> = match open {
        #[cfg(feature = "cluster")]
        Some(open) if lake.settings().is_cluster() => crate::cluster::files::provider(id, &open)?,
        Some(open) => {
            open.update_datafusion_session(&context.state())
                .map_err(delta::failed("read a lake table"))?;
            delta::provider(&open, None).await?
        }
        None => Arc::new(EmptyTable::new(view.table.schema())),
    };
    Ok(Arc::new(Guarded::new(inner, view)))
}

/// Columns that the plan reads, by table.
fn uses(plan: &LogicalPlan) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let columns = uses.entry(scan.table_name.table().to_owned()).or_default();
            let fields = scan.projected_schema.fields().iter();
            columns.extend(fields.map(|field| field.name().clone()));
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(unfit)?;
    Ok(uses)
}

/// A question that cannot be planned, in the engine's words: they speak of the question, and of
/// tables as this reader sees them.
#[expect(
    clippy::needless_pass_by_value,
    reason = "`map_err` gives errors by value"
)]
pub(crate) fn unfit(error: DataFusionError) -> Error {
    if let Some(cause) = limit(&error) {
        return cause;
    }
    let reason = error.strip_backtrace();
    let reason = ["Error during planning: ", "SQL error: ", "Schema error: "]
        .iter()
        .fold(reason.as_str(), |text, start| {
            text.strip_prefix(start).unwrap_or(text)
        })
        .chars()
        .take(500)
        .collect::<String>();
    Error::invalid("sql", Text::new("lake-sql-unfit").with("reason", reason))
}

fn limit(error: &DataFusionError) -> Option<Error> {
    // The engine says a full allowance on disk in words only.
    let is_full = matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
        || error.to_string().contains("max_temp_directory_size");
    is_full.then(|| Error::refused("lake-query-memory"))
}

/// A question that failed while it ran. What computing failed on may be somebody's value, so the
/// answer names the kind of mistake only.
pub(crate) fn failed(error: DataFusionError) -> Error {
    use datafusion::arrow::error::ArrowError;
    if let Some(cause) = limit(&error) {
        return cause;
    }
    match error.find_root() {
        DataFusionError::ArrowError(inner, _)
            if !matches!(
                **inner,
                ArrowError::IoError(..) | ArrowError::ExternalError(_)
            ) =>
        {
            Error::invalid("sql", Text::new("lake-sql-value"))
        }
        DataFusionError::Execution(_) | DataFusionError::Plan(_) => {
            Error::invalid("sql", Text::new("lake-sql-value"))
        }
        _ => Fault::caused_by("answer a question", error).into(),
    }
}
