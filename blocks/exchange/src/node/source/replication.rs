//! `PostgreSQL`'s write-ahead log as the table of changes: a logical replication slot tells the keys
//! of what changed, and the rows are read as they are now. `PostgreSQL` documentation, *Logical
//! Decoding* and *Logical Replication Message Formats* (protocol version 1).
//!
//! The slot is read without being moved; it moves when the next reading begins, for then the hub
//! has what was read before. A slot that is gone, and a table that was emptied at a stroke, make the
//! whole table be read again.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use arrow::array::{Array, AsArray, RecordBatch};
use kernel::Fault;
use serde_json::{Map, Value};

use super::{End, Plan, Take, table::Reader};
use crate::{data::chunk::Kind, node::config::Replication, wire::BatchKind};

/// Changes looked at in one reading; a transaction is looked at whole.
const MOST_CHANGES: u32 = 500_000;
/// Keys of one transaction that are remembered; the whole table is read after a larger one.
const MOST_KEYS: usize = 500_000;
/// Keys asked for in one statement.
const KEYS: usize = 5_000;
/// Longest message in hexadecimal digits. The publication that the node makes has the key's columns
/// only; one that somebody else made may have more.
const MESSAGE_BYTES: usize = 1 << 16;

/// Looks for rows that are in the log and not to be seen yet, and the pause between them.
const LOOKS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

type Key = Vec<String>;

pub(super) fn read(
    reader: &Reader<'_>,
    replication: &Replication,
    plan: &Plan,
    take: &mut Take<'_>,
) -> Result<End, Fault> {
    let log = Log {
        reader,
        slot: literal(&replication.slot),
        publication: &replication.publication,
    };
    let since = plan
        .since
        .as_deref()
        .filter(|_| plan.kind == BatchKind::Increment)
        .map(position)
        .transpose()?;
    let is_there = log.prepare()?;
    // Asked for first: what is committed later is told next time.
    let now = log.now()?;
    let Some(since) = since.filter(|_| is_there) else {
        // All that the slot tells is told again: some of it may not be seen yet.
        return log.all(log.begin()?, take);
    };
    log.move_to(&since)?;
    let seen = log.peek(&since)?;
    log.wait_for(&seen.transactions)?;
    if seen.is_emptied {
        return log.all(seen.end, take);
    }
    let keys: Vec<Key> = seen.keys.into_iter().collect();
    for some in keys.chunks(KEYS) {
        log.fetch(some, take)?;
    }
    Ok(End {
        watermark: Some(if seen.is_cut { seen.end } else { now }),
        is_full: false,
    })
}

struct Log<'a> {
    reader: &'a Reader<'a>,
    /// As a literal of SQL.
    slot: String,
    publication: &'a str,
}

/// What a look at the log found.
#[derive(Default)]
struct Seen {
    keys: BTreeSet<Key>,
    is_emptied: bool,
    /// End of the last transaction.
    end: String,
    transactions: BTreeSet<u32>,
    /// Whether there is more.
    is_cut: bool,
}

