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
    /// Smaller comes first.
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
    /// An officer's workbench.
    Workbench,
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
