use std::{path::Path, process::Command};

use credential::{certificate::act, pdf, seal::Seal};
use store::Db;

use crate::house::{House, a_firm, citizen, grant, house};

async fn a_file(house: &House) -> (String, Vec<u8>) {
    let firm = a_firm();
    let issued = house.issue(&grant(&firm, "case-1")).await.unwrap();
    house.settle().await;
    let (_, file) = act::download(&house.app, &citizen(&firm), issued.id, "")
        .await
        .unwrap();
    (issued.zzbs, file)
}

#[store::db_test(migrations = credential::foundation().migrations)]
async fn the_signature_covers_the_whole_file(db: Db) {
    let house = house(db).await;
    let (zzbs, file) = a_file(&house).await;
    let seal = Seal::open(house.key_dir(), "云港市", house.app.clock().now()).unwrap();
    assert_eq!(
        pdf::inspect(&file, &seal),
        Some(pdf::Inspection {
            is_intact: true,
            is_ours: true
        })
    );
    assert_eq!(pdf::named_identifier(&file), Some(zzbs));
    for at in [100, file.len() / 3, file.len() - 30] {
        let mut altered = file.clone();
        altered[at] ^= 1;
        assert!(
            pdf::inspect(&altered, &seal).is_none_or(|seen| !seen.is_intact),
            "byte {at}"
        );
    }
    let mut longer = file.clone();
    longer.extend_from_slice(b"% more");
    assert!(!pdf::inspect(&longer, &seal).unwrap().is_intact);
    for cut in 0..200 {
        let half = file.len() * cut / 200;
        assert!(pdf::inspect(&file[..half], &seal).is_none_or(|seen| !seen.is_intact));
    }
    // Another house's seal is not ours.
    let other = tempfile::tempdir().unwrap();
    let other = Seal::open(other.path(), "别处", house.app.clock().now()).unwrap();
    assert_eq!(
        pdf::inspect(&file, &other),
        Some(pdf::Inspection {
            is_intact: true,
            is_ours: false
        })
    );
}

#[store::db_test(migrations = credential::foundation().migrations)]
async fn poppler_and_pyhanko_find_the_signature_valid(db: Db) {
    let house = house(db).await;
    let (_, file) = a_file(&house).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certificate.pdf");
    std::fs::write(&path, &file).unwrap();
    if let Some(said) = run("pdfsig", &[path.to_str().unwrap()]) {
        assert!(
            said.contains("Signature is Valid") && said.contains("Total document signed"),
            "{said}"
        );
    }
    let root = folder.path().join("root.pem");
    std::fs::write(&root, house.root_pem()).unwrap();
    let arguments = [
        "sign",
        "validate",
        "--pretty-print",
        "--trust",
        root.to_str().unwrap(),
        path.to_str().unwrap(),
    ];
    if let Some(said) = run("pyhanko", &arguments) {
        assert!(said.contains("judged VALID"), "{said}");
    }
}

/// What a tool says; `None` where it is not installed. `make test` names the folder of the tools
/// from `PyPI` and installs all of them, so there nothing is skipped.
fn run(tool: &str, arguments: &[&str]) -> Option<String> {
    let folder = std::env::var_os("TONGBAN_TEST_PYTHON");
    let local = folder.as_ref().map(|folder| Path::new(folder).join(tool));
    let program = local
        .filter(|path| path.exists())
        .unwrap_or_else(|| tool.into());
    let Ok(output) = Command::new(program).args(arguments).output() else {
        assert!(folder.is_none(), "{tool} is not installed");
        eprintln!("skipped: {tool} is not installed");
        return None;
    };
    Some(format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}

#[test]
fn openssl_verifies_the_signature_of_metadata() {
    let keys = tempfile::tempdir().unwrap();
    let seal = Seal::open(keys.path(), "云港市", chrono::Utc::now()).unwrap();
    let message = "{\"ZZBS\":\"1.2.156.3005.2\"}";
    let signature = seal.sign_metadata(message.as_bytes()).unwrap();
    assert!(seal.has_signed(message.as_bytes(), &signature));
    assert!(!seal.has_signed(b"{}", &signature));
    let write = |name: &str, content: &[u8]| {
        let path = keys.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let public = write(
        "public.pem",
        seal.metadata_public.to_pem().unwrap().as_bytes(),
    );
    let signature = write("signature.der", &signature);
    let message = write("message", message.as_bytes());
    let arguments = [
        "dgst",
        "-sm3",
        "-verify",
        &public,
        "-sigopt",
        "distid:1234567812345678",
        "-signature",
        &signature,
        &message,
    ];
    if let Some(said) = run("openssl", &arguments) {
        assert!(said.contains("Verified OK"), "{said}");
    }
}

#[test]
fn keys_are_made_once_and_for_their_owner_alone() {
    let keys = tempfile::tempdir().unwrap();
    let now = chrono::Utc::now();
    let first = Seal::open(&keys.path().join("deep/keys"), "云港市", now).unwrap();
    let again = Seal::open(&keys.path().join("deep/keys"), "别名", now).unwrap();
    assert_eq!(first.certificate, again.certificate);
    assert_eq!(first.metadata_key_id, again.metadata_key_id);
    check_modes(&keys.path().join("deep/keys"));
}

#[cfg(unix)]
fn check_modes(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 5, "{files:?}");
    for file in files {
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o077,
            0,
            "{}",
            file.display()
        );
    }
}

#[cfg(not(unix))]
fn check_modes(_: &Path) {}

#[store::db_test(migrations = credential::foundation().migrations)]
async fn a_template_is_explained_line_by_line(db: Db) {
    let house = house(db).await;
    let credentials = house.app.part::<credential::Credentials>().unwrap();
    let now = house.app.clock().now();
    let make = async |template: &str| {
        credentials
            .document(template, serde_json::json!({"a": 1}), "示范局", "试", now)
            .await
    };
    let Err(kernel::Error::Fault(fault)) = make("ok\n\n#nonsense\n").await else {
        unreachable!()
    };
    assert!(
        fault
            .to_string()
            .contains("/main.typ:3: unknown variable: nonsense"),
        "{fault}"
    );
    let Err(kernel::Error::Fault(fault)) = make("#read(\"/etc/passwd\")").await else {
        unreachable!()
    };
    assert!(fault.to_string().contains("not found"), "{fault}");
    let notice = "#import \"/tongban/notice.typ\": *\n#notice((organ: \"示范局\", title: \"受理通知书\", number: \"1号\", \
                  to: \"张三\", paragraphs: (\"已受理。\",), remedies: (), date: \"2026-03-02\", demo: true))";
    let pdf = make(notice).await.unwrap();
    assert!(pdf.starts_with(b"%PDF-"));
}
