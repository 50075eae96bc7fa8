"""The peer for certificates: the same kind of page by WeasyPrint, signed by pyHanko."""

import datetime
import io
import time

from asn1crypto import keys, x509
from cryptography import x509 as certificates
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko_certvalidator.registry import SimpleCertificateStore
from weasyprint import HTML

SECONDS = 10
PAGE = """<html lang="zh"><style>
@page {{ size: A4 landscape; margin: 2cm }}
body {{ font-family: 'Noto Sans CJK SC'; border: 3px double #b08d57; padding: 1cm; text-align: center }}
h1 {{ font-size: 32pt; letter-spacing: 6pt }} td {{ padding: 4pt 12pt; text-align: left }}
</style><h1>食品经营许可证</h1><table>
<tr><td>经营者名称<td>合成餐饮店{n}<tr><td>统一社会信用代码<td>91110000123456788M
<tr><td>住所<td>云港市示范区合成路{n}号<tr><td>主体业态<td>餐饮服务经营者
<tr><td>经营项目<td>热食类食品制售<tr><td>有效期至<td>2031-11-22</table>
<p>许可证编号 JY{n:012}</p></html>"""


def signer() -> signers.SimpleSigner:
    """A signer with a key and certificate of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = certificates.Name([certificates.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        certificates.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(certificates.random_serial_number())
        .not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return signers.SimpleSigner(
        signing_cert=x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER)),
        signing_key=keys.PrivateKeyInfo.load(private),
        cert_registry=SimpleCertificateStore(),
    )


def per_second() -> float:
    """Certificates a second, one after another."""
    who = signer()
    meta = signers.PdfSignatureMetadata(field_name="Seal")
    begin = time.monotonic()
    made = 0
    while time.monotonic() - begin < SECONDS:
        page = HTML(string=PAGE.format(n=made)).write_pdf()
        signers.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(page)), meta, signer=who)
        made += 1
    return made / (time.monotonic() - begin)
