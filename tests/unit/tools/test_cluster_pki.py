"""The cluster's certificates say who they are for, and stay what they are."""

import contextlib
import ssl
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from tools.cluster.pki import CertificateAuthority


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    authority = CertificateAuthority(tmp_path / "pki")
    authority.ensure()
    return authority


def test_a_certificate_is_signed_by_the_authority_for_its_user_groups_and_hosts(
    authority: CertificateAuthority,
) -> None:
    file, _ = authority.issue("node", common_name="system:node:a", groups=["system:nodes"], hosts=["a", "10.0.0.1"])
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate.read_bytes()))
    subject = certificate.subject
    assert [item.value for item in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["system:node:a"]
    assert [item.value for item in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["system:nodes"]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]


def test_a_cluster_started_again_keeps_its_keys(authority: CertificateAuthority) -> None:
    authority.issue("admin", common_name="admin")
    before = {file: file.read_bytes() for file in authority.directory.iterdir()}
    authority.ensure()
    authority.issue("admin", common_name="admin")
    assert {file: file.read_bytes() for file in authority.directory.iterdir()} == before


def test_keys_are_their_owners_alone(authority: CertificateAuthority) -> None:
    readable = [file.name for file in authority.directory.iterdir() if file.stat().st_mode & 0o077]
    assert readable == []


def test_a_kubeconfig_refers_to_no_other_file(authority: CertificateAuthority, tmp_path: Path) -> None:
    file = authority.kubeconfig(tmp_path / "kubeconfig", server="https://127.0.0.1:1", user="admin")
    document = yaml.safe_load(file.read_text())
    assert set(document["users"][0]["user"]) == {"client-certificate-data", "client-key-data"}
    assert set(document["clusters"][0]["cluster"]) == {"server", "certificate-authority-data"}
    assert str(tmp_path) not in file.read_text()


def test_the_strict_checks_of_python_3_13_accept_a_servers_certificate(authority: CertificateAuthority) -> None:
    certificate, key = authority.issue("server", common_name="server", hosts=["kubernetes"])
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    asking = ssl.create_default_context(cafile=str(authority.certificate))
    asking.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(to_client, to_server, server_hostname="kubernetes")
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert client.version() == "TLSv1.3"
