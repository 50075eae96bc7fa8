//! Cities as files and the linking of tables, by the executable itself.

use std::{
    collections::HashMap,
    path::Path,
    process::{Command, Output},
};

fn tongban(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tongban"))
        .args(arguments)
        .output()
        .unwrap()
}

/// The lines of a CSV file after its head; no cell of these files holds a comma.
fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let cells = |line: &str| line.split(',').map(str::to_owned).collect();
    text.lines().skip(1).map(cells).collect()
}

#[test]
fn a_made_up_city_is_written_and_its_people_are_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (city, found) = (path("city"), path("found"));
    let (city, found) = (city.to_str().unwrap(), found.to_str().unwrap());
    let made = tongban(&["demo-data", "--people", "1000", "--out", city]);
    assert!(made.status.success(), "{made:?}");
    let community = format!("{city}/community.csv");
    let linked = tongban(&["link", &community, "--out", found, "--json"]);
    assert!(linked.status.success(), "{linked:?}");
    let report: serde_json::Value = serde_json::from_slice(&linked.stdout).unwrap();
    let truth: HashMap<String, String> = rows(&path("city/truth.csv"))
        .into_iter()
        .filter(|row| row[0] == "community")
        .map(|row| {
            let number: u32 = row[1].parse().unwrap();
            (format!("C{number:09}"), row[2].clone())
        })
        .collect();
    assert_eq!(report["records"], truth.len());
    let clusters = rows(&path("found/clusters.csv"));
    assert_eq!(clusters.len(), truth.len());
    let joined: Vec<_> = clusters.iter().filter(|row| row[0] != row[1]).collect();
    let right = joined.iter().filter(|row| truth[&row[0]] == truth[&row[1]]);
    let right = right.count();
    let twice = truth.len() - 1000;
    assert!(
        right * 100 >= joined.len() * 97,
        "{right} of {}",
        joined.len()
    );
    assert!(right * 100 >= twice * 90, "{right} of {twice}");
    assert!(path("found/model.json").exists());
}

#[test]
fn what_cannot_be_linked_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("list.csv");
    std::fs::write(&file, "a,b\n1,2\n").unwrap();
    let file = file.to_str().unwrap();
    let out = folder.path().join("out");
    let out = out.to_str().unwrap();
    let says = |more: &[&str], words: &str| {
        let ended = tongban(&[&["link", file, "--out", out], more].concat());
        assert!(!ended.status.success());
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(said.contains(words), "{said}");
    };
    says(&[], "no column tells the id");
    says(&["--columns", "id=a,nickname=b"], "use one of id, number");
    says(&["--columns", "id=a", "--link-from", "1"], "no probability");
    assert!(!folder.path().join("out").exists(), "nothing was written");
}
