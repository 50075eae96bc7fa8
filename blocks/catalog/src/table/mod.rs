//! The catalog as a table (附表): one row for each item, with the columns of the template that
//! departments fill in, and behind them ours, so that nothing is lost on the way out and in.
//!
//! Columns are found by their titles, wherever they stand.

pub mod export;
pub mod import;

use std::collections::HashMap;

use crate::{
    class::Class,
    metadata::{Item, Metadata},
    profile::{Code, Profile, code_of, name_of},
};

/// A column: its name in code, the title that is written, other titles that are read.
pub(crate) struct Column {
    pub key: &'static str,
    pub title: &'static str,
    others: &'static [&'static str],
}

const fn column(key: &'static str, title: &'static str, others: &'static [&'static str]) -> Column {
    Column { key, title, others }
}

/// In the order of the template of 2019, then ours.
pub(crate) const COLUMNS: [Column; 37] = [
    column("number", "序号", &["编号"]),
    column(
        "class1",
        "部门类信息资源分类（类）",
        &["类", "类分类", "信息资源分类（类）"],
    ),
    column("class2", "项分类", &["项"]),
    column("class3", "目分类", &["目"]),
    column("class4", "细目分类1", &["细目", "细目分类"]),
    column("class5", "细目分类1.1", &["细目1.1"]),
    column("related_matter", "关联业务事项", &["关联业务事项/系统"]),
    column("name", "信息资源名称", &["资源名称", "name"]),
    column("code", "信息资源代码", &["资源代码", "code"]),
    column(
        "inner_department",
        "下设机构",
        &["内部部门", "信息资源提供方内部部门"],
    ),
    column("abstract", "信息资源摘要", &["资源摘要", "摘要"]),
    column("format_class", "信息资源格式分类", &["格式分类"]),
    column("format_type", "信息资源格式类型", &["格式类型"]),
    column("format_description", "其他类型资源格式描述", &["格式描述"]),
    column("item", "信息项名称", &["信息项"]),
    column("type", "数据类型", &["信息项数据类型"]),
    column("length", "数据长度", &["信息项数据长度"]),
    column("share_type", "共享类型", &[]),
    column(
        "share_condition",
        "共享条件/不予共享依据",
        &["共享条件", "不予共享依据"],
    ),
    column("share_mode", "共享方式分类", &["共享方式"]),
    column("share_mode_type", "共享方式类型", &[]),
    column("is_open", "是否向社会开放", &["是否开放"]),
    column("open_condition", "开放条件", &[]),
    column("cycle", "更新周期", &[]),
    column("published_on", "发布日期", &[]),
    column("theme", "开放主题分类", &["主题"]),
    column("related", "关联资源代码", &[]),
    column("provider_name", "信息资源提供方", &["提供方", "提供部门"]),
    column(
        "provider",
        "信息资源提供方代码",
        &["提供方代码", "统一社会信用代码"],
    ),
    column("share_scope", "共享范围", &[]),
    column("share_mode_reason", "非平台共享原因", &[]),
    column("name_en", "英文名称", &[]),
    column("alt_identifier", "其他标识符", &[]),
    column("field", "字段名", &["英文名", "信息项英文名"]),
    column("is_key", "是否主键", &[]),
    column("code_table", "代码表", &["是否字典项"]),
    column("level", "敏感级别", &["数据敏感级别"]),
];

/// Columns of items; the others say something of the resource.
pub(crate) const OF_ITEMS: [&str; 7] = [
    "item",
    "type",
    "length",
    "field",
    "is_key",
    "code_table",
    "level",
];

/// The column of a title; blanks, stars and the width of brackets do not matter.
pub(crate) fn meaning(title: &str) -> Option<&'static Column> {
    let plain = plain(title);
    COLUMNS.iter().find(|column| {
        let others = column.others.iter().copied();
        std::iter::once(column.title)
            .chain(others)
            .any(|known| self::plain(known) == plain)
    })
}

fn plain(title: &str) -> String {
    let kept = title.chars().filter_map(|c| match c {
        '*' | '＊' | ':' | '：' => None,
        c if c.is_whitespace() => None,
        '(' => Some('（'),
        ')' => Some('）'),
        c => Some(c.to_ascii_lowercase()),
    });
    kept.collect()
}

