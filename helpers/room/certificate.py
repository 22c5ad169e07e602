"""The certificate by which browsers reach a room: made here, for one address, signed by nobody but itself.

Browsers warn of it once. Its fingerprint is what a learner compares with the one on the instructor's screen.
"""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

GOOD = timedelta(days=30)
LEFT = timedelta(days=2)  # that a certificate must still be good for, to be taken again


def make(folder, address):
    """Return the paths of a certificate for an address and of its key, which only this user can read.

    The certificate that lies in the folder is taken again while it is good, so that browsers warn once.
    """
    certificate, key = Path(folder, "room.crt"), Path(folder, "room.key")
    if not (certificate.exists() and key.exists() and is_good(read(certificate), address)):
        private = ec.generate_private_key(ec.SECP256R1())
        key.unlink(missing_ok=True)
        key.touch(mode=0o600)
        key.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        certificate.write_bytes(signed(private, address).public_bytes(serialization.Encoding.PEM))
    return certificate, key


def signed(private, address):
    """Return a certificate for a key and an address, signed by that key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"SageMaker course on {address}")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # the clock of a learner's computer may be behind
        .not_valid_after(now + GOOD)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )


def is_good(certificate, address):
    """Tell whether a certificate is for an address, and for some time to come."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    is_for = names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address(address)]
    return is_for and certificate.not_valid_after_utc > datetime.now(UTC) + LEFT


def fingerprint(path):
    """Return the SHA-256 fingerprint of a certificate as browsers show it: AB:CD:…"""
    return read(path).fingerprint(hashes.SHA256()).hex(":").upper()


def read(path):
    """Return the certificate in a file."""
    return x509.load_pem_x509_certificate(Path(path).read_bytes())
