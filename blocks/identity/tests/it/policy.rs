use identity::{Actor, Gate, Party, PartyId, PartyKind, Post, Resource, UserId, policy::covers};
use kernel::{Error, SystemClock};

const POLICIES: &str = r#"
    permit (principal, action == Action::"service.case.read", resource)
    when { context.is_owner };
    permit (principal, action in [Action::"service.case.accept", Action::"service.case.refuse"], resource)
    when { context.posts_at_org.contains("clerk") };
    permit (principal, action == Action::"supervise.board.read", resource)
    when { context.posts_in_region.contains("supervisor") };
    forbid (principal, action == Action::"service.case.refuse", resource)
    when { principal.is_token };
    permit (principal, action == Action::"broken", resource)
    when { resource.nothing == 1 };
"#;

fn party(name: &str) -> Party {
    Party {
        id: PartyId::new(&SystemClock),
        kind: PartyKind::Natural,
        name: name.into(),
        code: String::new(),
        phone: String::new(),
        address: String::new(),
    }
}

fn citizen() -> Actor {
    Actor {
        user: UserId::new(&SystemClock),
        name: "合成甲".into(),
        own: Some(party("合成甲")),
        assurance: 2,
        ..Actor::system()
    }
}

fn officer(post: &str, org: &str, region: &str) -> Actor {
    let post = Post {
        post: post.into(),
        org: org.into(),
        org_name: "示范局".into(),
        region: region.into(),
        held_for: None,
    };
    Actor {
        user: UserId::new(&SystemClock),
        posts: vec![post],
        ..Actor::system()
    }
}

fn gate() -> Gate {
    Gate::of([
        ("service.cedar", POLICIES),
        ("system.cedar", include_str!("../../policies/system.cedar")),
    ])
    .unwrap()
}

fn is_allowed(actor: &Actor, action: &str, resource: &Resource) -> bool {
    match actor.may(&gate(), action, resource) {
        Ok(()) => true,
        Err(Error::Forbidden { action: refused }) => {
            assert_eq!(refused, action);
            false
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn an_empty_gate_refuses_everybody() {
    let refused = Gate::default().check(&Actor::system(), "x", &Resource::system());
    assert!(matches!(refused, Err(Error::Forbidden { .. })));
}

#[test]
fn a_citizen_reads_her_own_case_and_the_one_of_the_firm_she_acts_for() {
    let mut actor = citizen();
    let firm = party("合成公司");
    let own = Resource::new("Case", 1).owner(actor.own.as_ref().unwrap().id);
    let firms = Resource::new("Case", 2).owner(firm.id);
    assert!(is_allowed(&actor, "service.case.read", &own));
    assert!(!is_allowed(&actor, "service.case.read", &firms));
    assert!(!is_allowed(
        &actor,
        "service.case.read",
        &Resource::new("Case", 3)
    ));
    actor.acting_for = Some(firm);
    assert!(is_allowed(&actor, "service.case.read", &firms));
}

#[test]
fn a_post_counts_only_at_its_own_organisation() {
    let clerk = officer("clerk", "A", "321002");
    assert!(is_allowed(
        &clerk,
        "service.case.accept",
        &Resource::new("Case", 1).org("A")
    ));
    assert!(!is_allowed(
        &clerk,
        "service.case.accept",
        &Resource::new("Case", 1).org("B")
    ));
    assert!(!is_allowed(
        &clerk,
        "service.case.accept",
        &Resource::new("Case", 1)
    ));
    assert!(!is_allowed(
        &citizen(),
        "service.case.accept",
        &Resource::system()
    ));
}

#[test]
fn a_post_above_counts_where_the_act_names_what_is_above() {
    let policy = "permit (principal, action == Action::\"x\", resource) \
                  when { context.posts_above.contains(\"steward\") };";
    let gate = Gate::of([("x.cedar", policy)]).unwrap();
    let steward = officer("steward", "A", "321000");
    let may = |resource: Resource| gate.check(&steward, "x", &resource).is_ok();
    let thing = || Resource::new("Case", 1).org("B");
    assert!(may(thing().above(vec!["C".into(), "A".into()])));
    assert!(!may(thing().above(vec!["C".into()])));
    assert!(!may(thing()));
    assert!(!may(Resource::new("Case", 1).org("A")));
}

#[test]
fn a_city_supervisor_sees_its_districts_and_no_other_city() {
    let supervisor = officer("supervisor", "A", "321000");
    let board = |region: &str| Resource::new("Board", region).region(region);
    assert!(is_allowed(
        &supervisor,
        "supervise.board.read",
        &board("321002")
    ));
    assert!(!is_allowed(
        &supervisor,
        "supervise.board.read",
        &board("320100")
    ));
    assert!(!is_allowed(
        &supervisor,
        "supervise.board.read",
        &Resource::new("Board", "")
    ));
}

#[test]
fn a_prohibition_outweighs_a_permission() {
    let mut clerk = officer("clerk", "A", "321002");
    let case = Resource::new("Case", 1).org("A");
    assert!(is_allowed(&clerk, "service.case.refuse", &case));
    clerk.is_token = true;
    assert!(!is_allowed(&clerk, "service.case.refuse", &case));
}

#[test]
fn an_unknown_action_or_a_policy_that_fails_is_refused() {
    assert!(!is_allowed(
        &citizen(),
        "no.such.thing",
        &Resource::system()
    ));
    assert!(!is_allowed(&citizen(), "broken", &Resource::system()));
}

#[test]
fn the_system_may_do_what_nobody_named() {
    assert!(is_allowed(
        &Actor::system(),
        "service.case.accept",
        &Resource::system()
    ));
    assert!(is_allowed(
        &Actor::system(),
        "no.such.thing",
        &Resource::system()
    ));
    assert_eq!(Actor::system().trace(), "system");
}

#[test]
fn menus_show_what_the_posts_allow() {
    let gate = gate();
    let seen = gate.may_see(&officer("clerk", "A", "321002")).unwrap();
    assert!(seen.contains("service.case.accept"));
    assert!(!seen.contains("supervise.board.read"));
    assert!(gate.may_see(&citizen()).unwrap().is_empty());
}

#[test]
fn every_unreadable_policy_file_is_reported_and_the_old_ones_stay() {
    let gate = gate();
    let findings = gate
        .load([
            ("a.cedar", "permit (princ"),
            ("b.cedar", "nonsense"),
            ("c.cedar", POLICIES),
        ])
        .unwrap_err();
    let fields: Vec<_> = findings.0.iter().map(|f| f.field.as_str()).collect();
    assert_eq!(fields, ["a.cedar", "b.cedar"]);
    assert!(gate.actions().contains(&"service.case.accept".to_owned()));
}

#[test]
fn a_region_covers_what_lies_in_it() {
    for (region, other, expected) in [
        ("320000", "321002", true),
        ("321000", "321002", true),
        ("321002", "321002", true),
        ("321002", "321000", false),
        ("321000", "320100", false),
        ("", "321000", false),
    ] {
        assert_eq!(covers(region, other), expected, "{region} {other}");
    }
}
