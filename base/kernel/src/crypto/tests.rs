//! The vectors of GB/T 32918.5, 32905 and 32907, and what both suites promise.

use super::*;

const SUITES: [&dyn Suite; 2] = [&GuoMi, &International];

/// The key pair of the signature example of GB/T 32918.5.
const EXAMPLE_D: &str = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
const EXAMPLE_POINT: &str = "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
                             ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";
const EXAMPLE_DER: &str = "3046022100f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3\
                           022100b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa";

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn example_key() -> PrivateKey {
    PrivateKey::from_sm2(&sm2::SecretKey::from_slice(&bytes(EXAMPLE_D)).unwrap()).unwrap()
}

#[test]
fn sm3_gives_the_standards_digests() {
    let repeated = "abcd".repeat(16);
    for (message, digest) in [
        (
            "",
            "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b",
        ),
        (
            "abc",
            "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
        ),
        (
            &repeated,
            "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732",
        ),
    ] {
        assert_eq!(hex::encode(sm3(message.as_bytes())), digest);
        assert_eq!(hex::encode(GuoMi.hash(message.as_bytes())), digest);
    }
}

#[test]
fn a_digest_does_not_depend_on_how_the_data_was_cut() {
    let data: Vec<u8> = (0..=255).cycle().take(1000).collect();
    for suite in SUITES {
        for size in [1, 7, 63, 64, 65, 999] {
            let mut hasher = suite.hasher();
            data.chunks(size).for_each(|piece| hasher.update(piece));
            assert_eq!(
                hasher.finish(),
                suite.hash(&data),
                "{} by {size}",
                suite.name()
            );
        }
    }
    let mut copied = Sm3::new();
    std::io::copy(&mut data.as_slice(), &mut copied).unwrap();
    assert_eq!(copied.finish(), sm3(&data));
}

#[test]
fn hmac_sm3_gives_the_reference_value_and_checks_it() {
    let message = b"The quick brown fox jumps over the lazy dog";
    let tag = bytes("bd4a34077888162b210645b8ebf74b9af357303789357a27c7fc457244ebd398");
    assert_eq!(GuoMi.hmac(b"key", message).as_slice(), tag);
    assert!(GuoMi.hmac_matches(b"key", message, &tag));
    assert!(!GuoMi.hmac_matches(b"kez", message, &tag));
    assert!(!GuoMi.hmac_matches(b"key", message, &tag[..31]));
}

#[test]
fn sm4_gives_the_standards_blocks() {
    use cbc::cipher::{BlockCipherEncrypt, KeyInit};
    let key = bytes("0123456789abcdeffedcba9876543210");
    let cipher = sm4::Sm4::new_from_slice(&key).unwrap();
    let mut block = sm4::cipher::Block::<sm4::Sm4>::try_from(key.as_slice()).unwrap();
    cipher.encrypt_block(&mut block);
    assert_eq!(hex::encode(block), "681edf34d206965e86b3e94f536e4246");
    for _ in 1..1_000_000 {
        cipher.encrypt_block(&mut block);
    }
    assert_eq!(hex::encode(block), "595298c7c6fd271f0402f804c33d3f66");
}

#[test]
fn sm4_cbc_gives_the_reference_ciphertexts() {
    let key: [u8; 16] = bytes("0123456789abcdeffedcba9876543210")
        .try_into()
        .unwrap();
    let iv: [u8; 16] = bytes("000102030405060708090a0b0c0d0e0f")
        .try_into()
        .unwrap();
    for (plain, ciphertext) in [
        (
            &key[..],
            "a9a268883a336315bac0c9c9ff350ab1e004a8baddb756f693cbc3f96c4baeae",
        ),
        (b"hello", "1342ad943c12b3c9ceb95e227b901d0b"),
    ] {
        let encrypted = GuoMi::cbc_encrypt(&key, &iv, plain).unwrap();
        assert_eq!(hex::encode(&encrypted), ciphertext);
        assert_eq!(GuoMi::cbc_decrypt(&key, &iv, &encrypted).unwrap(), plain);
    }
}

