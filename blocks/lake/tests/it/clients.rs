//! Clients that we did not write: ADBC over Flight SQL, `deltalake` and Polars from `PyPI`.

use std::path::PathBuf;

use store::{Db, db_test};
use tokio_util::sync::CancellationToken;

use crate::house::{CIVIL, House, four_insured, house, migrations, number};

/// Runs a Python program; `None` where the clients are not installed.
async fn python(program: &str, arguments: &[&str]) -> Option<String> {
    let Some(folder) = std::env::var_os("TONGBAN_TEST_PYTHON") else {
        eprintln!("skipped: TONGBAN_TEST_PYTHON is not set");
        return None;
    };
    let mut command = tokio::process::Command::new(PathBuf::from(folder).join("python3"));
    let output = command
        .arg("-c")
        .arg(program)
        .args(arguments)
        .output()
        .await
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    Some(String::from_utf8(output.stdout).unwrap())
}

async fn serve(house: &House) -> (String, CancellationToken) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("grpc://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    tokio::spawn(lake::flight::serve(
        house.app.clone(),
        listener,
        stop.clone(),
    ));
    (address, stop)
}

const ADBC: &str = r#"
import sys, urllib.parse
import adbc_driver_flightsql.dbapi as flight
from adbc_driver_flightsql import DatabaseOptions
address, token = sys.argv[1:3]

def connect(token, purpose):
    head = DatabaseOptions.RPC_CALL_HEADER_PREFIX.value
    options = {DatabaseOptions.AUTHORIZATION_HEADER.value: "Bearer " + token}
    if purpose:
        options[head + "x-tongban-purpose"] = urllib.parse.quote(purpose)
    return flight.connect(address, db_kwargs=options)

def ask(sql, token=token, purpose="联调核验"):
    try:
        with connect(token, purpose) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetch_arrow_table()
    except Exception as error:
        return str(error)

print(ask("SELECT gmsfhm, xm, jfjs FROM insured ORDER BY xm").to_pylist())
print(ask("SELECT count(*) n FROM insured WHERE xm = '张一'").to_pylist())
print(ask("SELECT * FROM nothing"))
print(ask("DELETE FROM insured"))
print(ask("SELECT 1", purpose=""))
print(ask("SELECT 1", token="tb_wrong"))
with connect(token, "联调核验") as connection:
    tree = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
    print([t["table_name"] for c in tree for s in c["catalog_db_schemas"] for t in s["db_schema_tables"]])
"#;

#[db_test(migrations = migrations)]
async fn adbc_asks_over_flight_sql_under_the_same_policy(db: Db) {
    let house = house(db).await;
    four_insured(&house).await;
    let token = house.token("examiner", "examiner", CIVIL).await;
    let (address, stop) = serve(&house).await;
    let Some(told) = python(ADBC, &[&address, &token]).await else {
        return;
    };
    stop.cancel();
    let lines: Vec<_> = told.lines().collect();
    assert!(
        lines[0].contains("'xm': '张*'") && lines[0].contains("'jfjs': None"),
        "{told}"
    );
    assert!(
        lines[0].contains("'王*'") && !lines[0].contains("李"),
        "{told}"
    );
    assert!(!told.contains(&number(1)), "{told}");
    assert_eq!(lines[1], "[{'n': 0}]");
    assert!(
        lines[2].contains("nothing") && lines[2].contains("没有您可以查询的表"),
        "{told}"
    );
    assert!(told.contains("只能读取数据"), "{told}");
    assert!(told.contains("用途"), "{told}");
    assert!(told.to_lowercase().contains("unauthenticated"), "{told}");
    assert_eq!(lines.last(), Some(&"['benefits', 'insured']"));
    let page = store::page::PageRequest::default();
    let uses = lake::uses(&house.app, &identity::Actor::system(), "insured", &page).await;
    let uses = uses.unwrap().items;
    assert_eq!(uses.len(), 2, "{uses:?}");
    assert!(
        uses.iter()
            .all(|u| u.door == "flight" && u.purpose == "联调核验")
    );
}

const FILES: &str = r#"
import sys, deltalake, polars
table = deltalake.DeltaTable(sys.argv[1])
print(table.version(), table.to_pyarrow_table().num_rows)
print(polars.read_delta(sys.argv[1]).select(polars.col("jfjs").sum().cast(polars.String)).item())
print(polars.read_delta(sys.argv[1], version=0).height)
"#;

#[db_test(migrations = migrations)]
async fn tables_open_in_deltalake_and_polars(db: Db) {
    let house = house(db).await;
    four_insured(&house).await;
    let path = house.path("insured");
    if let Some(told) = python(FILES, &[path.to_str().unwrap()]).await {
        assert_eq!(told, "1 4\n67999.50\n0\n");
    }
}