impl Log<'_> {
    /// Makes what is missing; answers whether the slot was there.
    fn prepare(&self) -> Result<bool, Fault> {
        let (slot, name) = (&self.slot, literal(self.publication));
        let there = |sql: &str| Ok::<_, Fault>(self.reader.one(sql)?.is_some());
        if !there(&format!(
            "SELECT 1 FROM pg_publication WHERE pubname = {name}"
        ))? {
            let keys = self.reader.keys("");
            let (publication, table) = (quoted(self.publication), self.reader.table());
            let make = format!("CREATE PUBLICATION {publication} FOR TABLE {table}");
            // Servers before version 15 know no lists of columns.
            let with_key = self.reader.run(&format!("{make} ({keys})"));
            with_key.or_else(|_| self.reader.run(&make))?;
        }
        let is_there = there(&format!(
            "SELECT 1 FROM pg_replication_slots WHERE slot_name = {slot}"
        ))?;
        // A slot for which the server kept too little of the log tells nothing any more. Servers
        // know different columns of it.
        let is_lost = there(&format!(
            "SELECT 1 FROM pg_replication_slots s WHERE slot_name = {slot} \
             AND (to_jsonb(s)->>'wal_status' = 'lost' OR to_jsonb(s)->>'invalidation_reason' IS NOT NULL)"
        ))?;
        if is_lost {
            self.reader
                .one(&format!("SELECT pg_drop_replication_slot({slot})::text"))?;
        }
        let is_there = is_there && !is_lost;
        if !is_there {
            tracing::warn!(
                slot,
                "the replication slot is made, and the whole table read"
            );
            self.reader.one(&format!(
                "SELECT 1 FROM pg_create_logical_replication_slot({slot}, 'pgoutput')"
            ))?;
        }
        Ok(is_there)
    }

    fn now(&self) -> Result<String, Fault> {
        // What is written and not yet flushed is not told by the slot, and would be passed over.
        let now = self.reader.one("SELECT pg_current_wal_flush_lsn()::text")?;
        position(&now.unwrap_or_default())
    }

    /// Where the slot stands.
    fn begin(&self) -> Result<String, Fault> {
        let slot = &self.slot;
        let begin = self.reader.one(&format!(
            "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = {slot}"
        ))?;
        position(&begin.unwrap_or_default())
    }

    /// A commit is in the log a moment before others see its rows, with a standby for longer.
    fn wait_for(&self, transactions: &BTreeSet<u32>) -> Result<(), Fault> {
        let sql = "SELECT (id::text::numeric % 4294967296)::text \
                   FROM pg_snapshot_xip(pg_current_snapshot()) AS x(id)";
        for _ in 0..LOOKS {
            let mut is_seen = true;
            self.reader.wide(sql, 32, &mut |batch| {
                let columns = batch.columns().first();
                let open = columns.and_then(|column| column.as_string_opt::<i32>());
                let mut open = open.into_iter().flatten().flatten();
                is_seen &= !open.any(|id| id.parse().is_ok_and(|id| transactions.contains(&id)));
                Ok(())
            })?;
            if is_seen {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        let text = "rows that are in the log are not to be seen yet; is a standby away?";
        Err(Fault::new(text).transient())
    }

    /// The hub has everything up to here.
    fn move_to(&self, position: &str) -> Result<(), Fault> {
        let slot = &self.slot;
        self.reader.one(&format!(
            "SELECT pg_replication_slot_advance(slot_name, '{position}')::text FROM pg_replication_slots \
             WHERE slot_name = {slot} AND confirmed_flush_lsn < '{position}'"
        ))?;
        Ok(())
    }

    fn all(&self, now: String, take: &mut Take<'_>) -> Result<End, Fault> {
        self.reader.all(None, take)?;
        Ok(End {
            watermark: Some(now),
            is_full: true,
        })
    }

    fn peek(&self, since: &str) -> Result<Seen, Fault> {
        let (slot, name) = (&self.slot, literal(self.publication));
        let sql = format!(
            "SELECT lsn::text AS at, encode(data, 'hex') AS message \
             FROM pg_logical_slot_peek_binary_changes({slot}, NULL, {MOST_CHANGES}, \
             'proto_version', '1', 'publication_names', {name})"
        );
        let mut decoder = Decoder::new(self.reader.key_names(), since);
        self.reader
            .wide(&sql, MESSAGE_BYTES, &mut |batch| decoder.take(&batch))?;
        decoder.seen.is_cut = decoder.messages >= u64::from(MOST_CHANGES);
        Ok(decoder.seen)
    }

    /// Rows of these keys as they are now, then keys that have none. The server reads the keys by
    /// the types of the table's own columns.
    fn fetch(&self, keys: &[Key], take: &mut Take<'_>) -> Result<(), Fault> {
        let (table, names) = (self.reader.table(), self.reader.key_names());
        let object = |key: &Key| -> Value {
            let pairs = names
                .iter()
                .cloned()
                .zip(key.iter().cloned().map(Value::from));
            Value::Object(pairs.collect::<Map<String, Value>>())
        };
        let list = Value::Array(keys.iter().map(object).collect());
        let touched = format!(
            "WITH c AS MATERIALIZED (SELECT * FROM jsonb_populate_recordset(NULL::{table}, {}::jsonb))",
            literal(&list.to_string())
        );
        let same = names.iter().map(|name| {
            let name = quoted(name);
            format!("c.{name} = t.{name}")
        });
        let same = same.collect::<Vec<_>>().join(" AND ");
        let (columns, live) = (self.reader.columns("t"), self.reader.live());
        let rows = format!(
            "{touched} SELECT {columns} FROM {table} t WHERE EXISTS (SELECT 1 FROM c WHERE {same}){live}"
        );
        self.reader.query(&rows, Kind::Rows, take)?;
        let keys = self.reader.keys("c.");
        let gone = format!(
            "{touched} SELECT {keys} FROM c WHERE NOT EXISTS (SELECT 1 FROM {table} t WHERE {same}{live})"
        );
        self.reader.query(&gone, Kind::Deletes, take)
    }
}

/// Reads messages of `pgoutput` for the keys in them.
struct Decoder<'a> {
    key: Vec<String>,
    since: &'a str,
    /// Places of the key's columns in each relation's rows.
    places: HashMap<u32, Vec<usize>>,
    /// Of the transaction that is being read.
    keys: BTreeSet<Key>,
    /// Or has more keys than are remembered.
    is_emptied: bool,
    transaction: u32,
    messages: u64,
    seen: Seen,
}

