//! Titles and helps of forms, which packs bring in Chinese and English.

use serde::{Deserialize, Serialize};
use web::{Language, Page};

/// The same words in Chinese and, where the author gave them, English.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    pub zh: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub en: String,
}

impl Words {
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            zh: zh.into(),
            en: en.into(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.zh.is_empty() && self.en.is_empty()
    }

    /// English where there is some; Chinese for everybody else.
    pub fn english(&self) -> &str {
        if self.en.is_empty() {
            &self.zh
        } else {
            &self.en
        }
    }

    /// In the reader's language and script.
    pub fn on(&self, page: &Page) -> String {
        match page.language {
            Language::En => self.english().to_owned(),
            _ => page.zh(&self.zh),
        }
    }
}
