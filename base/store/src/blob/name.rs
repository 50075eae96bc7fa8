//! What a file may be called.

/// Characters of a name at the most, extension included.
const LONGEST: usize = 120;

/// The name as it is kept and given back: without folders, control and direction characters, and
/// what Windows refuses; at most 120 characters, the extension among them. `None` if nothing is
/// left to call it by. A folder is cut off rather than refused, because people cannot help what
/// their browser sends.
pub fn clean_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let cleaned: String = last
        .chars()
        .filter(|c| !c.is_control() && !is_invisible(*c))
        .map(|c| if r#"<>:"|?*"#.contains(c) { '_' } else { c })
        .collect();
    let cleaned = cleaned.trim_matches(|c: char| c.is_whitespace() || c == '.');
    let (stem, extension) = match cleaned.rsplit_once('.') {
        Some((stem, extension)) => (stem, Some(extension)),
        None => (cleaned, None),
    };
    let stem = if is_reserved(stem) {
        format!("_{stem}")
    } else {
        stem.to_owned()
    };
    let extension: Option<String> = extension.map(|e| e.chars().take(16).collect());
    let rest = LONGEST - extension.as_ref().map_or(0, |e| e.chars().count() + 1);
    let stem: String = stem.chars().take(rest).collect();
    match extension {
        Some(extension) => Some(format!("{stem}.{extension}")),
        None if stem.is_empty() => None,
        None => Some(stem),
    }
}

/// Characters that change how a name reads without being seen: `cod.exe` may show as `exe.doc`.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// Names of devices on Windows.
fn is_reserved(stem: &str) -> bool {
    let upper = stem.to_ascii_uppercase();
    let is_numbered = |prefix: &str| {
        upper
            .strip_prefix(prefix)
            .is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()))
    };
    matches!(upper.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || is_numbered("COM")
        || is_numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::clean_name;

    #[test]
    fn names_are_cleaned() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(clean_name(name).as_deref(), expected, "{name:?}");
        };
        check("营业执照.pdf", Some("营业执照.pdf"));
        check("../../etc/passwd", Some("passwd"));
        check(r"C:\Users\张三\照片.JPG", Some("照片.JPG"));
        check("a\u{0}b\r\nc.pdf", Some("abc.pdf"));
        check("\u{202e}fdp.exe", Some("fdp.exe"));
        check("a<b>:c?.pdf", Some("a_b__c_.pdf"));
        check("con.txt", Some("_con.txt"));
        check("  .hidden. ", Some("hidden"));
        check("..", None);
        check("dir/", None);
        check("", None);
        let long = format!("{}.pdf", "长".repeat(300));
        let cleaned = clean_name(&long).unwrap();
        assert_eq!(cleaned.chars().count(), 120);
        assert!(
            std::path::Path::new(&cleaned)
                .extension()
                .is_some_and(|e| e == "pdf")
        );
    }
}
