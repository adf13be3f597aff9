"""The manifests that people apply are accepted by an API server, as they lie in the repository."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pointcloud_api.names import API_VERSION, KIND, PLURAL
from tests.integration.conftest import Api, Namespace

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = sorted((ROOT / "manifests/examples").glob("*.yaml"))
KINDS = {
    (API_VERSION, KIND): (f"/apis/{API_VERSION}", PLURAL),
    ("v1", "Pod"): ("/api/v1", "pods"),
    ("v1", "PersistentVolumeClaim"): ("/api/v1", "persistentvolumeclaims"),
}


def documents(file: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(file.read_text()) if document]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_is_accepted_where_pod_security_is_restricted(api: Api, namespace: Namespace, file: Path) -> None:
    labels = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    api.patch(f"/api/v1/namespaces/{namespace.name}", labels)
    for document in documents(file):
        group, plural = KINDS[document["apiVersion"], document["kind"]]
        # Strict: a misspelled field is an error, not a field that is dropped.
        api.post(namespace.path(group, plural) + "?fieldValidation=Strict", document)


def test_there_is_an_example_of_each_source() -> None:
    sources = {
        source
        for file in EXAMPLES
        for document in documents(file)
        if document["kind"] == KIND
        for source in document["spec"]["source"]
    }
    assert sources == {"urls", "persistentVolumeClaim", "upload"}
