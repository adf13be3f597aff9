"""The CustomResourceDefinition: structural, small, and what the models say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pointcloud_api.crd import custom_resource_definition
from tools import generate

Schema = dict[str, Any]


def schema() -> Schema:
    version: Schema = custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return version


def nodes(node: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema below and including this one, with its path."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from nodes(node[key], f"{path}[]")


@pytest.mark.parametrize("path", generate.GENERATED, ids=str)
def test_generated_files_are_what_is_committed(path: Path) -> None:
    assert path.read_text() == generate.GENERATED[path](), "run `make crds` and commit the result"


def test_it_is_small_enough_for_kubectl_apply() -> None:
    assert len(yaml.safe_dump(custom_resource_definition())) < 100_000


def test_every_node_is_structural() -> None:
    for path, node in nodes(schema()):
        assert "type" in node or node.get("x-kubernetes-int-or-string"), path
        assert "$ref" not in node, path
        assert node.get("type") != "number", f"{path}: no floats in the Kubernetes API"


def test_every_field_that_a_user_writes_is_described() -> None:
    undocumented = [
        path
        for path, node in nodes(schema()["properties"]["spec"], "spec")
        if "description" not in node and not path.endswith("[]")
    ]
    assert undocumented == []


def test_strings_and_lists_that_a_user_writes_are_bounded() -> None:
    for path, node in nodes(schema()["properties"]["spec"], "spec"):
        if node.get("type") == "array":
            assert "maxItems" in node, path
        if node.get("type") == "string":
            assert {"maxLength", "enum"} & node.keys() or node.get("format") == "date-time", path
        if "additionalProperties" in node:
            assert "maxProperties" in node, path


def test_no_word_that_a_user_writes_reads_as_a_boolean() -> None:
    for path, node in nodes(schema()["properties"]["spec"], "spec"):
        for word in node.get("enum", []):
            assert isinstance(yaml.safe_load(str(word)), str), path


def test_every_rule_says_what_to_write_instead() -> None:
    rules = [rule for _, node in nodes(schema()) for rule in node.get("x-kubernetes-validations", [])]
    assert len(rules) >= 5
    assert all(len(rule["message"]) > 30 for rule in rules)
