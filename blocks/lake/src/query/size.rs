//! How large a question is after every name of a sub-query was put in its place.
//!
//! Names that stand for one another grow like powers: thirty short lines can mean a billion tables,
//! or a text that fills a server's memory.

use std::{collections::HashMap, ops::ControlFlow};

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName,
    Query, Value, ValueWithSpan, Visit, Visitor,
};

/// Tables of a question.
const RELATIONS: usize = 64;
/// How often a value may stand in one that is computed from it.
const GROWTH: usize = 256;
/// Characters that the longest text of the question may grow to: with it in each row, the rows that
/// are computed at once fit in a question's memory.
const LONGEST_TEXT: usize = 1 << 16;
/// Expressions within one another: the planner goes down them on its stack, and a stack that is full
/// ends the whole server. Two hundred conditions in a row fit.
const DEPTH: usize = 256;
/// Queries within one another.
const QUERIES: usize = 32;
/// `WITH` within one another: the engine looks for tables twice in each.
const WITHS: usize = 6;
/// What gathers rows is taken to make a value so many times as long; what it really makes is
/// measured while it runs.
const GATHERING: usize = 16;
/// More than any question may have.
const TOO_MUCH: usize = GROWTH + 1;

/// Whether a question may be planned.
pub(super) fn fits(query: &Query) -> bool {
    let mut counting = Counting::default();
    if query.visit(&mut counting).is_break() {
        return false;
    }
    let whole = counting.whole;
    whole.relations <= RELATIONS
        && whole.growth <= GROWTH
        && whole.growth.saturating_mul(counting.longest) <= LONGEST_TEXT
}

#[derive(Clone, Copy, Default)]
struct Size {
    relations: usize,
    growth: usize,
}

impl Size {
    fn or_larger(self, other: Self) -> Self {
        Self {
            relations: self.relations.max(other.relations),
            growth: self.growth.max(other.growth),
        }
    }
}

/// A query on the way through it.
struct Scope {
    relations: usize,
    /// Of what it reads from.
    sources: usize,
    /// Of what it computes from that.
    computed: usize,
    /// `WITH` that it stands in, its own included.
    withs: usize,
    /// The expressions around the present place: how much they make of what stands there, and
    /// whether it is part of a chain of `||` that was counted.
    around: Vec<(usize, bool)>,
}

#[derive(Default)]
struct Counting {
    scopes: Vec<Scope>,
    /// Names of the sub-queries that come, by where they stand.
    coming: HashMap<usize, String>,
    named: HashMap<String, Size>,
    whole: Size,
    /// Characters of the longest text that is written out.
    longest: usize,
    depth: usize,
}

fn place(query: &Query) -> usize {
    std::ptr::from_ref(query).addr()
}

