//! `openssl` reads our keys and verifies our signatures, and we its.

use std::path::Path;
use std::process::{Command, Stdio};

use kernel::crypto::{
    CryptoError, GuoMi, PrivateKey, PublicKey, SM2_DEFAULT_ID, Signature, Suite, sm3, suite,
};

const MESSAGE: &[u8] = "准予行政许可决定书".as_bytes();

/// A folder to run `openssl` in.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.0.path().join(name), content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.path().join(name)).unwrap()
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// Runs `openssl` with words separated by blanks; true if it ended well.
    fn openssl(&self, words: &str) -> bool {
        run(self.0.path(), words)
    }
}

fn run(folder: &Path, words: &str) -> bool {
    let mut command = Command::new("openssl");
    command.args(words.split(' ')).current_dir(folder);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
        .status()
        .expect("the openssl command is needed for this test")
        .success()
}

/// What a suite is called on openssl's command line.
fn digest_options(suite: &dyn Suite) -> (&'static str, String) {
    match suite.name() {
        "guomi" => ("-sm3", format!(" -sigopt distid:{SM2_DEFAULT_ID}")),
        _ => ("-sha256", String::new()),
    }
}

#[test]
fn openssl_verifies_what_we_sign() {
    for name in ["guomi", "international"] {
        let suite = suite(name).unwrap();
        let (digest, options) = digest_options(suite);
        let bench = Bench::new();
        let key = suite.generate_key().unwrap();
        let signature = suite.sign(&key, MESSAGE).unwrap();
        bench.write("msg", MESSAGE);
        bench.write("sig.der", signature.to_der().unwrap());
        bench.write("ours.pub", key.public_key().to_pem().unwrap());
        let verify = format!("dgst {digest} -verify ours.pub{options} -signature sig.der msg");
        assert!(bench.openssl(&verify), "{name}");
        bench.write("msg", b"something else");
        assert!(!bench.openssl(&verify), "{name}");
    }
}

#[test]
fn we_verify_what_openssl_signs_with_its_own_keys() {
    for (name, curve) in [("guomi", "SM2"), ("international", "P-256")] {
        let suite = suite(name).unwrap();
        let (digest, options) = digest_options(suite);
        let bench = Bench::new();
        bench.write("msg", MESSAGE);
        let generate = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:";
        assert!(bench.openssl(&format!("{generate}{curve} -out their.key")));
        assert!(bench.openssl("pkey -in their.key -pubout -out their.pub"));
        let sign = format!("dgst {digest} -sign their.key{options} -out sig.der msg");
        assert!(bench.openssl(&sign));

        let public = PublicKey::from_pem(&bench.text("their.pub")).unwrap();
        let private = PrivateKey::from_pem(&bench.text("their.key")).unwrap();
        assert_eq!(private.public_key(), public);
        let signature = Signature::from_der(&bench.read("sig.der")).unwrap();
        assert_eq!(suite.verify(&public, MESSAGE, &signature), Ok(()));
        let other = suite.verify(&public, b"something else", &signature);
        assert_eq!(other, Err(CryptoError::Mismatch));
    }
}

#[test]
fn openssl_signs_with_keys_that_we_made() {
    for name in ["guomi", "international"] {
        let suite = suite(name).unwrap();
        let (digest, options) = digest_options(suite);
        let bench = Bench::new();
        let key = suite.generate_key().unwrap();
        bench.write("msg", MESSAGE);
        bench.write("ours.key", key.to_pem().unwrap());
        let sign = format!("dgst {digest} -sign ours.key{options} -out sig.der msg");
        assert!(bench.openssl(&sign), "{name}");
        let signature = Signature::from_der(&bench.read("sig.der")).unwrap();
        assert_eq!(suite.verify(&key.public_key(), MESSAGE, &signature), Ok(()));
    }
}

#[test]
fn a_signature_that_openssl_made_without_the_identity_is_refused() {
    let bench = Bench::new();
    let key = GuoMi.generate_key().unwrap();
    bench.write("msg", MESSAGE);
    bench.write("ours.key", key.to_pem().unwrap());
    assert!(bench.openssl("dgst -sm3 -sign ours.key -out sig.der msg"));
    let signature = Signature::from_der(&bench.read("sig.der")).unwrap();
    let verified = GuoMi.verify(&key.public_key(), MESSAGE, &signature);
    assert_eq!(verified, Err(CryptoError::Mismatch));
}

#[test]
fn openssl_finds_the_same_digest() {
    let bench = Bench::new();
    let megabyte: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    bench.write("msg", &megabyte);
    assert!(bench.openssl("dgst -sm3 -binary -out digest msg"));
    assert_eq!(bench.read("digest"), sm3(&megabyte));
    assert!(bench.openssl("dgst -sm3 -hmac key -binary -out tag msg"));
    assert_eq!(bench.read("tag"), GuoMi.hmac(b"key", &megabyte));
}

#[test]
fn sm4_texts_pass_both_ways() {
    let bench = Bench::new();
    let (key, iv) = ([0x5a; 16], [0xc3; 16]);
    let options = format!("-K {} -iv {}", hex::encode(key), hex::encode(iv));
    bench.write("plain", MESSAGE);
    assert!(bench.openssl(&format!("enc -sm4-cbc {options} -in plain -out theirs")));
    assert_eq!(
        GuoMi::cbc_encrypt(&key, &iv, MESSAGE).unwrap(),
        bench.read("theirs")
    );
    bench.write("ours", GuoMi::cbc_encrypt(&key, &iv, b"reply").unwrap());
    assert!(bench.openssl(&format!("enc -d -sm4-cbc {options} -in ours -out reply")));
    assert_eq!(bench.read("reply"), b"reply");
}
