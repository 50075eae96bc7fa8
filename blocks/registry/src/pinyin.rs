//! Chinese names as they are typed on a Latin keyboard.

use pinyin::ToPinyin;

/// Family names that are read otherwise than the same character elsewhere.
const FAMILY_NAMES: [(&str, &str); 17] = [
    ("万俟", "mo qi"),
    ("尉迟", "yu chi"),
    ("长孙", "zhang sun"),
    ("单", "shan"),
    ("曾", "zeng"),
    ("仇", "qiu"),
    ("朴", "piao"),
    ("查", "zha"),
    ("区", "ou"),
    ("任", "ren"),
    ("解", "xie"),
    ("盖", "ge"),
    ("缪", "miao"),
    ("翟", "zhai"),
    ("覃", "qin"),
    ("尹", "yin"),
    ("乐", "yue"),
];

/// Longest text whose pinyin is kept; nobody types more.
const CHARACTERS: usize = 40;

/// As it is typed where the keyboard has no `ü`: `lv` for 吕.
pub(crate) fn typed(pinyin: &str) -> String {
    pinyin.to_lowercase().replace('ü', "v")
}

/// Pinyin without tones, and its initials: `张小明` gives `zhangxiaoming` and `zxm`. Letters and
/// digits stay; other signs are left out.
pub fn spell(name: &str) -> (String, String) {
    let (mut full, mut initials) = (String::new(), String::new());
    let mut take = |syllable: &str| {
        full.push_str(syllable);
        initials.extend(syllable.chars().next());
    };
    let family = FAMILY_NAMES
        .iter()
        .find(|(name_, _)| name.starts_with(name_));
    let mut rest = name;
    // A family name alone is a word, not a name.
    if let Some((family, syllables)) = family.filter(|_| name.chars().count() <= 4) {
        syllables.split(' ').for_each(&mut take);
        rest = name.strip_prefix(family).unwrap_or_default();
    }
    for c in rest.chars().take(CHARACTERS) {
        if c.is_ascii_alphanumeric() {
            take(&c.to_ascii_lowercase().to_string());
        } else if let Some(syllable) = c.to_pinyin() {
            take(&typed(syllable.plain()));
        }
    }
    (full, initials)
}