impl Visitor for Counting {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        for cte in ctes {
            let name = cte.alias.name.value.to_lowercase();
            self.coming.insert(place(&cte.query), name);
        }
        let outer = self.scopes.last().map_or(0, |scope| scope.withs);
        let withs = outer + usize::from(query.with.is_some());
        if withs > WITHS || self.scopes.len() >= QUERIES {
            return ControlFlow::Break(());
        }
        self.scopes.push(Scope {
            relations: 0,
            sources: 1,
            computed: 1,
            withs,
            around: Vec::new(),
        });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let Some(scope) = self.scopes.pop() else {
            return ControlFlow::Break(());
        };
        let size = Size {
            relations: scope.relations.max(1),
            growth: scope.sources.saturating_mul(scope.computed),
        };
        let name = self.coming.remove(&place(query));
        let Some(outer) = self.scopes.last_mut() else {
            self.whole = size;
            return ControlFlow::Continue(());
        };
        outer.relations = outer.relations.saturating_add(scope.relations);
        match (name, outer.around.last()) {
            (Some(name), _) => {
                let known = self.named.entry(name).or_default();
                *known = known.or_larger(size);
            }
            (None, Some((around, _))) => {
                outer.computed = outer.computed.max(around.saturating_mul(size.growth));
            }
            (None, None) => outer.sources = outer.sources.max(size.growth),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let name = relation.to_string().replace('"', "").to_lowercase();
        let size = self.named.get(&name).copied().unwrap_or(Size {
            relations: 1,
            growth: 1,
        });
        if let Some(scope) = self.scopes.last_mut() {
            scope.relations = scope.relations.saturating_add(size.relations);
            scope.sources = scope.sources.max(size.growth);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.depth += 1;
        let Some(scope) = self.scopes.last_mut().filter(|_| self.depth <= DEPTH) else {
            return ControlFlow::Break(());
        };
        let (around, is_in_chain) = scope.around.last().copied().unwrap_or((1, false));
        let (makes, is_chain) = match expr {
            Expr::Nested(_) => (1, is_in_chain),
            expr if is_join(expr) && is_in_chain => (1, true),
            expr if is_join(expr) => (parts(chain(expr).into_iter()), true),
            Expr::Array(array) => (parts(array.elem.iter()), false),
            Expr::Function(function) => (makes(function), false),
            _ => (1, false),
        };
        let makes = around.saturating_mul(makes);
        scope.computed = scope.computed.max(makes);
        scope.around.push((makes, is_chain));
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.depth -= 1;
        if let Some(scope) = self.scopes.last_mut() {
            scope.around.pop();
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
        self.longest = self.longest.max(written(&value.value));
        ControlFlow::Continue(())
    }
}

/// Bytes of a text that is written out.
fn written(value: &Value) -> usize {
    value.clone().into_string().map_or(0, |text| text.len())
}

fn is_join(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryOp { op, .. } if *op == BinaryOperator::StringConcat)
}

/// What a chain of `||` puts together.
fn chain(expr: &Expr) -> Vec<&Expr> {
    let (mut waiting, mut parts) = (vec![expr], Vec::new());
    while let Some(expr) = waiting.pop() {
        match expr {
            Expr::BinaryOp { left, op, right } if *op == BinaryOperator::StringConcat => {
                waiting.extend([&**left, &**right]);
            }
            Expr::Nested(inner) => waiting.push(inner),
            other => parts.push(other),
        }
    }
    parts
}

/// How often a value may stand in what is put together of these. Texts that are written out are
/// together no longer than the question.
fn parts<'a>(all: impl Iterator<Item = &'a Expr>) -> usize {
    let (mut computed, mut written) = (0, 0);
    for expr in all {
        if matches!(expr, Expr::Value(_)) {
            written = 1;
        } else {
            computed += 1;
        }
    }
    usize::max(computed + written, 1)
}

/// How many times as long as its longest argument the answer of a function may be.
fn makes(function: &Function) -> usize {
    let name = function.name.to_string().replace('"', "").to_lowercase();
    let FunctionArguments::List(list) = &function.args else {
        return 1;
    };
    let given: Vec<&Expr> = list.args.iter().filter_map(given).collect();
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if has(&["to_string", "_join"]) {
        // What stands between the parts stands there as often as there are parts.
        let between = given.iter().skip(1).map(|expr| match expr {
            Expr::Value(value) => written(&value.value),
            _ => TOO_MUCH,
        });
        return between.fold(1, usize::saturating_add);
    }
    if name == "unnest" {
        return GROWTH / 4;
    }
    if has(&["agg", "to_char", "date_format"]) {
        return GATHERING;
    }
    if has(&["to_array", "to_list", "encode"]) {
        return 4;
    }
    let puts_together = [
        "cat", "append", "prepend", "push", "union", "make_", "struct", "row", "map", "insert",
    ];
    if has(&puts_together) {
        let all = parts(given.into_iter());
        return if name == "concat_ws" { all * 2 } else { all };
    }
    1
}

fn given(arg: &FunctionArg) -> Option<&Expr> {
    let (FunctionArg::Named { arg, .. }
    | FunctionArg::ExprNamed { arg, .. }
    | FunctionArg::Unnamed(arg)) = arg;
    match arg {
        FunctionArgExpr::Expr(expr) => Some(expr),
        _ => None,
    }
}