impl<'a> Decoder<'a> {
    fn new(key: Vec<String>, since: &'a str) -> Self {
        Self {
            key,
            since,
            places: HashMap::new(),
            keys: BTreeSet::new(),
            is_emptied: false,
            transaction: 0,
            messages: 0,
            seen: Seen::default(),
        }
    }

    fn take(&mut self, batch: &RecordBatch) -> Result<(), Fault> {
        let [at, messages] = batch.columns() else {
            return Err(unreadable());
        };
        let (Some(at), Some(messages)) =
            (at.as_string_opt::<i32>(), messages.as_string_opt::<i32>())
        else {
            return Err(unreadable());
        };
        for row in 0..messages.len() {
            let message = hex::decode(messages.value(row)).map_err(|_| unreadable())?;
            self.message(&message, at.value(row))?;
            self.messages += 1;
        }
        Ok(())
    }

    fn message(&mut self, bytes: &[u8], at: &str) -> Result<(), Fault> {
        let mut bytes = Bytes(bytes);
        match bytes.byte()? {
            b'B' => {
                // After the position and the moment of the commit.
                bytes.some(16)?;
                self.transaction = bytes.four()?;
                Ok(())
            }
            b'R' => self.relation(&mut bytes),
            b'I' | b'D' => {
                let relation = bytes.four()?;
                bytes.byte()?;
                self.tuple(relation, &mut bytes)
            }
            b'U' => {
                let relation = bytes.four()?;
                // The old key comes where it was another.
                if matches!(bytes.byte()?, b'K' | b'O') {
                    self.tuple(relation, &mut bytes)?;
                    bytes.byte()?;
                }
                self.tuple(relation, &mut bytes)
            }
            b'T' => {
                self.is_emptied = true;
                Ok(())
            }
            b'C' => {
                self.commit(at);
                Ok(())
            }
            // Origin, types, and whatever later servers tell besides.
            _ => Ok(()),
        }
    }

