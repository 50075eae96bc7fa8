//! A whole run over a made-up city whose truth is known.
#![cfg(test)]

use std::collections::HashSet;

use linkage::{Model, Options, Pair, Records, Scored, clusters, explain, score, train};
use synthetic::{City, Dice, Habits, Settings, mention};

/// Records of a city met at the door, some people more than once; whom each record is about.
fn city(people: u64, seed: u64) -> (Records, Vec<u64>) {
    let mut records = Records::new(str::to_owned, synthetic::today());
    let mut truth = Vec::new();
    let mut dice = Dice::new(seed, 1);
    for person in City::new(Settings { people, seed }).flat_map(|h| h.people) {
        let times = if dice.happens(150) { 2 } else { 1 };
        for _ in 0..times {
            let told = mention(&mut dice, &person, &Habits::careless());
            let input = linkage::Input {
                number: &told.number,
                name: &told.name,
                sex: &told.sex,
                birth: &told.birth,
                phone: &told.phone,
                address: &told.address,
            };
            records.add(&format!("R{}", truth.len()), 0, &input);
            truth.push(person.index);
        }
    }
    records.finish();
    (records, truth)
}

fn run(records: &Records, options: &Options) -> (Model, Scored) {
    let model = train(records, options, &|_, _| ());
    let scored = score(records, &model, options, &|_, _| ());
    (model, scored)
}

fn share(part: usize, whole: usize) -> f64 {
    let real = |size: usize| f64::from(u32::try_from(size).unwrap());
    real(part) / real(whole)
}

/// Precision and recall at a weight.
fn quality(scored: &Scored, truth: &[u64], threshold: f64) -> (f64, f64) {
    let is_right = |pair: &Pair| truth[pair.left as usize] == truth[pair.right as usize];
    let linked: Vec<_> = scored
        .pairs
        .iter()
        .filter(|p| p.is_linked(threshold))
        .collect();
    let right = linked.iter().filter(|p| is_right(p)).count();
    let persons: HashSet<_> = truth.iter().collect();
    let all = truth.len() - persons.len();
    (share(right, linked.len()), share(right, all))
}

#[test]
fn a_city_is_linked_with_few_mistakes() {
    let (records, truth) = city(6_000, 11);
    let (model, scored) = run(&records, &Options::default());
    // One pair of 34 million / 900.
    let expected = 900.0 / (6_900.0 * 6_899.0 / 2.0);
    let ratio = model.prior / expected;
    assert!((0.6..1.4).contains(&ratio), "prior off by {ratio}");
    let (precision, recall) = quality(&scored, &truth, (0.99_f64 / 0.01).log2());
    assert!(precision > 0.97, "precision {precision}, recall {recall}");
    assert!(recall > 0.85, "precision {precision}, recall {recall}");
    // A higher threshold never loses precision by much, and never gains recall.
    let (_, less) = quality(&scored, &truth, 10.0);
    assert!(less <= recall);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (records, _) = city(1_500, 3);
    let with = |threads| {
        let options = Options {
            threads,
            ..Options::default()
        };
        run(&records, &options)
    };
    let (one, three) = (with(1), with(3));
    assert_eq!(one.0, three.0);
    assert_eq!(one.1.pairs, three.1.pairs);
    assert!(!one.1.pairs.is_empty());
    assert_eq!(one.1.candidates, three.1.candidates);
}

#[test]
fn an_explanation_adds_up_to_the_weight() {
    let (records, _) = city(1_500, 3);
    let (model, scored) = run(&records, &Options::default());
    for pair in &scored.pairs {
        let explained = explain(&records, &model, pair.left, pair.right).unwrap();
        assert!((explained.weight - pair.weight).abs() < 1e-9);
        assert_eq!(explained.is_key, pair.is_key);
        let parts: f64 = explained.parts.iter().map(|p| p.weight + p.rarity).sum();
        assert!((explained.prior + parts - explained.weight).abs() < 1e-9);
    }
    let kept = serde_json::to_string(&model).unwrap();
    assert_eq!(serde_json::from_str::<Model>(&kept).unwrap(), model);
}

#[test]
fn weights_learnt_fall_with_agreement() {
    let (records, _) = city(3_000, 5);
    let (model, _) = run(&records, &Options::default());
    for comparison in linkage::Comparison::ALL {
        let levels = comparison.levels();
        let weight = |level| model.trained(comparison, level).unwrap().weight;
        let (best, worst) = (weight(levels[0]), weight(levels[levels.len() - 1]));
        assert!(best > 0.0, "{comparison:?} same weighs {best}");
        assert!(worst < 0.0, "{comparison:?} different weighs {worst}");
        for shares in [|t: &linkage::Trained| t.m, |t: &linkage::Trained| t.u] {
            let own = model.levels.iter().filter(|t| t.comparison == comparison);
            let sum: f64 = own.map(shares).sum();
            assert!((sum - 1.0).abs() < 0.02, "{comparison:?} adds up to {sum}");
        }
    }
}

#[test]
fn two_lists_are_compared_with_each_other_only() {
    let mut records = Records::new(str::to_owned, synthetic::today());
    let people = City::new(Settings {
        people: 600,
        seed: 8,
    })
    .flat_map(|h| h.people);
    for person in people {
        for side in 0..=u8::from(person.index % 4 == 0) {
            let birth = person.birth.to_string();
            let input = linkage::Input {
                name: &person.name,
                birth: &birth,
                phone: &person.phone,
                address: &person.address,
                ..linkage::Input::default()
            };
            records.add(&format!("{side}-{}", person.index), side, &input);
        }
    }
    records.finish();
    let options = Options {
        is_between_sides: true,
        ..Options::default()
    };
    let (_, scored) = run(&records, &options);
    let linked: Vec<_> = scored.pairs.iter().filter(|p| p.is_linked(6.0)).collect();
    assert!(linked.len() >= 135, "{} of 150", linked.len());
    for pair in linked {
        let (left, right) = (records.id(pair.left), records.id(pair.right));
        assert_eq!((&left[..2], &right[..2]), ("0-", "1-"));
        assert_eq!(left[2..], right[2..]);
    }
}

#[test]
fn nothing_and_the_same_thing_over_and_over_end_well() {
    let empty = Records::new(str::to_owned, synthetic::today());
    let (_, scored) = run(&empty, &Options::default());
    assert_eq!(scored.pairs, []);
    assert_eq!(clusters(0, []), Vec::<u32>::new());
    let mut same = Records::new(str::to_owned, synthetic::today());
    for n in 0..1_200 {
        let input = linkage::Input {
            name: "张三",
            phone: "19900000000",
            ..linkage::Input::default()
        };
        same.add(&n.to_string(), 0, &input);
    }
    // A key of more records than the largest block is told as skipped, not compared for hours.
    let (model, scored) = run(&same, &Options::default());
    assert_eq!(scored.candidates, 0);
    assert_eq!(scored.skipped, 1_200 * 1_199 / 2);
    assert!(model.levels.iter().all(|t| t.weight.is_finite()));
}
