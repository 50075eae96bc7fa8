//! Signatures in PDF files: detached CMS over everything but the signature itself, appended as an
//! incremental update, as ISO 32000-1 §12.8 and ETSI EN 319 142 (profile B-B) describe.
//!
//! Signs what our own typesetter writes: one classic cross-reference table or stream, catalog and
//! pages as plain objects. Reading for verification takes files from anywhere and never panics.

use chrono::{DateTime, Utc};
use cms::{
    builder::{SignedDataBuilder, SignerInfoBuilder},
    cert::{CertificateChoices, IssuerAndSerialNumber},
    content_info::ContentInfo,
    signed_data::{EncapsulatedContentInfo, SignedData, SignerIdentifier},
};
use der::{
    Any, Decode, Encode, Sequence,
    asn1::{ObjectIdentifier, OctetString, SetOfVec},
    oid::db::{rfc5911, rfc5912},
};
use kernel::Fault;
use p256::ecdsa::{DerSignature, VerifyingKey, signature::Verifier};
use sha2::{Digest, Sha256};
use x509_cert::{
    attr::Attribute,
    spki::{AlgorithmIdentifierOwned, DecodePublicKey},
};

use crate::seal::Seal;

/// Bytes kept for the signature; ours needs about 2,200.
const RESERVED: usize = 8192;
/// Attribute that ties the signature to the signer's certificate (RFC 5035).
const SIGNING_CERTIFICATE_V2: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

/// What the signature says besides its proof.
#[derive(Clone, Debug)]
pub struct Statement<'a> {
    /// The organ that seals.
    pub organ: &'a str,
    /// Why: `证照标识 …`.
    pub reason: &'a str,
    pub at: DateTime<Utc>,
}

/// The file with a signature appended.
pub fn sign(pdf: &[u8], seal: &Seal, statement: &Statement<'_>) -> Result<Vec<u8>, Fault> {
    let mut draft = Draft::of(pdf, statement)?;
    let digest = draft.digest();
    let cms = signed_data(seal, &digest)?;
    draft.fill(&cms)?;
    Ok(draft.bytes)
}

/// A file whose signature is still zeros.
struct Draft {
    bytes: Vec<u8>,
    /// Where `<` and, one past, `>` of the signature stand.
    hole: (usize, usize),
}

impl Draft {
    fn of(pdf: &[u8], statement: &Statement<'_>) -> Result<Self, Fault> {
        let file = Layout::read(pdf)?;
        let first = file.size;
        let (signature, field) = (first, first + 1);
        let mut bytes = pdf.to_vec();
        if bytes.last() != Some(&b'\n') {
            bytes.push(b'\n');
        }
        let mut offsets = Vec::new();
        let catalog = with_entry(
            &file.catalog,
            &format!("/AcroForm<</Fields[{field} 0 R]/SigFlags 3>>"),
        )?;
        let page = with_annotation(&file.page, field)?;
        append(&mut bytes, &mut offsets, file.catalog_id, &catalog);
        append(&mut bytes, &mut offsets, file.page_id, &page);
        let widget = format!(
            "<</Type/Annot/Subtype/Widget/FT/Sig/T(Seal)/F 132/Rect[0 0 0 0]/P {} 0 R/V {signature} 0 R>>",
            file.page_id
        );
        append(&mut bytes, &mut offsets, field, widget.as_bytes());
        let (head, tail) = signature_dictionary(statement);
        let start = bytes.len();
        offsets.push((signature, start));
        bytes.extend_from_slice(format!("{signature} 0 obj\n{head}").as_bytes());
        let range_at = bytes.len();
        bytes.extend_from_slice(range_text([0; 4]).as_bytes());
        bytes.extend_from_slice(b"/Contents ");
        let opens = bytes.len();
        bytes.push(b'<');
        bytes.resize(bytes.len() + RESERVED * 2, b'0');
        bytes.push(b'>');
        let closes = bytes.len();
        bytes.extend_from_slice(tail.as_bytes());
        bytes.extend_from_slice(b"\nendobj\n");
        offsets.sort_unstable();
        file.finish(&mut bytes, &offsets, first + 2);
        let range = range_text([0, opens, closes, bytes.len() - closes]);
        let place = bytes.get_mut(range_at..range_at + range.len());
        place
            .ok_or_else(|| Fault::new("the signature has no place"))?
            .copy_from_slice(range.as_bytes());
        Ok(Self {
            bytes,
            hole: (opens, closes),
        })
    }