    /// What was told before is left out.
    fn commit(&mut self, at: &str) {
        let (mut keys, is_emptied) = (
            std::mem::take(&mut self.keys),
            std::mem::take(&mut self.is_emptied),
        );
        if number(at) <= number(self.since) {
            return;
        }
        self.seen.transactions.insert(self.transaction);
        self.seen.keys.append(&mut keys);
        self.seen.is_emptied |= is_emptied;
        at.clone_into(&mut self.seen.end);
    }

    fn relation(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Fault> {
        let relation = bytes.four()?;
        bytes.text()?;
        bytes.text()?;
        bytes.byte()?;
        let mut columns = Vec::new();
        for _ in 0..bytes.two()? {
            bytes.byte()?;
            columns.push(bytes.text()?.to_owned());
            bytes.four()?;
            bytes.four()?;
        }
        let place = |name: &String| columns.iter().position(|column| column == name);
        let places: Option<Vec<usize>> = self.key.iter().map(place).collect();
        let places = places.ok_or_else(|| {
            Fault::new("the database's publication lacks columns of the key; drop it, and the node makes it anew")
        })?;
        self.places.insert(relation, places);
        Ok(())
    }

    fn tuple(&mut self, relation: u32, bytes: &mut Bytes<'_>) -> Result<(), Fault> {
        let mut values = Vec::new();
        for _ in 0..bytes.two()? {
            values.push(match bytes.byte()? {
                b't' => {
                    let length = bytes.four()? as usize;
                    Some(bytes.some(length)?)
                }
                _ => None,
            });
        }
        let places = self.places.get(&relation).ok_or_else(unreadable)?;
        let key: Option<Key> = places
            .iter()
            .map(|&place| {
                let value = values.get(place).copied().flatten()?;
                Some(String::from_utf8_lossy(value).into_owned())
            })
            .collect();
        let key = key.ok_or_else(|| {
            Fault::new("the log does not tell the key of a row that is gone; let the publication's key be the table's primary key, or set REPLICA IDENTITY FULL")
        })?;
        if !self.is_emptied {
            self.keys.insert(key);
        }
        if self.keys.len() > MOST_KEYS {
            self.keys.clear();
            self.is_emptied = true;
        }
        Ok(())
    }
}

fn unreadable() -> Fault {
    Fault::new("the replication log has a message that is not understood")
}

/// Reads from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn some(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (front, rest) = self.0.split_at_checked(count).ok_or_else(unreadable)?;
        self.0 = rest;
        Ok(front)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.some(N)?.try_into().map_err(|_| unreadable())
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        Ok(u8::from_be_bytes(self.fixed()?))
    }

    fn two(&mut self) -> Result<u16, Fault> {
        Ok(u16::from_be_bytes(self.fixed()?))
    }

    fn four(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_be_bytes(self.fixed()?))
    }

    /// A text that ends with a zero.
    fn text(&mut self) -> Result<&'a str, Fault> {
        let end = self.0.iter().position(|byte| *byte == 0);
        let text = self.some(end.ok_or_else(unreadable)?)?;
        self.byte()?;
        std::str::from_utf8(text).map_err(|_| unreadable())
    }
}

/// A position in the log, `16/B374D848`, and nothing else.
fn position(text: &str) -> Result<String, Fault> {
    match number(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(Fault::new(format!("{text:?} is no position in a log"))),
    }
}

