//! The topology, and lists of what it is made of.

use askama::Template;
use axum::extract::State;
use exchange::{
    Hub,
    hub::{
        enrolment::{self, Node},
        overview::{self, Flow},
        publication::{self, Publication},
        subscription::{self, Subscription},
    },
    wire::PublicationState,
};
use identity::Actor;
use web::{App, Html, Page, WebError, component::Tone};

/// A box of the picture.
struct Place {
    x: usize,
    y: usize,
    label: String,
}

/// A line of the picture.
struct Line {
    x1: usize,
    y1: usize,
    x2: usize,
    y2: usize,
    class: &'static str,
}

#[derive(Template)]
#[template(path = "datahub/exchange.html")]
struct ExchangePage<'a> {
    p: &'a Page,
    address: String,
    nodes: Vec<Node>,
    flows: Vec<Flow>,
    publications: Vec<Publication>,
    subscriptions: Vec<Subscription>,
    places: Vec<Place>,
    lines: Vec<Line>,
    height: usize,
}

impl ExchangePage<'_> {
    fn publication(&self, row: &Publication) -> (Tone, String) {
        let tone = match row.state {
            PublicationState::Open => Tone::Good,
            PublicationState::Announced => Tone::Warning,
            PublicationState::Suspended => Tone::Plain,
        };
        (
            tone,
            self.p
                .t(format!("datahub-publication-{}", row.state.name())),
        )
    }

    fn subscription(&self, row: &Subscription) -> (Tone, String) {
        let tone = match row.state {
            subscription::State::Active => Tone::Good,
            subscription::State::Suspended => Tone::Warning,
            subscription::State::Withdrawn => Tone::Plain,
        };
        (
            tone,
            self.p
                .t(format!("datahub-subscription-{}", row.state.name())),
        )
    }

    fn title(&self, code: &str) -> String {
        self.p.zh(title(&self.nodes, code))
    }

    fn seen(&self, node: &Node) -> String {
        node.seen_at
            .map_or_else(|| "—".into(), |at| self.p.stamp(at))
    }
}

/// What a node is called, where it is one of this hub's.
fn title<'a>(nodes: &'a [Node], code: &'a str) -> &'a str {
    let node = nodes.iter().find(|node| node.code == code);
    node.map_or(code, |node| &node.title)
}

const ROW: usize = 44;
const LEFT: usize = 20;
const MIDDLE: usize = 330;
const RIGHT: usize = 640;

/// Providers at the left, the hub in the middle, subscribers at the right.
fn picture(flows: &[Flow], nodes: &[Node]) -> (Vec<Place>, Vec<Line>, usize) {
    let side = |name: fn(&Flow) -> &str| {
        let mut names: Vec<&str> = flows.iter().map(name).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    let (from, to) = (side(|f| &f.from), side(|f| &f.to));
    let height = from.len().max(to.len()).max(1) * ROW + ROW;
    let hub = height / 2;
    let (mut places, mut lines) = (Vec::new(), Vec::new());
    for (x, names, is_from) in [(LEFT, &from, true), (RIGHT, &to, false)] {
        for (row, name) in names.iter().enumerate() {
            let y = row * ROW + ROW;
            places.push(Place {
                x,
                y,
                label: title(nodes, name).to_owned(),
            });
            let own = flows.iter().filter(|f| {
                if is_from {
                    f.from == *name
                } else {
                    f.to == *name
                }
            });
            let (x1, x2) = if is_from {
                (x + 200, MIDDLE)
            } else {
                (MIDDLE + 120, x)
            };
            lines.push(Line {
                x1,
                y1: if is_from { y } else { hub },
                x2,
                y2: if is_from { hub } else { y },
                class: line_class(own),
            });
        }
    }
    (places, lines, height)
}

fn line_class<'a>(mut flows: impl Iterator<Item = &'a Flow> + Clone) -> &'static str {
    if flows.clone().any(|f| f.failed > 0) {
        "failed"
    } else if flows.clone().any(|f| f.waiting > 0) {
        "moving"
    } else if flows.any(|f| f.is_live) {
        "live"
    } else {
        "still"
    }
}

pub(super) async fn show(State(app): State<App>, p: Page, actor: Actor) -> Result<Html, WebError> {
    let flows = overview::flows(&app, &actor).await?;
    let nodes = enrolment::list(&app, &actor).await?;
    let (places, lines, height) = picture(&flows, &nodes);
    Html::page(&ExchangePage {
        address: app.part::<Hub>()?.address(),
        nodes,
        publications: publication::list(&app, &actor).await?,
        subscriptions: subscription::list(&app, &actor).await?,
        flows,
        places,
        lines,
        height,
        p: &p,
    })
}
