//! What is written is read again.
#![cfg(test)]

use std::{
    io::{Cursor, Write},
    path::Path,
};

use kernel::Error;
use sheet::RawRow;
use zip::{ZipWriter, write::SimpleFileOptions};

fn table() -> Vec<Vec<String>> {
    let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
    vec![
        row(["信息资源名称", "代码", "长度", "说明"]),
        row(["<人口> & \"法人\"", "001", "18,2", "两行\n文字"]),
        row(["", "=1+1", "", "-5"]),
    ]
}

fn read(bytes: &[u8]) -> Vec<RawRow> {
    try_read(bytes).unwrap()
}

fn try_read(bytes: &[u8]) -> kernel::Result<Vec<RawRow>> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let mut rows = Vec::new();
    let path: &Path = file.path();
    sheet::rows(path, &mut |row, _| {
        rows.push(row);
        Ok(true)
    })?;
    Ok(rows)
}

/// A small workbook with one more part of so many megabytes of one letter.
fn with_part(name: &str, megabytes: usize) -> Vec<u8> {
    let bytes = sheet::xlsx("一", table()).unwrap();
    let mut book = ZipWriter::new_append(Cursor::new(bytes)).unwrap();
    book.start_file(name, SimpleFileOptions::default()).unwrap();
    let letters = vec![b'A'; 1 << 20];
    for _ in 0..megabytes {
        book.write_all(&letters).unwrap();
    }
    book.finish().unwrap().into_inner()
}

#[test]
fn a_workbook_that_unpacks_to_much_is_refused() {
    let key = |bytes: &[u8]| match try_read(bytes) {
        Err(Error::Invalid(findings)) => findings[0].text.key,
        other => panic!("{other:?}"),
    };
    assert_eq!(read(&with_part("xl/media/a", 60)).len(), 3);
    let bomb = with_part("xl/sharedStrings.xml", 70);
    assert!(bomb.len() < 200_000);
    assert_eq!(key(&bomb), "sheet-large");
    assert_eq!(key(&with_part("xl/worksheets/b.xml", 260)), "sheet-large");
    // Sizes that are said need not be true.
    let mut lying = bomb;
    let says = 70_u32 << 20;
    let places: Vec<usize> = (0..lying.len() - 4)
        .filter(|at| lying[*at..at + 4] == says.to_le_bytes())
        .collect();
    assert!(!places.is_empty());
    for at in places {
        lying[at..at + 4].copy_from_slice(&100_u32.to_le_bytes());
    }
    let told = key(&lying);
    assert!(
        ["sheet-large", "sheet-not-a-workbook"].contains(&told),
        "{told}"
    );
}

#[test]
fn a_workbook_is_read_again_without_loss() {
    let bytes = sheet::xlsx("目录/一", table()).unwrap();
    let rows = read(&bytes);
    let cells: Vec<_> = rows.iter().map(|row| row.cells.clone()).collect();
    assert_eq!(cells, table());
    assert_eq!(rows.iter().map(|r| r.line).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_csv_file_computes_nothing_and_is_read_again_without_loss() {
    let bytes = sheet::csv(table()).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains(",=1+1"));
    let rows = read(&bytes).into_iter().map(|row| row.cells);
    let rows = rows.map(|row| row.iter().map(|c| sheet::unguarded(c).to_owned()).collect());
    let rows: Vec<Vec<String>> = rows.collect();
    assert_eq!(rows, table());
}

#[test]
fn control_characters_do_not_break_a_workbook() {
    let bytes = sheet::xlsx("一", [["a\u{0}b\u{1f}c".to_owned()]]).unwrap();
    assert_eq!(read(&bytes)[0].cells, ["abc"]);
}
