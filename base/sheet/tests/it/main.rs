//! What is written is read again.
#![cfg(test)]

use std::path::Path;

use sheet::RawRow;

fn table() -> Vec<Vec<String>> {
    let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
    vec![
        row(["信息资源名称", "代码", "长度", "说明"]),
        row(["<人口> & \"法人\"", "001", "18,2", "两行\n文字"]),
        row(["", "=1+1", "", "-5"]),
    ]
}

fn read(bytes: &[u8]) -> Vec<RawRow> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let mut rows = Vec::new();
    let path: &Path = file.path();
    sheet::rows(path, &mut |row, _| {
        rows.push(row);
        Ok(true)
    })
    .unwrap();
    rows
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
