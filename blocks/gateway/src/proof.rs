//! What is signed of a call, and how: one signature for all statements that wait.
//!
//! A signature costs more than the rest of a small call. Statements that are made while a signature
//! is under way are therefore signed together: they are the leaves of a hash tree, the root is
//! signed, and each statement takes its path to the root along. A statement that waits for nobody
//! is a tree of one leaf, so nothing waits for a clock.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    thread,
};

use kernel::{
    Fault,
    crypto::{CryptoError, PrivateKey, PublicKey, Signature, Suite, suite},
};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

/// Which message of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The hub asks the provider's node.
    Request,
    /// The provider's node answers.
    Answer,
    /// The hub hands over to the consumer.
    Delivery,
}

/// What its sender says of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    pub call: String,
    pub side: Side,
    /// `hub`, or the code of a node.
    pub from: String,
    /// Digest of the message's head, hexadecimal.
    pub head: String,
    /// Digest of its body.
    pub body: String,
    pub bytes: u64,
    /// Microseconds.
    pub at: i64,
    /// Microseconds that the department's API took to begin its answer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub api_us: u64,
    /// Microseconds that the node took in all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub node_us: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A statement as it is kept: its text, its way to the root, the root's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// JSON of a [`Statement`], exactly as it was signed.
    pub text: String,
    /// Hashes on the way up, `<` for one at the left and `>` for one at the right.
    pub path: Vec<String>,
    /// DER, hexadecimal.
    pub signature: String,
}

/// Nobody stands for the statement.
#[derive(Debug, thiserror::Error)]
#[error("the statement is not proven")]
pub struct Unproven;

type Hash = [u8; 32];

fn leaf(suite: &dyn Suite, text: &str) -> Hash {
    let mut hasher = suite.hasher();
    hasher.update(b"\0tongban gateway 1: statement\n");
    hasher.update(text.as_bytes());
    hasher.finish()
}

fn above(suite: &dyn Suite, left: &Hash, right: &Hash) -> Hash {
    let mut hasher = suite.hasher();
    hasher.update(b"\x01");
    hasher.update(left);
    hasher.update(right);
    hasher.finish()
}

fn covered(root: &Hash) -> Vec<u8> {
    format!("tongban gateway 1: root\n{}", hex::encode(root)).into_bytes()
}

impl Proof {
    /// The root that the path leads to.
    fn root(&self, suite: &dyn Suite) -> Result<Hash, Unproven> {
        let mut hash = leaf(suite, &self.text);
        for step in &self.path {
            let (at_left, other) = match (step.strip_prefix('<'), step.strip_prefix('>')) {
                (Some(other), _) => (true, other),
                (_, Some(other)) => (false, other),
                _ => return Err(Unproven),
            };
            let other: Hash = hex::decode(other)
                .ok()
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or(Unproven)?;
            hash = if at_left {
                above(suite, &other, &hash)
            } else {
                above(suite, &hash, &other)
            };
        }
        Ok(hash)
    }

    /// What is said, if that key stands for it.
    pub fn open(&self, key: &PublicKey) -> Result<Statement, Unproven> {
        let suite = suite(key.suite_name()).ok_or(Unproven)?;
        let root = self.root(suite)?;
        self.check(suite, key, &root)?;
        serde_json::from_str(&self.text).map_err(|_| Unproven)
    }

    fn check(&self, suite: &dyn Suite, key: &PublicKey, root: &Hash) -> Result<(), Unproven> {
        let der = hex::decode(&self.signature).map_err(|_| Unproven)?;
        let signature = Signature::from_der(&der).map_err(|_| Unproven)?;
        suite
            .verify(key, &covered(root), &signature)
            .map_err(|_| Unproven)
    }
}

/// Roots that were found genuine are not checked again; this many are remembered.
const REMEMBERED: usize = 8192;

/// Checks proofs of one key. A root that many statements share is checked once.
pub struct Verifier {
    key: PublicKey,
    suite: &'static dyn Suite,
    genuine: Mutex<HashSet<(Hash, String)>>,
}

impl Verifier {
    pub fn of(key: PublicKey) -> Result<Self, Fault> {
        let suite = suite(key.suite_name()).ok_or_else(|| Fault::new("unknown suite"))?;
        Ok(Self {
            key,
            suite,
            genuine: Mutex::default(),
        })
    }

    pub fn suite(&self) -> &'static dyn Suite {
        self.suite
    }

    pub fn open(&self, proof: &Proof) -> Result<Statement, Unproven> {
        let root = proof.root(self.suite)?;
        let known = (root, proof.signature.clone());
        let is_known = self.genuine().contains(&known);
        if !is_known {
            proof.check(self.suite, &self.key, &root)?;
            let mut genuine = self.genuine();
            if genuine.len() >= REMEMBERED {
                genuine.clear();
            }
            genuine.insert(known);
        }
        serde_json::from_str(&proof.text).map_err(|_| Unproven)
    }

    fn genuine(&self) -> std::sync::MutexGuard<'_, HashSet<(Hash, String)>> {
        self.genuine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Statements under one signature at the most.
const TOGETHER: usize = 256;

struct Waiting {
    text: String,
    answer: oneshot::Sender<Result<Proof, CryptoError>>,
}

