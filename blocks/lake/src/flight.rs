//! The Arrow Flight SQL door: the same questions, policies, limits and notes as everywhere.
//!
//! A client shows its access token as `authorization: Bearer …`, or as the password of its login,
//! and says what it asks for in the header `x-tongban-purpose` (percent-encoded where it is not
//! ASCII). Handles and tickets are the question itself: the server remembers nothing between calls,
//! and each is asked of the policies anew.

use std::pin::Pin;

use arrow_flight::{
    Action, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse,
    IpcMessage, SchemaAsIpc, Ticket,
    encode::FlightDataEncoderBuilder,
    error::FlightError,
    flight_service_server::FlightServiceServer,
    sql::{
        ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
        ActionCreatePreparedStatementResult, CommandGetCatalogs, CommandGetDbSchemas,
        CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables, CommandPreparedStatementQuery,
        CommandStatementQuery, ProstMessageExt, SqlInfo, TicketStatementQuery,
        metadata::{SqlInfoData, SqlInfoDataBuilder},
        server::FlightSqlService,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use datafusion::arrow::{
    array::RecordBatch, datatypes::SchemaRef, error::ArrowError, ipc::writer::IpcWriteOptions,
};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use identity::{Actor, Identity};
use kernel::{Error, Fault};
use percent_encoding::percent_decode_str;
use prost::Message;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};
use web::{App, Language};

use crate::query::{Door, Question, act};

/// Serves until told to stop.
pub async fn serve(app: App, listener: TcpListener, stop: CancellationToken) -> Result<(), Fault> {
    let broken = |e: tonic::transport::Error| Fault::caused_by("serve Flight SQL", e);
    let info = sql_info().map_err(|e| Fault::caused_by("describe the Flight SQL door", e))?;
    let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
    tonic::transport::Server::builder()
        .add_service(FlightServiceServer::new(Flight { app, info }))
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
        .await
        .map_err(broken)
}

fn sql_info() -> Result<SqlInfoData, FlightError> {
    let mut info = SqlInfoDataBuilder::new();
    info.append(SqlInfo::FlightSqlServerName, "Tongban");
    info.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    info.append(SqlInfo::FlightSqlServerArrowVersion, "1.3");
    info.append(SqlInfo::FlightSqlServerReadOnly, true);
    info.build()
}

struct Flight {
    app: App,
    info: SqlInfoData,
}

const CATALOG: &str = "tongban";
const SCHEMA: &str = "lake";

type Reply<T> = Result<Response<T>, Status>;
type Data = Pin<Box<dyn Stream<Item = Result<arrow_flight::FlightData, Status>> + Send>>;

impl Flight {
    async fn actor(&self, head: &MetadataMap) -> Result<Actor, Status> {
        let value = head.get("authorization").and_then(|v| v.to_str().ok());
        let (scheme, secret) = value
            .and_then(|value| value.split_once(' '))
            .ok_or_else(|| self.status(Error::NotSignedIn))?;
        let (login, secret) = match scheme.to_ascii_lowercase().as_str() {
            "bearer" => (None, secret.trim().to_owned()),
            "basic" => {
                let (login, secret) =
                    basic(secret).ok_or_else(|| self.status(Error::NotSignedIn))?;
                (Some(login), secret)
            }
            _ => return Err(self.status(Error::NotSignedIn)),
        };
        let identity = self
            .app
            .part::<Identity>()
            .map_err(|e| self.status(e.into()))?;
        identity::actor_of_token(&identity, &secret, login.as_deref())
            .await
            .map_err(|e| self.status(e))
    }

    /// Who asks what for what.
    async fn question(&self, head: &MetadataMap, sql: &[u8]) -> Result<(Actor, Question), Status> {
        let actor = self.actor(head).await?;
        let purpose = head.get("x-tongban-purpose").and_then(|v| v.to_str().ok());
        let purpose = percent_decode_str(purpose.unwrap_or_default()).decode_utf8_lossy();
        let sql = std::str::from_utf8(sql).map_err(|_| Status::invalid_argument("SQL is UTF-8"))?;
        let question = Question {
            sql: sql.to_owned(),
            purpose: purpose.into_owned(),
            as_of: None,
            door: Door::Flight,
            most: u64::MAX,
        };
        Ok((actor, question))
    }

    /// What the answer to a question will look like, and the ticket for it.
    async fn info(
        &self,
        head: &MetadataMap,
        sql: &[u8],
        ticket: Vec<u8>,
        descriptor: FlightDescriptor,
    ) -> Reply<FlightInfo> {
        let (actor, question) = self.question(head, sql).await?;
        let described = act::describe(&self.app, &actor, &question).await;
        let described = described.map_err(|e| self.status(e))?;
        of_schema(&described.schema, ticket, descriptor)
    }

    async fn answer(&self, head: &MetadataMap, sql: &[u8]) -> Reply<Data> {
        let (actor, question) = self.question(head, sql).await?;
        let answer = act::ask(&self.app, &actor, &question).await;
        let answer = answer.map_err(|e| self.status(e))?;
        let app = self.app.clone();
        let rows = answer
            .rows
            .map_err(move |e| FlightError::Tonic(Box::new(status(&app, e))));
        Ok(Response::new(encoded(&answer.schema, rows)))
    }

    fn status(&self, error: Error) -> Status {
        status(&self.app, error)
    }

    async fn tables(
        &self,
        head: &MetadataMap,
        query: CommandGetTables,
    ) -> Result<RecordBatch, Status> {
        let actor = self.actor(head).await?;
        let tables = crate::tables(&self.app, &actor)
            .await
            .map_err(|e| self.status(e))?;
        let mut builder = query.into_builder();
        for table in tables {
            builder
                .append(CATALOG, SCHEMA, &table.id, "TABLE", &table.schema())
                .map_err(|_| Status::internal("list tables"))?;
        }
        builder.build().map_err(|_| Status::internal("list tables"))
    }
}

fn basic(encoded: &str) -> Option<(String, String)> {
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (login, secret) = decoded.split_once(':')?;
    Some((login.to_owned(), secret.to_owned()))
}

/// The error in words, Chinese and English: the protocol has no language of the reader.
fn status(app: &App, error: Error) -> Status {
    let say = |text: &kernel::Text| {
        let words = [Language::ZhCn, Language::En];
        words
            .map(|l| app.texts().text(l, text.key, &text.args))
            .join(" / ")
    };
    match error {
        Error::NotSignedIn => {
            Status::unauthenticated("show an access token: authorization: Bearer tb_…")
        }
        Error::Forbidden { action } => Status::permission_denied(format!("not allowed: {action}")),
        Error::NotFound { what } => Status::not_found(format!("{what} not found")),
        Error::Invalid(findings) => {
            let all: Vec<_> = findings
                .iter()
                .map(|f| format!("{}: {}", f.field, say(&f.text)))
                .collect();
            Status::invalid_argument(all.join("; "))
        }
        Error::Refused(text) => Status::resource_exhausted(say(&text)),
        Error::Unavailable(_) => Status::unavailable("come back in a few seconds"),
        Error::Fault(fault) => {
            tracing::error!(cause = %fault.chain(), "a Flight SQL call failed");
            Status::internal("internal failure")
        }
    }
}

fn of_schema(
    schema: &SchemaRef,
    ticket: Vec<u8>,
    descriptor: FlightDescriptor,
) -> Reply<FlightInfo> {
    let info = FlightInfo::new()
        .try_with_schema(schema)
        .map_err(|_| Status::internal("describe an answer"))?
        .with_endpoint(FlightEndpoint::new().with_ticket(Ticket::new(ticket)))
        .with_descriptor(descriptor);
    Ok(Response::new(info))
}

fn encoded(
    schema: &SchemaRef,
    rows: impl Stream<Item = Result<RecordBatch, FlightError>> + Send + 'static,
) -> Data {
    FlightDataEncoderBuilder::new()
        .with_schema(schema.clone())
        .build(rows)
        .map_err(Status::from)
        .boxed()
}

fn one(batch: Result<RecordBatch, Status>) -> Reply<Data> {
    let batch = batch?;
    let schema = batch.schema();
    Ok(Response::new(encoded(&schema, stream::iter([Ok(batch)]))))
}

fn built(batch: arrow_flight::error::Result<RecordBatch>) -> Result<RecordBatch, Status> {
    batch.map_err(|_| Status::internal("describe the lake"))
}

#[tonic::async_trait]
impl FlightSqlService for Flight {
    type FlightService = Self;

    /// For clients that sign in with login and password before anything else: the token is the
    /// password, and what they shall send from then on.
    async fn do_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Reply<Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>> {
        self.actor(request.metadata()).await?;
        let value = request
            .metadata()
            .get("authorization")
            .and_then(|v| v.to_str().ok());
        let encoded = value
            .and_then(|v| v.split_once(' '))
            .map(|(_, secret)| secret);
        let (_, secret) = encoded
            .and_then(basic)
            .ok_or_else(|| self.status(Error::NotSignedIn))?;
        let answer = HandshakeResponse {
            protocol_version: 0,
            payload: Bytes::from(secret.clone()),
        };
        let mut response = Response::new(stream::iter([Ok(answer)]).boxed() as Pin<Box<_>>);
        let bearer = format!("Bearer {secret}")
            .parse()
            .map_err(|_| self.status(Error::NotSignedIn))?;
        response.metadata_mut().insert("authorization", bearer);
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Reply<FlightInfo> {
        let (head, _, descriptor) = request.into_parts();
        let ticket = TicketStatementQuery {
            statement_handle: query.query.clone().into(),
        };
        let ticket = ticket.as_any().encode_to_vec();
        self.info(&head, query.query.as_bytes(), ticket, descriptor)
            .await
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Reply<FlightInfo> {
        let (head, _, descriptor) = request.into_parts();
        let ticket = query.as_any().encode_to_vec();
        self.info(&head, &query.prepared_statement_handle, ticket, descriptor)
            .await
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Reply<Data> {
        self.answer(request.metadata(), &ticket.statement_handle)
            .await
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Reply<Data> {
        self.answer(request.metadata(), &query.prepared_statement_handle)
            .await
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let (actor, question) = self
            .question(request.metadata(), query.query.as_bytes())
            .await?;
        let described = act::describe(&self.app, &actor, &question).await;
        let described = described.map_err(|e| self.status(e))?;
        let options = IpcWriteOptions::default();
        let IpcMessage(schema) = SchemaAsIpc::new(&described.schema, &options)
            .try_into()
            .map_err(|_: ArrowError| Status::internal("describe an answer"))?;
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: query.query.into(),
            dataset_schema: schema,
            parameter_schema: Bytes::new(),
        })
    }

    async fn do_action_close_prepared_statement(
        &self,
        _: ActionClosePreparedStatementRequest,
        _: Request<Action>,
    ) -> Result<(), Status> {
        Ok(())
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Reply<FlightInfo> {
        let ticket = query.as_any().encode_to_vec();
        of_schema(&query.into_builder().schema(), ticket, request.into_inner())
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Reply<FlightInfo> {
        let ticket = query.as_any().encode_to_vec();
        of_schema(&query.into_builder().schema(), ticket, request.into_inner())
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Reply<FlightInfo> {
        let ticket = query.as_any().encode_to_vec();
        of_schema(&query.into_builder().schema(), ticket, request.into_inner())
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Reply<FlightInfo> {
        let ticket = query.as_any().encode_to_vec();
        of_schema(&query.into_builder().schema(), ticket, request.into_inner())
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Reply<FlightInfo> {
        let ticket = query.as_any().encode_to_vec();
        of_schema(
            &query.into_builder(&self.info).schema(),
            ticket,
            request.into_inner(),
        )
    }

    async fn do_get_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<Ticket>,
    ) -> Reply<Data> {
        self.actor(request.metadata()).await?;
        let mut builder = query.into_builder();
        builder.append(CATALOG);
        one(built(builder.build()))
    }

    async fn do_get_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<Ticket>,
    ) -> Reply<Data> {
        self.actor(request.metadata()).await?;
        let mut builder = query.into_builder();
        builder.append(CATALOG, SCHEMA);
        one(built(builder.build()))
    }

    async fn do_get_tables(
        &self,
        query: CommandGetTables,
        request: Request<Ticket>,
    ) -> Reply<Data> {
        one(self.tables(request.metadata(), query).await)
    }

    async fn do_get_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<Ticket>,
    ) -> Reply<Data> {
        self.actor(request.metadata()).await?;
        let mut builder = query.into_builder();
        builder.append("TABLE");
        one(built(builder.build()))
    }

    async fn do_get_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<Ticket>,
    ) -> Reply<Data> {
        self.actor(request.metadata()).await?;
        one(built(query.into_builder(&self.info).build()))
    }

    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}
