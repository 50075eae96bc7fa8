//! Tables as files: CSV, and XLSX (ECMA-376) with one sheet of text.

use std::io::{Cursor, Write};

use kernel::{Fault, Result};
use zip::{ZipWriter, write::SimpleFileOptions};

/// A workbook of one sheet whose cells are all text, so that codes keep their leading zeros. The
/// first row stays in sight when one scrolls.
pub fn xlsx<R: AsRef<[String]>>(name: &str, rows: impl IntoIterator<Item = R>) -> Result<Vec<u8>> {
    write_xlsx(name, rows).map_err(|e| Fault::caused_by("write a workbook", e).into())
}

fn write_xlsx<R: AsRef<[String]>>(
    name: &str,
    rows: impl IntoIterator<Item = R>,
) -> Result<Vec<u8>, std::io::Error> {
    let mut book = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    let workbook = WORKBOOK.replace("{name}", &escaped(&sheet_name(name)));
    let parts = [
        ("[Content_Types].xml", TYPES),
        ("_rels/.rels", ROOT_RELATIONS),
        ("xl/workbook.xml", workbook.as_str()),
        ("xl/_rels/workbook.xml.rels", BOOK_RELATIONS),
    ];
    for (path, text) in parts {
        book.start_file(path, options)?;
        book.write_all(text.as_bytes())?;
    }
    book.start_file("xl/worksheets/sheet1.xml", options)?;
    book.write_all(SHEET_HEAD.as_bytes())?;
    let mut line = String::new();
    for (place, row) in rows.into_iter().enumerate() {
        line.clear();
        put_row(&mut line, place + 1, row.as_ref());
        book.write_all(line.as_bytes())?;
    }
    book.write_all(b"</sheetData></worksheet>")?;
    Ok(book.finish()?.into_inner())
}

fn put_row(line: &mut String, number: usize, cells: &[String]) {
    let number = number.to_string();
    line.push_str("<row r=\"");
    line.push_str(&number);
    line.push_str("\">");
    for (place, cell) in cells.iter().enumerate() {
        if cell.is_empty() {
            continue;
        }
        line.push_str("<c r=\"");
        line.push_str(&column_name(place));
        line.push_str(&number);
        line.push_str("\" t=\"inlineStr\"><is><t xml:space=\"preserve\">");
        line.push_str(&escaped(cell));
        line.push_str("</t></is></c>");
    }
    line.push_str("</row>");
}

/// `A` to `Z`, then `AA`.
fn column_name(place: usize) -> String {
    let letter = |n: usize| char::from(b'A' + u8::try_from(n % 26).unwrap_or_default());
    match place.checked_div(26) {
        Some(0) | None => letter(place).to_string(),
        Some(above) => format!("{}{}", column_name(above - 1), letter(place)),
    }
}

/// XML knows no control characters besides tab and line ends; they are left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

/// A sheet's name has at most 31 characters and none of `[]:*?/\`.
fn sheet_name(name: &str) -> String {
    let kept = name
        .chars()
        .filter(|c| !matches!(c, '[' | ']' | ':' | '*' | '?' | '/' | '\\'));
    let kept: String = kept.take(31).collect();
    if kept.is_empty() {
        "Sheet1".to_owned()
    } else {
        kept
    }
}

/// CSV in UTF-8 with a byte order mark, without which Excel takes it for GB18030. A cell that a
/// spreadsheet would compute gets an apostrophe in front, as spreadsheets write it themselves;
/// [`unguarded`] takes it off again.
pub fn csv<R: AsRef<[String]>>(rows: impl IntoIterator<Item = R>) -> Result<Vec<u8>> {
    let broken = |e| Fault::caused_by("write a table", e);
    let mut out = vec![0xef, 0xbb, 0xbf];
    let mut writer = csv::WriterBuilder::new()
        .flexible(true)
        .from_writer(&mut out);
    for row in rows {
        let cells = row.as_ref().iter().map(|cell| {
            let is_computed = cell.starts_with(COMPUTED);
            if is_computed {
                format!("'{cell}")
            } else {
                cell.clone()
            }
        });
        writer.write_record(cells).map_err(broken)?;
    }
    writer
        .flush()
        .map_err(|e| Fault::caused_by("write a table", e))?;
    drop(writer);
    Ok(out)
}

const COMPUTED: [char; 4] = ['=', '+', '-', '@'];

/// The cell without the apostrophe that [`csv`] puts before what a spreadsheet would compute.
pub fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(COMPUTED) => rest,
        _ => cell,
    }
}

const TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>"#;
const ROOT_RELATIONS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const BOOK_RELATIONS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#;
const WORKBOOK: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="{name}" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
const SHEET_HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData>"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_in_letters() {
        let names: Vec<_> = [0, 25, 26, 51, 52, 701, 702].map(column_name).into();
        assert_eq!(names, ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]);
    }
}