#[test]
fn the_standards_sm2_signature_verifies_and_its_neighbours_do_not() {
    let key = PublicKey::from_sm2_point(&bytes(EXAMPLE_POINT)).unwrap();
    assert_eq!(example_key().public_key(), key);
    let signature = Signature::from_der(&bytes(EXAMPLE_DER)).unwrap();
    assert_eq!(GuoMi.verify(&key, b"message digest", &signature), Ok(()));
    for message in [
        &b"message digesu"[..],
        b"Message digest",
        b"",
        b"message digest ",
    ] {
        assert_eq!(
            GuoMi.verify(&key, message, &signature),
            Err(CryptoError::Mismatch)
        );
    }
}

#[test]
fn an_sm2_signature_is_bound_to_the_signers_identity() {
    use sm2::dsa::signature::Verifier;
    let signature = Signature::from_der(&bytes(EXAMPLE_DER)).unwrap();
    let signature = sm2::dsa::Signature::from_slice(&signature.raw()).unwrap();
    for (identity, matches) in [
        (SM2_DEFAULT_ID, true),
        ("ALICE123@YAHOO.COM", false),
        ("", false),
    ] {
        let key = sm2::dsa::VerifyingKey::from_sec1_bytes(identity, &bytes(EXAMPLE_POINT)).unwrap();
        assert_eq!(
            key.verify(b"message digest", &signature).is_ok(),
            matches,
            "{identity}"
        );
    }
}

#[test]
fn the_identity_hash_of_the_standards_example_comes_out() {
    let mut z = Sm3::new();
    z.update(&[0x00, 0x80]);
    z.update(SM2_DEFAULT_ID.as_bytes());
    z.update(&bytes(
        "fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc",
    ));
    z.update(&bytes(
        "28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93",
    ));
    z.update(&bytes(
        "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7",
    ));
    z.update(&bytes(
        "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0",
    ));
    z.update(&bytes(EXAMPLE_POINT)[1..]);
    let z = z.finish();
    assert_eq!(
        hex::encode(z),
        "b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3"
    );
    let mut e = Sm3::new();
    e.update(&z);
    e.update(b"message digest");
    assert_eq!(
        hex::encode(e.finish()),
        "f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640"
    );
}

#[test]
fn der_and_raw_signatures_convert_both_ways() {
    let signature = Signature::from_der(&bytes(EXAMPLE_DER)).unwrap();
    assert_eq!(hex::encode(signature.to_der().unwrap()), EXAMPLE_DER);
    assert_eq!(Signature::from_raw(&signature.raw()).unwrap(), signature);

    let mut small = [0; 64];
    small[31] = 1;
    small[63] = 0x80;
    let small = Signature::from_raw(&small).unwrap();
    assert_eq!(hex::encode(small.to_der().unwrap()), "300702010102020080");
    assert_eq!(
        Signature::from_der(&small.to_der().unwrap()).unwrap(),
        small
    );
}

#[test]
fn malformed_signatures_are_refused() {
    let good = bytes(EXAMPLE_DER);
    let with_tail = [good.as_slice(), &[0]].concat();
    for der in [
        &good[..71],
        &with_tail,
        &bytes("30080202000102020080"), // a leading zero too many
        &bytes("3006020181020101"),     // negative
        &bytes("3003020101"),
        &[],
    ] {
        assert_eq!(Signature::from_der(der), Err(CryptoError::BadSignature));
    }
    assert_eq!(
        Signature::from_raw(&[0; 63]),
        Err(CryptoError::BadSignature)
    );
    for suite in SUITES {
        let key = suite.generate_key().unwrap().public_key();
        for raw in [[0; 64], [0xff; 64]] {
            let signature = Signature::from_raw(&raw).unwrap();
            assert_eq!(
                suite.verify(&key, b"", &signature),
                Err(CryptoError::BadSignature)
            );
        }
    }
}

#[test]
fn each_suite_signs_and_verifies_and_refuses_the_others_keys() {
    for (suite, other) in [(SUITES[0], SUITES[1]), (SUITES[1], SUITES[0])] {
        let key = suite.generate_key().unwrap();
        let signature = suite.sign(&key, b"decision").unwrap();
        assert_eq!(
            suite.verify(&key.public_key(), b"decision", &signature),
            Ok(())
        );
        let mismatch = Err(CryptoError::Mismatch);
        assert_eq!(
            suite.verify(&key.public_key(), b"decisioN", &signature),
            mismatch
        );
        let stranger = suite.generate_key().unwrap().public_key();
        assert_eq!(suite.verify(&stranger, b"decision", &signature), mismatch);
        assert_eq!(other.sign(&key, b"decision"), Err(CryptoError::WrongSuite));
        let wrong = Err(CryptoError::WrongSuite);
        assert_eq!(
            other.verify(&key.public_key(), b"decision", &signature),
            wrong
        );
        assert_eq!(super::suite(suite.name()).unwrap().name(), key.suite_name());
    }
    assert!(super::suite("rot13").is_none());
}

