//! What a crate hands to the executable.

use std::sync::Arc;

use sea_orm_migration::MigrationTrait;
use utoipa_axum::router::OpenApiRouter;

use crate::App;

/// Everything one crate contributes. Built by `module(&App)` in each crate's `lib.rs`; a reviewer
/// counts here what a feature must have.
#[derive(Default)]
pub struct Module {
    pub name: &'static str,
    /// Pages and API doors alike.
    pub routes: OpenApiRouter<App>,
    pub consumers: Vec<Arc<dyn store::Consumer>>,
    pub jobs: Vec<Arc<dyn store::Handler>>,
    pub menu: Vec<MenuItem>,
    /// Cedar policy texts, by file name.
    pub policies: Vec<(&'static str, &'static str)>,
}

/// What a crate contributes before there is an [`App`]: tables and words.
pub struct Foundation {
    pub name: &'static str,
    pub migrations: Vec<Box<dyn MigrationTrait>>,
    /// Fluent texts by language tag: `("zh-CN", include_str!(…))`.
    pub texts: &'static [(&'static str, &'static str)],
}

/// A link in the page head or the workbench's side bar.
#[derive(Clone, Debug)]
pub struct MenuItem {
    /// Fluent key of its words.
    pub key: &'static str,
    pub href: &'static str,
    pub place: MenuPlace,
    /// Smaller comes first, within its place.
    pub order: u32,
    /// Name of the action that a viewer must be allowed to see the item; empty for everybody.
    pub action: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MenuPlace {
    /// Head of public pages.
    Public,
    /// A signed-in citizen's or firm's own pages.
    Mine,
    /// An officer's workbench, under the heading of the section.
    Workbench(Section),
}

/// What officers' work is about, in the order of the side bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    Cases,
    Supervision,
    Data,
    Processes,
    System,
}

impl Section {
    pub const ALL: [Self; 5] = [
        Self::Cases,
        Self::Supervision,
        Self::Data,
        Self::Processes,
        Self::System,
    ];

    /// Fluent key of its heading.
    pub fn key(self) -> &'static str {
        match self {
            Self::Cases => "web-section-cases",
            Self::Supervision => "web-section-supervision",
            Self::Data => "web-section-data",
            Self::Processes => "web-section-processes",
            Self::System => "web-section-system",
        }
    }
}

/// All menu items of all modules; an [`App`] part.
#[derive(Debug, Default)]
pub struct Menu(Vec<MenuItem>);

impl Menu {
    pub fn of(modules: &[Module]) -> Self {
        let mut items: Vec<_> = modules
            .iter()
            .flat_map(|m| m.menu.iter().cloned())
            .collect();
        items.sort_by_key(|item| (item.order, item.href));
        Self(items)
    }

    pub fn items(&self, place: MenuPlace) -> impl Iterator<Item = &MenuItem> {
        self.0.iter().filter(move |item| item.place == place)
    }
}