/// The column in which an element of the metadata stands.
pub(crate) fn column_of(place: &str) -> Option<&'static Column> {
    let key = match place.split('/').next_back().unwrap_or(place) {
        "name" if place.starts_with("items/") => "item",
        "class" => "class3",
        "items" => "item",
        other => other,
    };
    COLUMNS.iter().find(|column| column.key == key)
}

/// What the lists and classes of this installation are, for reading and writing cells.
pub(crate) struct Lists {
    pub profile: Profile,
    /// Sorted by code.
    pub classes: Vec<Class>,
    share_types: Vec<Code>,
}

impl Lists {
    pub fn new(profile: Profile, classes: Vec<Class>) -> Self {
        let code = |code: &str, zh: &str, en: &str| Code {
            code: code.into(),
            zh: zh.into(),
            en: en.into(),
        };
        Self {
            profile,
            classes,
            share_types: vec![
                code("1", "无条件共享", "Without condition"),
                code("2", "有条件共享", "On a condition"),
                code("3", "不予共享", "Not shared"),
            ],
        }
    }

    /// The class that the cells of its levels say, each a part of the code, a whole code or a
    /// name below the level before; as much as is understood.
    fn class(&self, cells: [&str; 5]) -> String {
        let mut code = String::new();
        for (level, cell) in cells.into_iter().enumerate() {
            let cell = cell.trim();
            if cell.is_empty() {
                break;
            }
            let width = [1, 2, 3, 2, 2].get(level).copied().unwrap_or(2);
            let is_number = cell.bytes().all(|b| b.is_ascii_digit());
            if is_number && cell.len() > width && cell.starts_with(&code) {
                cell.clone_into(&mut code);
            } else if is_number {
                code = format!("{code}{cell:0>width$}");
            } else {
                let below = self.classes.iter().find(|class| {
                    class.code.len() == code.len() + width
                        && class.code.starts_with(&code)
                        && (class.name_zh == cell || class.name_en.eq_ignore_ascii_case(cell))
                });
                // An unknown name stays visible in the code that the check then refuses.
                code = below.map_or_else(|| format!("{code}{cell}"), |class| class.code.clone());
            }
        }
        code
    }