    fn digest(&self) -> [u8; 32] {
        let (opens, closes) = self.hole;
        let mut hasher = Sha256::new();
        hasher.update(self.bytes.get(..opens).unwrap_or_default());
        hasher.update(self.bytes.get(closes..).unwrap_or_default());
        hasher.finalize().into()
    }

    fn fill(&mut self, cms: &[u8]) -> Result<(), Fault> {
        let text = hex::encode(cms);
        let start = self.hole.0 + 1;
        let place = self.bytes.get_mut(start..start + text.len());
        if text.len() > RESERVED * 2 {
            return Err(Fault::new("the signature is longer than its place"));
        }
        place
            .ok_or_else(|| Fault::new("the signature has no place"))?
            .copy_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Always the same length, so that it can be written over.
fn range_text(range: [usize; 4]) -> String {
    let [a, b, c, d] = range;
    format!("/ByteRange[{a:010} {b:010} {c:010} {d:010}]")
}

fn signature_dictionary(statement: &Statement<'_>) -> (String, String) {
    let at = statement.at.format("D:%Y%m%d%H%M%SZ");
    let head = "<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached".to_owned();
    let tail = format!(
        "/M({at})/Name{}/Reason{}>>",
        text(statement.organ),
        text(statement.reason)
    );
    (head, tail)
}

/// A PDF text string in UTF-16, as hexadecimal.
fn text(words: &str) -> String {
    let mut bytes = vec![0xfe, 0xff];
    bytes.extend(words.encode_utf16().flat_map(u16::to_be_bytes));
    format!("<{}>", hex::encode(bytes))
}

fn append(bytes: &mut Vec<u8>, offsets: &mut Vec<(usize, usize)>, id: usize, object: &[u8]) {
    offsets.push((id, bytes.len()));
    bytes.extend_from_slice(format!("{id} 0 obj\n").as_bytes());
    bytes.extend_from_slice(object);
    bytes.extend_from_slice(b"\nendobj\n");
}

/// The dictionary with one more entry before its end.
fn with_entry(dictionary: &[u8], entry: &str) -> Result<Vec<u8>, Fault> {
    let end =
        rfind(dictionary, b">>").ok_or_else(|| Fault::new("a PDF object without dictionary"))?;
    let mut changed = dictionary.get(..end).unwrap_or_default().to_vec();
    changed.extend_from_slice(entry.as_bytes());
    changed.extend_from_slice(dictionary.get(end..).unwrap_or_default());
    Ok(changed)
}

/// The page with one more annotation.
fn with_annotation(page: &[u8], field: usize) -> Result<Vec<u8>, Fault> {
    let Some(at) = find(page, b"/Annots", 0) else {
        return with_entry(page, &format!("/Annots[{field} 0 R]"));
    };
    let opens =
        find(page, b"[", at).ok_or_else(|| Fault::new("annotations are not a plain list"))?;
    let mut changed = page.get(..=opens).unwrap_or_default().to_vec();
    changed.extend_from_slice(format!("{field} 0 R ").as_bytes());
    changed.extend_from_slice(page.get(opens + 1..).unwrap_or_default());
    Ok(changed)
}

/// What must be known of a file to append to it.
struct Layout {
    /// Number of the first free object.
    size: usize,
    catalog_id: usize,
    catalog: Vec<u8>,
    page_id: usize,
    page: Vec<u8>,
    /// Where the newest cross-reference section begins.
    xref: usize,
    is_table: bool,
    /// `/Info …` and `/ID …` of the trailer, kept for the new one.
    kept: String,
}

impl Layout {
    fn read(pdf: &[u8]) -> Result<Self, Fault> {
        let lost = |what: &str| Fault::new(format!("PDF without {what}"));
        let xref = rfind(pdf, b"startxref")
            .and_then(|at| number_after(pdf, at + 9))
            .ok_or_else(|| lost("startxref"))?;
        let section = pdf.get(xref..).ok_or_else(|| lost("cross-reference"))?;
        let is_table = section.starts_with(b"xref");
        let trailer_at = if is_table {
            find(section, b"trailer", 0)
        } else {
            find(section, b"<<", 0)
        };
        let trailer = section
            .get(trailer_at.ok_or_else(|| lost("trailer"))?..)
            .unwrap_or_default();
        let end = find(trailer, b"startxref", 0).or_else(|| find(trailer, b"stream", 0));
        let trailer = trailer
            .get(..end.unwrap_or(trailer.len()))
            .unwrap_or_default();
        let size = value_of(trailer, b"/Size").ok_or_else(|| lost("/Size"))?;
        let catalog_id = value_of(trailer, b"/Root").ok_or_else(|| lost("/Root"))?;
        let catalog = object(pdf, catalog_id).ok_or_else(|| lost("catalog"))?;
        let mut page_id = value_of(&catalog, b"/Pages").ok_or_else(|| lost("/Pages"))?;
        let mut page = object(pdf, page_id).ok_or_else(|| lost("pages"))?;
        // Page trees are shallow; the bound keeps a malicious circle from turning for ever.
        for _ in 0..32 {
            let Some(kids) = find(&page, b"/Kids", 0) else {
                break;
            };
            let opens = find(&page, b"[", kids).ok_or_else(|| lost("/Kids"))?;
            page_id = number_after(&page, opens + 1).ok_or_else(|| lost("/Kids"))?;
            page = object(pdf, page_id).ok_or_else(|| lost("first page"))?;
        }
        Ok(Self {
            size,
            catalog_id,
            catalog,
            page_id,
            page,
            xref,
            is_table,
            kept: kept(trailer),
        })
    }

    /// Writes the new cross-reference section in the manner of the old one.
    fn finish(&self, bytes: &mut Vec<u8>, offsets: &[(usize, usize)], size: usize) {
        let at = bytes.len();
        let Self {
            catalog_id,
            xref,
            kept,
            ..
        } = self;
        if self.is_table {
            bytes.extend_from_slice(b"xref\n");
            for (id, offset) in offsets {
                bytes.extend_from_slice(format!("{id} 1\n{offset:010} 00000 n \n").as_bytes());
            }
            let trailer =
                format!("trailer\n<</Size {size}/Root {catalog_id} 0 R/Prev {xref}{kept}>>\n");
            bytes.extend_from_slice(trailer.as_bytes());
        } else {
            let mut all = offsets.to_vec();
            all.push((size, at));
            let index: Vec<_> = all.iter().map(|(id, _)| format!("{id} 1")).collect();
            let rows: Vec<u8> = all
                .iter()
                .flat_map(|(_, offset)| {
                    let [.., a, b, c, d] = offset.to_be_bytes();
                    [1, a, b, c, d, 0]
                })
                .collect();
            let head = format!(
                "{size} 0 obj\n<</Type/XRef/Size {}/Root {catalog_id} 0 R/Prev {xref}{kept}/Index[{}]/W[1 4 1]/Length {}>>stream\n",
                size + 1,
                index.join(" "),
                rows.len()
            );
            bytes.extend_from_slice(head.as_bytes());
            bytes.extend_from_slice(&rows);
            bytes.extend_from_slice(b"\nendstream\nendobj\n");
        }
        bytes.extend_from_slice(format!("startxref\n{at}\n%%EOF\n").as_bytes());
    }
}

/// `/Info n 0 R` and `/ID […]` of a trailer.
fn kept(trailer: &[u8]) -> String {
    let info = value_of(trailer, b"/Info");
    let mut kept = info.map_or_else(String::new, |info| format!("/Info {info} 0 R"));
    let id = find(trailer, b"/ID", 0).and_then(|at| {
        let end = find(trailer, b"]", at)?;
        trailer.get(at..=end)
    });
    // Identifiers are byte strings and stay as they are only when they are plain text.
    if let Some(id) = id.and_then(|id| std::str::from_utf8(id).ok()) {
        kept.push_str(id);
    }
    kept
}

/// The text of object `id 0` between `obj` and `endobj`.
fn object(pdf: &[u8], id: usize) -> Option<Vec<u8>> {
    let head = format!("{id} 0 obj");
    let mut from = 0;
    loop {
        let at = find(pdf, head.as_bytes(), from)?;
        let is_start = at == 0 || pdf.get(at - 1).is_some_and(u8::is_ascii_whitespace);
        if is_start {
            let start = at + head.len();
            let end = find(pdf, b"endobj", start)?;
            return pdf.get(start..end).map(<[u8]>::to_vec);
        }
        from = at + 1;
    }
}

fn value_of(dictionary: &[u8], key: &[u8]) -> Option<usize> {
    number_after(dictionary, find(dictionary, key, 0)? + key.len())
}

fn number_after(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let digits: String = rest
        .iter()
        .skip_while(|b| b.is_ascii_whitespace())
        .take_while(|b| b.is_ascii_digit())
        .map(|b| char::from(*b))
        .collect();
    digits.parse().ok()
}

fn find(bytes: &[u8], what: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(what.len())
        .position(|part| part == what)
        .map(|at| at + from)
}

fn rfind(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).rposition(|part| part == what)
}

#[derive(Sequence)]
struct CertificateHash {
    hash: OctetString,
}

#[derive(Sequence)]
struct CertificateHashes {
    certificates: Vec<CertificateHash>,
}

fn signed_data(seal: &Seal, digest: &[u8; 32]) -> Result<Vec<u8>, Fault> {
    build_signed_data(seal, digest).map_err(|e| Fault::caused_by("sign the PDF", e))
}

fn build_signed_data(seal: &Seal, digest: &[u8; 32]) -> Result<Vec<u8>, cms::builder::Error> {
    let sha256 = AlgorithmIdentifierOwned {
        oid: rfc5912::ID_SHA_256,
        parameters: None,
    };
    let content = EncapsulatedContentInfo {
        econtent_type: rfc5911::ID_DATA,
        econtent: None,
    };
    let tbs = seal.certificate.tbs_certificate();
    let signer = SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
        issuer: tbs.issuer().clone(),
        serial_number: tbs.serial_number().clone(),
    });
    let mut info = SignerInfoBuilder::new(signer, sha256.clone(), &content, Some(digest))?;
    info.add_signed_attribute(signing_certificate(seal)?)?;
    // A PAdES signature tells its time in the dictionary's /M only; the profile forbids a second
    // one inside the CMS.
    let mut data = SignedDataBuilder::new(&content);
    data.add_digest_algorithm(sha256)?
        .add_certificate(CertificateChoices::Certificate(seal.certificate.clone()))?
        .add_certificate(CertificateChoices::Certificate(seal.root.clone()))?
        .add_signer_info::<_, DerSignature>(info, &seal.key)?;
    Ok(data.build()?.to_der()?)
}

