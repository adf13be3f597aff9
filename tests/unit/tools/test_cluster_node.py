"""What the node's parts are told fits together."""

import hashlib
import ipaddress
import json
import string
import tarfile
from pathlib import Path

import pytest
import yaml

from tools.cluster import containerd, network, pause
from tools.cluster.controlplane import SERVICE_ADDRESS, SERVICE_SUBNET
from tools.cluster.node import render_addons


def test_addresses_lie_where_their_components_look_for_them() -> None:
    services, pods = ipaddress.ip_network(SERVICE_SUBNET), ipaddress.ip_network(network.POD_SUBNET)
    assert ipaddress.ip_address(SERVICE_ADDRESS) == next(services.hosts())
    assert ipaddress.ip_address(network.DNS_ADDRESS) in services
    # Were it a pod's address, what a pod sends to the node would leave unmasked, and a pod could be given it.
    assert ipaddress.ip_address(network.NODE_ADDRESS) not in pods
    assert not services.overlaps(pods)


def test_pods_get_addresses_from_the_subnet_that_is_masqueraded() -> None:
    plugins = {plugin["type"]: plugin for plugin in json.loads(network.cni_configuration())["plugins"]}
    assert plugins["ptp"]["ipam"]["ranges"] == [[{"subnet": network.POD_SUBNET}]]
    assert plugins["portmap"]["capabilities"] == {"portMappings": True}


def test_the_addons_make_one_default_storage_class_and_a_name_service_at_the_kubelets_address() -> None:
    rendered = render_addons()
    assert not string.Template(rendered).get_identifiers()
    objects = {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(rendered)}
    assert objects["Service", "kube-dns"]["spec"]["clusterIP"] == network.DNS_ADDRESS
    assert objects["EndpointSlice", "kube-dns"]["endpoints"] == [{"addresses": [network.NODE_ADDRESS]}]
    annotations = objects["StorageClass", "standard"]["metadata"]["annotations"]
    assert annotations == {"storageclass.kubernetes.io/is-default-class": "true"}


def test_the_pause_archive_is_an_image_whose_every_digest_holds(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"\x7fELF and so on")
    pause.write_archive(tmp_path / "pause.tar", program=program, machine="x86_64")
    with tarfile.open(tmp_path / "pause.tar") as archive:
        files = {name: archive.extractfile(name).read() for name in archive.getnames()}  # type: ignore[union-attr]
    blobs = {name.removeprefix("blobs/sha256/"): content for name, content in files.items() if "/" in name}
    assert {hashlib.sha256(content).hexdigest() for content in blobs.values()} == set(blobs)

    def blob(descriptor: dict[str, str]) -> bytes:
        return blobs[descriptor["digest"].removeprefix("sha256:")]

    manifest = json.loads(blob(json.loads(files["index.json"])["manifests"][0]))
    configuration = json.loads(blob(manifest["config"]))
    assert (configuration["os"], configuration["architecture"]) == ("linux", "amd64")
    assert configuration["config"]["Entrypoint"] == ["/pause"]
    assert len(blob(manifest["layers"][0])) == manifest["layers"][0]["size"]


@pytest.mark.parametrize(
    ("file", "document"),
    [
        ("manifest.json", [{"Config": "c.json", "RepoTags": ["localhost/a:1"], "Layers": []}]),
        ("index.json", {"manifests": [{"annotations": {"org.opencontainers.image.ref.name": "localhost/a:1"}}]}),
    ],
)
def test_the_name_that_an_archive_gives_to_its_image_is_known(tmp_path: Path, file: str, document: object) -> None:
    (tmp_path / file).write_text(json.dumps(document))
    with tarfile.open(tmp_path / "image.tar", "w") as tar:
        tar.add(tmp_path / file, arcname=file)
    assert containerd.names_in(tmp_path / "image.tar") == ["localhost/a:1"]