#[test]
fn keys_survive_being_written_to_pem() {
    for suite in SUITES {
        let key = suite.generate_key().unwrap();
        let read = PrivateKey::from_pem(&key.to_pem().unwrap()).unwrap();
        assert_eq!(read.public_key(), key.public_key());
        let public = PublicKey::from_pem(&key.public_key().to_pem().unwrap()).unwrap();
        assert_eq!(public, key.public_key());
        assert_eq!(
            PublicKey::from_der(&public.to_der().unwrap()).unwrap(),
            public
        );
        assert!(!format!("{key:?}").contains("PRIVATE"));
    }
    let rubbish = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert_eq!(
        PrivateKey::from_pem(rubbish).unwrap_err(),
        CryptoError::BadKey
    );
    assert_eq!(PrivateKey::from_pem("").unwrap_err(), CryptoError::BadKey);
    assert_eq!(
        PublicKey::from_sm2_point(&[4; 65]).unwrap_err(),
        CryptoError::BadKey
    );
}

#[test]
fn the_public_key_of_the_example_has_the_published_encoding() {
    let der = example_key().public_key().to_der().unwrap();
    let expected = format!("3059301306072a8648ce3d020106082a811ccf5501822d034200{EXAMPLE_POINT}");
    assert_eq!(hex::encode(der), expected);
}

#[test]
fn an_envelope_opens_only_whole_with_its_key_and_in_its_place() {
    for suite in SUITES {
        let key = EnvelopeKey::generate().unwrap();
        for length in [0, 1, 15, 16, 17, 1000] {
            let plain = vec![7; length];
            let envelope = suite.encrypt(&key, b"person/1/mobile", &plain).unwrap();
            assert_eq!(
                suite.decrypt(&key, b"person/1/mobile", &envelope).unwrap(),
                plain
            );
            let moved = suite.decrypt(&key, b"person/2/mobile", &envelope);
            assert_eq!(moved, Err(CryptoError::Mismatch));
            let other_key = EnvelopeKey::generate().unwrap();
            let opened = suite.decrypt(&other_key, b"person/1/mobile", &envelope);
            assert_eq!(opened, Err(CryptoError::Mismatch));
        }
        let envelope = suite.encrypt(&key, b"", b"secret").unwrap();
        for at in 0..envelope.len() {
            let mut changed = envelope.clone();
            changed[at] ^= 1;
            assert!(suite.decrypt(&key, b"", &changed).is_err(), "byte {at}");
            assert!(
                suite.decrypt(&key, b"", &envelope[..at]).is_err(),
                "cut at {at}"
            );
        }
        assert_ne!(suite.encrypt(&key, b"", b"secret").unwrap(), envelope);
    }
}

#[test]
fn flipped_bits_never_verify() {
    use rand::{RngExt, SeedableRng};
    let mut rng = rand::rngs::StdRng::seed_from_u64(20_261_122);
    for suite in SUITES {
        let key = suite.generate_key().unwrap();
        for _ in 0..40 {
            let mut message = vec![0; rng.random_range(1..200)];
            rng.fill(&mut message);
            let signature = suite.sign(&key, &message).unwrap();
            assert_eq!(
                suite.verify(&key.public_key(), &message, &signature),
                Ok(())
            );
            let mut raw = signature.raw();
            raw[rng.random_range(0..64)] ^= 1 << rng.random_range(0..8);
            let forged = Signature::from_raw(&raw).unwrap();
            assert!(suite.verify(&key.public_key(), &message, &forged).is_err());
            let at = rng.random_range(0..message.len());
            message[at] ^= 1 << rng.random_range(0..8);
            assert!(
                suite
                    .verify(&key.public_key(), &message, &signature)
                    .is_err()
            );
        }
    }
}