fn signing_certificate(seal: &Seal) -> Result<Attribute, der::Error> {
    let hash = Sha256::digest(seal.certificate.to_der()?);
    let hashes = CertificateHashes {
        certificates: vec![CertificateHash {
            hash: OctetString::new(hash.as_slice())?,
        }],
    };
    let mut values = SetOfVec::new();
    values.insert(Any::encode_from(&hashes)?)?;
    Ok(Attribute {
        oid: SIGNING_CERTIFICATE_V2,
        values,
    })
}

/// What a file's last signature says, whoever made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The signature covers the whole file, and fits it and the certificate inside.
    pub is_intact: bool,
    /// The certificate inside is this house's.
    pub is_ours: bool,
}

/// Looks at the last signature of a PDF; `None` if there is none that can be read.
pub fn inspect(pdf: &[u8], seal: &Seal) -> Option<Inspection> {
    let (range, cms) = last_signature(pdf)?;
    let [start, opens, closes, rest] = range;
    let covers_all = start == 0 && closes.checked_add(rest)? == pdf.len() && opens < closes;
    let mut hasher = Sha256::new();
    hasher.update(pdf.get(..opens)?);
    hasher.update(pdf.get(closes..)?);
    let digest: [u8; 32] = hasher.finalize().into();
    let content = ContentInfo::from_der(&cms).ok()?;
    let signed = content.content.decode_as::<SignedData>().ok()?;
    let is_ours = signed.certificates.as_ref()?.0.iter().any(
        |choice| matches!(choice, CertificateChoices::Certificate(certificate) if *certificate == seal.certificate),
    );
    Some(Inspection {
        is_intact: covers_all && fits(&signed, &digest),
        is_ours,
    })
}