/// Signs statements with one key, on a thread of its own that ends with this.
pub struct Signer {
    queue: mpsc::UnboundedSender<Waiting>,
    suite: &'static dyn Suite,
}

impl Signer {
    pub fn start(key: PrivateKey) -> Result<Self, Fault> {
        let suite = suite(key.suite_name()).ok_or_else(|| Fault::new("unknown suite"))?;
        let (queue, mut waiting) = mpsc::unbounded_channel::<Waiting>();
        thread::Builder::new()
            .name("gateway-signer".into())
            .spawn(move || {
                while let Some(first) = waiting.blocking_recv() {
                    let mut batch = vec![first];
                    while batch.len() < TOGETHER
                        && let Ok(next) = waiting.try_recv()
                    {
                        batch.push(next);
                    }
                    sign(suite, &key, batch);
                }
            })
            .map_err(|e| Fault::caused_by("start the signer", e))?;
        Ok(Self { queue, suite })
    }

    pub fn suite(&self) -> &'static dyn Suite {
        self.suite
    }

    pub async fn sign(&self, statement: &Statement) -> Result<Proof, Fault> {
        let text = serde_json::to_string(statement)
            .map_err(|e| Fault::caused_by("write a statement", e))?;
        let (answer, signed) = oneshot::channel();
        let gone = || Fault::new("the signer has ended");
        self.queue
            .send(Waiting { text, answer })
            .map_err(|_| gone())?;
        let signed = signed.await.map_err(|_| gone())?;
        signed.map_err(|e| Fault::caused_by("sign a statement", e))
    }
}

fn sign(suite: &dyn Suite, key: &PrivateKey, batch: Vec<Waiting>) {
    let leaves = batch.iter().map(|w| leaf(suite, &w.text)).collect();
    let (root, paths) = tree(suite, leaves);
    let signature = suite
        .sign(key, &covered(&root))
        .and_then(|signature| signature.to_der())
        .map(hex::encode);
    for (waiting, path) in batch.into_iter().zip(paths) {
        let proof = signature.clone().map(|signature| Proof {
            text: waiting.text,
            path,
            signature,
        });
        // Who went away needs no proof.
        drop(waiting.answer.send(proof));
    }
}

/// The root over all leaves, and each leaf's way up. A hash without a partner goes up as it is.
fn tree(suite: &dyn Suite, leaves: Vec<Hash>) -> (Hash, Vec<Vec<String>>) {
    let mut paths = vec![Vec::new(); leaves.len()];
    // Where each leaf's branch stands on this level.
    let mut places: Vec<usize> = (0..leaves.len()).collect();
    let mut level = leaves;
    while level.len() > 1 {
        for (path, place) in paths.iter_mut().zip(&mut places) {
            let other = *place ^ 1;
            if let Some(hash) = level.get(other) {
                let side = if other < *place { '<' } else { '>' };
                path.push(format!("{side}{}", hex::encode(hash)));
            }
            *place /= 2;
        }
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => above(suite, left, right),
                [alone] => *alone,
                _ => Hash::default(),
            })
            .collect();
    }
    (level.first().copied().unwrap_or_default(), paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::crypto::{GuoMi, International};

    fn statement(number: u64) -> Statement {
        Statement {
            call: format!("c{number}"),
            side: Side::Answer,
            from: "n".into(),
            head: "h".into(),
            body: "b".into(),
            bytes: number,
            at: 1,
            api_us: 0,
            node_us: 0,
        }
    }

    #[test]
    fn each_leaf_of_a_tree_leads_to_its_root() {
        for count in [1, 2, 3, 5, 8, 13] {
            let texts: Vec<String> = (0..count).map(|n| format!("t{n}")).collect();
            let leaves = texts.iter().map(|t| leaf(&GuoMi, t)).collect();
            let (root, paths) = tree(&GuoMi, leaves);
            for (text, path) in texts.into_iter().zip(paths) {
                let signature = String::new();
                let proof = Proof {
                    text,
                    path,
                    signature,
                };
                assert_eq!(proof.root(&GuoMi).unwrap(), root, "{count}");
            }
        }
    }

    #[tokio::test]
    async fn statements_are_proven_together_and_one_by_one() {
        for suite in [&GuoMi as &dyn Suite, &International] {
            let key = suite.generate_key().unwrap();
            let public = key.public_key();
            let verifier = Verifier::of(public.clone()).unwrap();
            let signer = Signer::start(key).unwrap();
            let statements: Vec<_> = (0..40).map(statement).collect();
            let proofs =
                futures::future::try_join_all(statements.iter().map(|s| signer.sign(s))).await;
            let proofs = proofs.unwrap();
            assert!(proofs.iter().any(|proof| !proof.path.is_empty()));
            for (proof, statement) in proofs.iter().zip(&statements) {
                assert_eq!(proof.open(&public).unwrap(), *statement);
                assert_eq!(verifier.open(proof).unwrap(), *statement);
                let mut altered = proof.clone();
                altered.text = altered.text.replace("\"b\"", "\"x\"");
                assert!(altered.open(&public).is_err());
                assert!(verifier.open(&altered).is_err());
            }
            let other = suite.generate_key().unwrap().public_key();
            assert!(proofs[0].open(&other).is_err());
        }
    }
}
