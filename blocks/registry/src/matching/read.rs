//! Records of a registry as they are compared.

use kernel::Result;
use linkage::{Input, Records};
use sea_orm::ConnectionTrait;

use crate::{
    Declaration,
    declaration::Role,
    record::{Row, State, store},
    search::Plan,
};

/// Rows of one query.
const ROWS: u64 = 5_000;

/// How a name sounds, for comparing.
pub(crate) fn spell(name: &str) -> String {
    crate::pinyin::spell(name).0
}

/// Adds all records of a registry that count for themselves.
pub(crate) async fn add_all(
    db: &impl ConnectionTrait,
    declaration: &Declaration,
    side: u8,
    records: &mut Records,
) -> Result<()> {
    let mut plan = Plan::all();
    loop {
        let rows = store::search(db, declaration, &plan, ROWS).await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        plan.after = Some((last.id.clone(), last.id.clone()));
        for row in rows.iter().filter(|row| row.state != State::Merged) {
            add(declaration, row, side, records);
        }
    }
}

fn add(declaration: &Declaration, row: &Row, side: u8, records: &mut Records) {
    let of = |role: Role| {
        let mut told = declaration
            .in_role(role)
            .filter_map(|field| Some(row.values.get(&field.id)?.text(field)));
        told.next().unwrap_or_default()
    };
    let (number, name, sex) = (of(Role::Number), of(Role::Name), of(Role::Sex));
    let (birth, phone, address) = (of(Role::Birth), of(Role::Phone), of(Role::Address));
    let input = Input {
        number: &number,
        name: &name,
        sex: &sex,
        birth: &birth,
        phone: &phone,
        address: &address,
    };
    records.add(&row.id, side, &input);
}