/// Whether the first signer's attributes name this digest and are signed by the certificate.
fn fits(signed: &SignedData, digest: &[u8; 32]) -> bool {
    let check = || {
        let info = signed.signer_infos.0.iter().next()?;
        let SignerIdentifier::IssuerAndSerialNumber(id) = &info.sid else {
            return None;
        };
        let certificate =
            signed
                .certificates
                .as_ref()?
                .0
                .iter()
                .find_map(|choice| match choice {
                    CertificateChoices::Certificate(c)
                        if *c.tbs_certificate().serial_number() == id.serial_number =>
                    {
                        Some(c)
                    }
                    _ => None,
                })?;
        let attributes = info.signed_attrs.as_ref()?;
        let named = attributes
            .iter()
            .find(|a| a.oid == rfc5911::ID_MESSAGE_DIGEST)?;
        let named = named
            .values
            .iter()
            .next()?
            .decode_as::<OctetString>()
            .ok()?;
        if named.as_bytes() != digest {
            return None;
        }
        let public = certificate
            .tbs_certificate()
            .subject_public_key_info()
            .to_der()
            .ok()?;
        let key = VerifyingKey::from(p256::PublicKey::from_public_key_der(&public).ok()?);
        let signature = DerSignature::from_bytes(info.signature.as_bytes()).ok()?;
        key.verify(&attributes.to_der().ok()?, &signature).ok()
    };
    check().is_some()
}