fn number(position: &str) -> Option<u64> {
    let (file, offset) = position.split_once('/')?;
    let part = |text: &str| u32::from_str_radix(text, 16).ok();
    Some(u64::from(part(file)?) << 32 | u64::from(part(offset)?))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    fn told(messages: &[(Vec<u8>, &str)], since: &str) -> (Vec<Key>, bool, String) {
        let mut decoder = Decoder::new(vec!["id".into()], since);
        for (message, at) in messages {
            decoder.message(message, at).unwrap();
        }
        let seen = decoder.seen;
        (seen.keys.into_iter().collect(), seen.is_emptied, seen.end)
    }

    fn relation() -> Vec<u8> {
        let column = |name: &[u8]| message(&[&[1], name, &[0], &[0, 0, 0, 20], &[255; 4]]);
        message(&[
            b"R",
            &[0, 0, 0, 7],
            b"public\0",
            b"t\0",
            b"d",
            &[0, 2],
            &column(b"id"),
            &column(b"n"),
        ])
    }

    fn row(id: &[u8]) -> Vec<u8> {
        let length = u32::try_from(id.len()).unwrap().to_be_bytes();
        message(&[&[0, 2], b"t", &length, id, b"n"])
    }

    #[test]
    fn keys_are_read_from_messages_of_whole_transactions() {
        let seven = [0, 0, 0, 7];
        let messages = [
            (message(&[b"B", &[0; 16], &[0, 0, 1, 2]]), "0/10"),
            (relation(), "0/10"),
            (message(&[b"I", &seven, b"N", &row(b"1")]), "0/11"),
            (message(&[b"C"]), "0/12"),
            (
                message(&[b"U", &seven, b"K", &row(b"2"), b"N", &row(b"3")]),
                "0/20",
            ),
            (message(&[b"U", &seven, b"N", &row(b"4")]), "0/21"),
            (message(&[b"D", &seven, b"K", &row(b"5")]), "0/22"),
            (message(&[b"C"]), "A/1"),
            (message(&[b"I", &seven, b"N", &row(b"6")]), "A/2"),
        ];
        let keys = ["2", "3", "4", "5"].map(|id| vec![id.to_owned()]);
        assert_eq!(
            told(&messages, "0/12"),
            (keys.to_vec(), false, "A/1".into())
        );
        let emptied = [
            (message(&[b"T", &[0, 0, 0, 1]]), "B/1"),
            (message(&[b"C"]), "B/2"),
        ];
        assert_eq!(told(&emptied, "A/FFFFFFFF"), (vec![], true, "B/2".into()));
    }

    #[test]
    fn a_transaction_of_too_many_keys_is_not_remembered() {
        let mut decoder = Decoder::new(vec!["id".into()], "0/0");
        decoder.message(&relation(), "0/1").unwrap();
        let change = |decoder: &mut Decoder<'_>, key: usize| {
            let key = row(key.to_string().as_bytes());
            let insert = message(&[b"I", &[0, 0, 0, 7], b"N", &key]);
            decoder.message(&insert, "0/1").unwrap();
        };
        for key in 0..MOST_KEYS {
            change(&mut decoder, key);
        }
        assert_eq!((decoder.keys.len(), decoder.is_emptied), (MOST_KEYS, false));
        change(&mut decoder, MOST_KEYS);
        change(&mut decoder, MOST_KEYS + 1);
        assert_eq!((decoder.keys.len(), decoder.is_emptied), (0, true));
        decoder.message(&message(&[b"C"]), "0/2").unwrap();
        assert!(decoder.seen.is_emptied && decoder.seen.keys.is_empty());
        // The next transaction is remembered again.
        change(&mut decoder, 1);
        decoder.message(&message(&[b"C"]), "0/3").unwrap();
        assert_eq!(decoder.seen.keys.len(), 1);
    }

    #[test]
    fn what_is_cut_short_is_no_message() {
        for whole in [
            relation(),
            message(&[b"I", &[0, 0, 0, 7], b"N", &row(b"123")]),
        ] {
            for length in 1..whole.len() {
                let mut decoder = Decoder::new(vec!["id".into()], "0/0");
                decoder.message(&relation(), "0/1").unwrap();
                assert!(
                    decoder.message(&whole[..length], "0/1").is_err(),
                    "{length}"
                );
            }
        }
        for text in ["", "1", "1/", "/1", "1/2/3", "1/x", "1/2'", "100000000/0"] {
            assert!(position(text).is_err(), "{text}");
        }
        assert!(number("1/0") > number("0/FFFFFFFF"));
    }
}
