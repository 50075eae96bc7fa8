//! An HTTP API as a source: JSON, page by page, each row handed on as it arrives, so that memory
//! is bounded whatever the size of an answer.

use std::{
    fmt,
    io::{self, Read},
    sync::Arc,
    time::Duration,
};

use arrow::{
    array::{ArrayRef, RecordBatch, StringBuilder},
    datatypes::{DataType, Field, Schema},
};
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use kernel::Fault;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use tokio::runtime::Handle;

use super::{
    End, Plan, Take, failed,
    folder::{Rows, json_cell},
};
use crate::{
    data::chunk::Kind,
    node::config::{HttpSource, Publication, SourceColumn, with_environment},
    wire::BatchKind,
};

/// Pages at the most; an API whose last page names itself as the next would never end.
const MOST_PAGES: usize = 1_000_000;
/// Keys of rows that are gone, handed on at once.
const STEP: usize = 8192;

/// Reads all pages. Blocks, within a runtime.
pub fn read(
    publication: &Publication,
    source: &HttpSource,
    plan: &Plan,
    take: &mut Take<'_>,
) -> Result<End, Fault> {
    let client = client(source)?;
    let asked = plan
        .since
        .as_deref()
        .filter(|_| plan.kind == BatchKind::Increment);
    let since = asked.filter(|since| !is_ahead(since));
    let mut address = first(source, since)?;
    let mut reading = Reading {
        source,
        columns: publication
            .columns
            .iter()
            .map(SourceColumn::source)
            .collect(),
        keys: publication
            .key_columns()
            .map(SourceColumn::source)
            .collect(),
        rows: Vec::new(),
        gone: Vec::new(),
        mark: plan
            .since
            .clone()
            .filter(|mark| !is_ahead(mark))
            .map(Mark::of),
        trouble: None,
        publication,
        take,
    };
    for _ in 0..MOST_PAGES {
        let next = page(&client, source, &address, &mut reading)?;
        let Some(next) = next else {
            reading.flush()?;
            return Ok(End {
                watermark: source
                    .watermark
                    .as_ref()
                    .and_then(|_| reading.mark.map(|mark| mark.0)),
                // What was passed over because of a mark in the future is read now.
                is_full: asked.is_some() && since.is_none(),
            });
        };
        let next = address
            .join(&next)
            .map_err(|e| failed("read the address of the next page", e))?;
        if next == address {
            return Err(Fault::new("a page of the API names itself as the next"));
        }
        // A key that is meant for this API goes nowhere else.
        if next.origin() != address.origin() {
            return Err(Fault::new(
                "the next page of the API is at another address; it was not asked",
            ));
        }
        address = next;
    }
    Err(Fault::new("the API has no last page"))
}

/// Asks for the first page and lets it go.
pub fn reach(source: &HttpSource) -> Result<(), Fault> {
    let client = client(source)?;
    let address = first(source, None)?;
    Handle::current().block_on(async {
        let answer = ask(&client, source, &address).await?;
        drop(answer);
        Ok(())
    })
}

fn client(source: &HttpSource) -> Result<reqwest::Client, Fault> {
    crate::use_ring();
    reqwest::Client::builder()
        .timeout(Duration::from_secs(source.timeout_seconds))
        .connect_timeout(Duration::from_secs(15))
        // The headers hold a key that is meant for this address; a redirect may lead anywhere.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|e| Fault::caused_by("prepare the way to the API", e))
}

fn first(source: &HttpSource, since: Option<&str>) -> Result<reqwest::Url, Fault> {
    let mut address = reqwest::Url::parse(&with_environment(&source.url)?)
        .map_err(|e| Fault::caused_by("read the API's address", e))?;
    if let Some(since) = since {
        address.query_pairs_mut().append_pair(&source.since, since);
    }
    Ok(address)
}

async fn ask(
    client: &reqwest::Client,
    source: &HttpSource,
    address: &reqwest::Url,
) -> Result<reqwest::Response, Fault> {
    let mut request = client
        .get(address.clone())
        .header("accept", "application/json");
    for (name, value) in &source.headers {
        request = request.header(name, with_environment(value)?);
    }
    let answer = request.send().await;
    let answer = answer.map_err(|e| failed("ask the API", chain(&e)))?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    if answer.status().is_redirection() {
        return Err(Fault::new(format!(
            "the API answers {} and names another address, which was not asked; write the right one into url",
            answer.status()
        )));
    }
    let fault = Fault::new(format!("the API answers {}", answer.status()));
    let is_passing = answer.status().is_server_error() || answer.status().as_u16() == 429;
    Err(if is_passing { fault.transient() } else { fault })
}

/// Its own words leave out why.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// One page's rows; answers where the next is.
fn page(
    client: &reqwest::Client,
    source: &HttpSource,
    address: &reqwest::Url,
    reading: &mut Reading<'_, '_>,
) -> Result<Option<String>, Fault> {
    let handle = Handle::current();
    let answer = handle.block_on(ask(client, source, address))?;
    let body = Body {
        stream: answer.bytes_stream().boxed(),
        rest: Bytes::new(),
        handle,
    };
    let mut json = serde_json::Deserializer::from_reader(io::BufReader::new(body));
    let parsed = Page(reading)
        .deserialize(&mut json)
        .and_then(|next| json.end().map(|()| next));
    if let Some(trouble) = reading.trouble.take() {
        return Err(trouble);
    }
    parsed.map_err(|e| {
        let fault = Fault::new(format!("read the API's answer: {e}"));
        // A line that broke in the middle of a page mends itself.
        if e.is_io() || e.is_eof() {
            fault.transient()
        } else {
            fault
        }
    })
}

