"""The cluster's own certificate authority, the certificates its components show each other, and their kubeconfigs.

All keys are P-256: made in no time, and good for TLS and for service-account tokens alike. Who each certificate
stands for is as in https://kubernetes.io/docs/setup/best-practices/certificates/.
"""

import base64
import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID_FOR = dt.timedelta(days=3650)
_CLOCK_SKEW = dt.timedelta(hours=1)
_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class CertificateAuthority:
    """A certificate authority kept in a folder, as ``<name>.crt`` and ``<name>.key`` in PEM.

    What is there already is used as it is, so that a cluster started again is the same cluster.
    """

    directory: Path

    @property
    def certificate(self) -> Path:
        """The authority's own certificate."""
        return self.directory / "ca.crt"

    @property
    def service_account_key(self) -> Path:
        """The private key that signs service-account tokens."""
        return self.directory / "service-account.key"

    @property
    def service_account_public_key(self) -> Path:
        """The public key that checks service-account tokens."""
        return self.directory / "service-account.pub"

    def ensure(self) -> None:
        """Make what is missing of the authority and of the service accounts' key pair."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self.certificate.exists():
            key = _ensure_key(self.directory / "ca.key")
            name = _name("pointcloud-local-ca")
            builder = _builder(subject=name, issuer=name, public_key=key.public_key(), issuer_key=key.public_key())
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            builder = builder.add_extension(_SIGNS_CERTIFICATES, critical=True)
            _write(self.certificate, _pem(builder.sign(key, hashes.SHA256())))
        if not self.service_account_public_key.exists():
            public = _ensure_key(self.service_account_key).public_key()
            encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            _write(self.service_account_public_key, public.public_bytes(encoding, form))

    def issue(
        self, file: str, *, common_name: str, groups: Sequence[str] = (), hosts: Sequence[str] = ()
    ) -> tuple[Path, Path]:
        """Make a certificate for client and server use unless it is there.

        Args:
            file: Names the two files.
            common_name: The user, to the API server.
            groups: The user's groups.
            hosts: DNS names and addresses it may serve as.

        Returns:
            The certificate and its key.
        """
        certificate, key_file = self.directory / f"{file}.crt", self.directory / f"{file}.key"
        if not certificate.exists():
            authority = x509.load_pem_x509_certificate(self.certificate.read_bytes())
            authority_key = _ensure_key(self.directory / "ca.key")
            key = _ensure_key(key_file)
            usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
            subject = _name(common_name, groups)
            builder = _builder(
                subject=subject,
                issuer=authority.subject,
                public_key=key.public_key(),
                issuer_key=authority_key.public_key(),
            )
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            if hosts:
                names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
                builder = builder.add_extension(names, critical=False)
            _write(certificate, _pem(builder.sign(authority_key, hashes.SHA256())))
        return certificate, key_file

    def kubeconfig(self, file: Path, *, server: str, user: str, groups: Sequence[str] = ()) -> Path:
        """Write a self-contained kubeconfig for a user, with a certificate issued for it, and return its path."""
        certificate, key = self.issue(file.stem, common_name=user, groups=groups)
        name = "pointcloud-local"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": name, "cluster": {"server": server, "certificate-authority-data": _base64(self.certificate)}}
            ],
            "users": [
                {
                    "name": user,
                    "user": {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)},
                }
            ],
            "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
            "current-context": name,
        }
        _write(file, yaml.safe_dump(document, sort_keys=False).encode())
        return file


def _ensure_key(file: Path) -> ec.EllipticCurvePrivateKey:
    if not file.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        form, encryption = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        _write(file, key.private_bytes(serialization.Encoding.PEM, form, encryption))
    loaded = serialization.load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{file} is not an elliptic-curve key")
    return loaded


def _builder(
    *,
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
) -> x509.CertificateBuilder:
    """A certificate with the key identifiers that RFC 5280 asks for, and Python from 3.13 on with it."""
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _VALID_FOR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _name(common_name: str, groups: Sequence[str] = ()) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _base64(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def _write(file: Path, content: bytes) -> None:
    """Write whole or not at all, readable by the owner alone."""
    partial = file.with_suffix(file.suffix + ".partial")
    partial.touch(mode=0o600)
    partial.write_bytes(content)
    partial.replace(file)