    /// The resource that cells say, and what is not understood: column and cell.
    pub fn resource(&self, cells: &HashMap<&'static str, String>) -> (Metadata, Vec<&'static str>) {
        let cell = |key: &str| cells.get(key).map(String::as_str).unwrap_or_default();
        let text = |key: &str| cell(key).to_owned();
        let mut odd = Vec::new();
        let mut day = |key: &'static str| {
            let day = day(cell(key));
            if day.is_none() && !cell(key).is_empty() {
                odd.push(key);
            }
            day
        };
        let published_on = day("published_on");
        let is_open = flag(cell("is_open"));
        if is_open.is_none() {
            odd.push("is_open");
        }
        let mut class = self.class(["class1", "class2", "class3", "class4", "class5"].map(cell));
        if class.is_empty()
            && let Some((front, _)) = cell("code").split_once('/')
        {
            front.clone_into(&mut class);
        }
        let entry = Metadata {
            class,
            name: text("name"),
            name_en: text("name_en"),
            code: text("code"),
            provider: text("provider"),
            provider_name: text("provider_name"),
            inner_department: text("inner_department"),
            summary: text("abstract"),
            format_class: code_of(&self.profile.formats, cell("format_class")),
            format_type: text("format_type"),
            format_description: text("format_description"),
            items: Vec::new(),
            share_type: code_of(&self.share_types, cell("share_type")),
            share_condition: text("share_condition"),
            share_scope: text("share_scope"),
            share_mode: code_of(&self.profile.share_modes, cell("share_mode")),
            share_mode_type: code_of(&self.profile.share_mode_types, cell("share_mode_type")),
            share_mode_reason: text("share_mode_reason"),
            is_open: is_open.unwrap_or_default(),
            open_condition: text("open_condition"),
            cycle: code_of(&self.profile.cycles, cell("cycle")),
            published_on,
            related: cell("related")
                .split(['、', ',', '，', ';', '；'])
                .map(str::to_owned)
                .collect(),
            related_matter: text("related_matter"),
            theme: text("theme"),
            alt_identifier: text("alt_identifier"),
        };
        (entry.tidy(), odd)
    }

    /// The item of a row; none where the row names none.
    pub fn item(&self, cells: &HashMap<&'static str, String>) -> Option<Item> {
        let cell = |key: &str| cells.get(key).map(String::as_str).unwrap_or_default();
        if OF_ITEMS.iter().all(|key| cell(key).is_empty()) {
            return None;
        }
        Some(Item {
            name: cell("item").to_owned(),
            field: cell("field").to_owned(),
            kind: code_of(&self.profile.item_types, cell("type")),
            length: cell("length").to_owned(),
            is_key: flag(cell("is_key")).unwrap_or_default(),
            code_table: cell("code_table").to_owned(),
            level: code_of(&self.profile.levels, cell("level")),
            standard: String::new(),
        })
    }

    /// The cell of a resource's column.
    pub fn cell(&self, entry: &Metadata, key: &str) -> String {
        let level =
            |from: usize, to: usize| entry.class.get(from..to).unwrap_or_default().to_owned();
        match key {
            "class1" => level(0, 1),
            "class2" => level(1, 3),
            "class3" => level(3, 6),
            "class4" => level(6, 8),
            "class5" => entry.class.get(8..).unwrap_or_default().to_owned(),
            "related_matter" => entry.related_matter.clone(),
            "name" => entry.name.clone(),
            "name_en" => entry.name_en.clone(),
            "code" => entry.code.clone(),
            "inner_department" => entry.inner_department.clone(),
            "abstract" => entry.summary.clone(),
            "format_class" => name_of(&self.profile.formats, &entry.format_class, true),
            "format_type" => entry.format_type.clone(),
            "format_description" => entry.format_description.clone(),
            "share_type" => name_of(&self.share_types, &entry.share_type, true),
            "share_condition" => entry.share_condition.clone(),
            "share_mode" => name_of(&self.profile.share_modes, &entry.share_mode, true),
            "share_mode_type" => {
                name_of(&self.profile.share_mode_types, &entry.share_mode_type, true)
            }
            "is_open" => yes_or_no(entry.is_open),
            "open_condition" => entry.open_condition.clone(),
            "cycle" => name_of(&self.profile.cycles, &entry.cycle, true),
            "published_on" => entry
                .published_on
                .map(|day| day.to_string())
                .unwrap_or_default(),
            "theme" => entry.theme.clone(),
            "related" => entry.related.join("、"),
            "provider_name" => entry.provider_name.clone(),
            "provider" => entry.provider.clone(),
            "share_scope" => entry.share_scope.clone(),
            "share_mode_reason" => entry.share_mode_reason.clone(),
            "alt_identifier" => entry.alt_identifier.clone(),
            _ => String::new(),
        }
    }

    /// The cell of an item's column.
    pub fn item_cell(&self, item: &Item, key: &str) -> String {
        match key {
            "item" => item.name.clone(),
            "type" => item.kind.clone(),
            "length" => item.length.clone(),
            "field" => item.field.clone(),
            "is_key" => yes_or_no(item.is_key),
            "code_table" => item.code_table.clone(),
            "level" => name_of(&self.profile.levels, &item.level, true),
            _ => String::new(),
        }
    }
}

fn yes_or_no(yes: bool) -> String {
    if yes { "是" } else { "否" }.to_owned()
}

/// Empty is no.
fn flag(cell: &str) -> Option<bool> {
    match cell.trim().to_ascii_lowercase().as_str() {
        "是" | "1" | "y" | "yes" | "true" => Some(true),
        "" | "否" | "0" | "n" | "no" | "false" => Some(false),
        _ => None,
    }
}

/// `2026-03-02`, `2026/3/2`, `2026年3月2日`, `20260302`, and what workbooks have for a moment.
fn day(cell: &str) -> Option<chrono::NaiveDate> {
    let words = cell.split([' ', 'T']).next()?;
    let plain = words.replace(['/', '.', '年', '月'], "-").replace('日', "");
    ["%Y-%m-%d", "%Y%m%d"]
        .iter()
        .find_map(|format| chrono::NaiveDate::parse_from_str(&plain, format).ok())
}