/// The body of an answer for a reader that blocks.
struct Body {
    stream: BoxStream<'static, reqwest::Result<Bytes>>,
    rest: Bytes,
    handle: Handle,
}

impl Read for Body {
    fn read(&mut self, place: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.handle.block_on(self.stream.next()) {
                Some(piece) => self.rest = piece.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let count = self.rest.len().min(place.len());
        let piece = self.rest.split_to(count);
        if let Some(place) = place.get_mut(..count) {
            place.copy_from_slice(&piece);
        }
        Ok(count)
    }
}

/// How far the source was read; numbers and moments are compared as what they are.
#[derive(Clone)]
struct Mark(String);

impl Mark {
    fn of(text: String) -> Self {
        Self(text)
    }

    fn is_before(&self, other: &str) -> bool {
        match (self.0.parse::<i128>(), other.parse::<i128>()) {
            (Ok(own), Ok(other)) => own < other,
            _ => self.0.as_str() < other,
        }
    }
}

/// Whether a mark is a moment that has yet to come, by the node's clock. The day after today is
/// today somewhere.
fn is_ahead(mark: &str) -> bool {
    let day = mark.get(..10).map(str::parse::<chrono::NaiveDate>);
    let today = chrono::Utc::now().date_naive();
    matches!(day, Some(Ok(day)) if (day - today).num_days() > 1)
}

type Cells = Vec<Option<String>>;

/// What is read of an answer.
struct Reading<'a, 'b> {
    source: &'a HttpSource,
    publication: &'a Publication,
    columns: Vec<&'a str>,
    keys: Vec<&'a str>,
    rows: Vec<Cells>,
    gone: Vec<Cells>,
    mark: Option<Mark>,
    take: &'a mut Take<'b>,
    /// What stopped the reading; the parser's own error would only say that it was stopped.
    trouble: Option<Fault>,
}

impl Reading<'_, '_> {
    fn row(&mut self, object: &Map<String, Value>) -> Result<(), Fault> {
        if let Some(name) = &self.source.watermark {
            let mark = object.get(name).and_then(json_cell).ok_or_else(|| {
                Fault::new(format!("a row of the API has no {name}, its watermark"))
            })?;
            // A mark in the future would hide all that changes until then.
            let is_later = self.mark.as_ref().is_none_or(|own| own.is_before(&mark));
            if is_later && !is_ahead(&mark) {
                self.mark = Some(Mark::of(mark));
            }
        }
        let is_gone = self
            .source
            .deleted
            .as_ref()
            .and_then(|name| object.get(name))
            .is_some_and(|value| *value == Value::Bool(true));
        let cells = |names: &[&str]| -> Cells {
            let cell = |name: &&str| object.get(*name).and_then(json_cell);
            names.iter().map(cell).collect()
        };
        if is_gone {
            self.gone.push(cells(&self.keys));
        } else {
            self.rows.push(cells(&self.columns));
        }
        if self.rows.len() + self.gone.len() >= STEP {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<(), Fault> {
        let rows = std::mem::take(&mut self.rows);
        let mut out = Rows::new(self.publication, self.take);
        out.head(self.columns.iter().copied())?;
        for cells in &rows {
            out.row(cells.iter().map(Option::as_deref))?;
        }
        out.flush()?;
        let gone = std::mem::take(&mut self.gone);
        if gone.is_empty() {
            return Ok(());
        }
        (self.take)(Kind::Deletes, texts(&self.keys, &gone)?)
    }
}

fn texts(names: &[&str], rows: &[Cells]) -> Result<RecordBatch, Fault> {
    let fields: Vec<Field> = names
        .iter()
        .map(|name| Field::new(*name, DataType::Utf8, true))
        .collect();
    let column = |place: usize| {
        let mut builder = StringBuilder::new();
        for cells in rows {
            builder.append_option(cells.get(place).and_then(Option::as_deref));
        }
        Arc::new(builder.finish()) as ArrayRef
    };
    let arrays = (0..names.len()).map(column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|e| Fault::caused_by("read the API's answer", e))
}

/// An answer: an array of rows, or an object that holds one and perhaps where the next page is.
struct Page<'r, 'a, 'b>(&'r mut Reading<'a, 'b>);

impl<'de> DeserializeSeed<'de> for Page<'_, '_, '_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Page<'_, '_, '_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of objects, or an object with one")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, rows: A) -> Result<Self::Value, A::Error> {
        Items(self.0).visit_seq(rows).map(|()| None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        use serde::de::Error as _;
        let reading = self.0;
        let (mut next, mut has_items) = (None, false);
        while let Some(name) = fields.next_key::<String>()? {
            if name == reading.source.items {
                fields.next_value_seed(Items(&mut *reading))?;
                has_items = true;
            } else if name == reading.source.next {
                next = fields.next_value::<Option<String>>()?;
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        if !has_items {
            let missing = format!("the answer has no field {}", reading.source.items);
            return Err(A::Error::custom(missing));
        }
        Ok(next.filter(|next| !next.is_empty()))
    }
}

struct Items<'r, 'a, 'b>(&'r mut Reading<'a, 'b>);

impl<'de> DeserializeSeed<'de> for Items<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        use serde::de::Error as _;
        while let Some(row) = rows.next_element::<Map<String, Value>>()? {
            if let Err(trouble) = self.0.row(&row) {
                self.0.trouble = Some(trouble);
                return Err(A::Error::custom("a row was not taken"));
            }
        }
        Ok(())
    }
}
