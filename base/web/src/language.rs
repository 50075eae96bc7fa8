//! Languages: zh-CN first, en complete, zh-TW by `OpenCC` from zh-CN.

use std::{
    collections::{BTreeSet, HashMap},
    sync::OnceLock,
};

use ferrous_opencc::{OpenCC, config::BuiltinConfig};
use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use unic_langid::LanguageIdentifier;

/// A language a page can be shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Language {
    #[default]
    ZhCn,
    ZhTw,
    En,
}

impl Language {
    pub const ALL: [Self; 3] = [Self::ZhCn, Self::ZhTw, Self::En];

    pub fn tag(self) -> &'static str {
        match self {
            Self::ZhCn => "zh-CN",
            Self::ZhTw => "zh-TW",
            Self::En => "en",
        }
    }

    /// Its name in itself, for the reader who cannot read the present language.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::ZhCn => "简体",
            Self::ZhTw => "繁體",
            Self::En => "English",
        }
    }

    pub fn is_chinese(self) -> bool {
        self != Self::En
    }

    /// The language for a tag as browsers and links write it; traditional script is asked for by
    /// script or by region.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let tag = tag.trim().to_ascii_lowercase();
        let mut parts = tag.split('-');
        match parts.next()? {
            "en" => Some(Self::En),
            "zh" if parts.any(|p| matches!(p, "tw" | "hk" | "mo" | "hant")) => Some(Self::ZhTw),
            "zh" => Some(Self::ZhCn),
            _ => None,
        }
    }

    /// The best language for an `Accept-Language` header.
    pub fn from_accept(header: &str) -> Option<Self> {
        let mut wishes: Vec<(f32, Self)> = header
            .split(',')
            .filter_map(|wish| {
                let (tag, weight) = wish.split_once(";q=").unwrap_or((wish, "1"));
                Some((weight.trim().parse().ok()?, Self::from_tag(tag)?))
            })
            .filter(|(weight, _)| *weight > 0.0)
            .collect();
        wishes.sort_by(|a, b| b.0.total_cmp(&a.0));
        wishes.first().map(|(_, language)| *language)
    }
}

type Bundle = FluentBundle<FluentResource>;

/// All messages of all crates.
///
/// A key that a language lacks is answered from zh-CN, and a key that nobody has by itself, so
/// that the lack is seen.
pub struct Texts {
    zh_cn: Bundle,
    en: Bundle,
    /// The zh-CN sources, turned into `zh_tw` when the first reader asks for it.
    zh_cn_sources: Vec<&'static str>,
    zh_tw: OnceLock<Bundle>,
    script: OnceLock<Option<OpenCC>>,
    keys: HashMap<&'static str, BTreeSet<String>>,
    problems: Vec<String>,
}

impl Texts {
    /// Collects Fluent sources by language tag. Mistakes in them are kept in [`Texts::problems`].
    pub fn new(sources: impl IntoIterator<Item = (&'static str, &'static str)>) -> Self {
        let mut texts = Self {
            zh_cn: bundle(Language::ZhCn),
            en: bundle(Language::En),
            zh_cn_sources: Vec::new(),
            zh_tw: OnceLock::new(),
            script: OnceLock::new(),
            keys: HashMap::new(),
            problems: Vec::new(),
        };
        for (tag, source) in sources {
            texts.add(tag, source);
        }
        texts
    }

    fn add(&mut self, tag: &'static str, source: &'static str) {
        let resource =
            FluentResource::try_new(source.to_owned()).unwrap_or_else(|(rest, errors)| {
                let lines = errors.iter().map(|e| format!("{tag}: {e}"));
                self.problems.extend(lines);
                rest
            });
        let known = self.keys.entry(tag).or_default();
        for entry in resource.entries() {
            if let fluent_syntax::ast::Entry::Message(message) = entry
                && !known.insert(message.id.name.to_owned())
            {
                self.problems
                    .push(format!("{tag}: {} is defined twice", message.id.name));
            }
        }
        let target = match tag {
            "zh-CN" => {
                self.zh_cn_sources.push(source);
                &mut self.zh_cn
            }
            _ => &mut self.en,
        };
        // Only duplicates are refused here, and those are noted above.
        let _ = target.add_resource(resource);
    }

    /// The words for `key`. An argument that looks like a number chooses plural forms as one.
    pub fn text(&self, language: Language, key: &str, args: &[(&str, String)]) -> String {
        let wanted = match language {
            Language::ZhCn => &self.zh_cn,
            Language::ZhTw => self.zh_tw(),
            Language::En => &self.en,
        };
        format(wanted, key, args)
            .or_else(|| format(&self.zh_cn, key, args))
            .unwrap_or_else(|| key.to_owned())
    }

    /// Whether zh-CN, the first language, has words for `key`.
    pub fn has(&self, key: &str) -> bool {
        self.zh_cn.has_message(key)
    }

    /// Content that is kept in simplified characters (matters, guides, names of departments), in
    /// the reader's script. Names of persons do not go through here.
    pub fn script(&self, language: Language, content: &str) -> String {
        match (language, self.converter()) {
            (Language::ZhTw, Some(converter)) => converter.convert(content),
            _ => content.to_owned(),
        }
    }

    /// The keys that have words in the language with this tag, in order.
    pub fn keys(&self, tag: &str) -> Vec<&str> {
        self.keys
            .get(tag)
            .map(|keys| keys.iter().map(String::as_str).collect())
            .unwrap_or_default()
    }

    /// Mistakes in the sources: syntax, and keys defined twice.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    fn zh_tw(&self) -> &Bundle {
        self.zh_tw.get_or_init(|| {
            let mut traditional = bundle(Language::ZhTw);
            for source in &self.zh_cn_sources {
                // Keys and Fluent syntax are ASCII, which the conversion leaves alone.
                let source = self.script(Language::ZhTw, source);
                let resource = FluentResource::try_new(source).unwrap_or_else(|(rest, _)| rest);
                let _ = traditional.add_resource(resource);
            }
            traditional
        })
    }

    fn converter(&self) -> Option<&OpenCC> {
        let load = || {
            OpenCC::from_config(BuiltinConfig::S2twp)
                .inspect_err(
                    |e| tracing::error!(error = %e, "traditional characters are not available"),
                )
                .ok()
        };
        self.script.get_or_init(load).as_ref()
    }
}

fn bundle(language: Language) -> Bundle {
    let locale: LanguageIdentifier = language.tag().parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![locale]);
    // Isolation marks would travel into copied case numbers and typeset documents.
    bundle.set_use_isolating(false);
    bundle
}

fn format(bundle: &Bundle, key: &str, args: &[(&str, String)]) -> Option<String> {
    let pattern = bundle.get_message(key)?.value()?;
    let mut values = FluentArgs::with_capacity(args.len());
    for (name, value) in args {
        values.set(*name, argument(value));
    }
    let mut errors = Vec::new();
    let words = bundle.format_pattern(pattern, Some(&values), &mut errors);
    if !errors.is_empty() {
        tracing::warn!(key, ?errors, "message lacks an argument");
    }
    Some(words.into_owned())
}

/// Only what prints the same again counts as a number: a case number keeps its zeros.
fn argument(text: &str) -> FluentValue<'_> {
    match text.parse::<i32>() {
        Ok(number) if number.to_string() == text => FluentValue::from(number),
        _ => FluentValue::from(text),
    }
}