/// The certificate identifier that the reason of a file's last signature names.
pub fn named_identifier(pdf: &[u8]) -> Option<String> {
    let at = rfind(pdf, b"/Reason<")? + b"/Reason<".len();
    let end = find(pdf, b">", at)?;
    let bytes = hex::decode(pdf.get(at..end)?).ok()?;
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)))
        .collect();
    let words = String::from_utf16(&units).ok()?;
    let at = words.find(kernel::code::certificate::ROOT)?;
    let named = words.get(at..)?.split_whitespace().next()?;
    kernel::code::certificate::parse(named)
        .ok()
        .map(|id| id.to_string())
}

/// The byte range and CMS of the last signature.
fn last_signature(pdf: &[u8]) -> Option<([usize; 4], Vec<u8>)> {
    let at = rfind(pdf, b"/ByteRange")?;
    let opens = find(pdf, b"[", at)?;
    let closes = find(pdf, b"]", opens)?;
    let words = std::str::from_utf8(pdf.get(opens + 1..closes)?).ok()?;
    let numbers: Vec<usize> = words
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let &[a, b, c, d] = numbers.as_slice() else {
        return None;
    };
    let contents = pdf.get(b.checked_add(1)?..c.checked_sub(1)?)?;
    let mut cms = hex::decode(contents).ok()?;
    // Behind the DER there are the zeros of the place that was kept.
    let length = der_length(&cms)?;
    cms.truncate(length);
    Some(([a, b, c, d], cms))
}

/// How many bytes a DER value takes, head included.
fn der_length(bytes: &[u8]) -> Option<usize> {
    let &[_, first, ..] = bytes else { return None };
    if first < 0x80 {
        return Some(2 + usize::from(first));
    }
    let count = usize::from(first & 0x7f);
    let digits = bytes.get(2..2 + count)?;
    if count > 4 {
        return None;
    }
    let length = digits
        .iter()
        .fold(0_usize, |sum, b| (sum << 8) | usize::from(*b));
    Some(2 + count + length)
}
