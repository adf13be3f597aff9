"""The OpenAPI document, and the running service held to it: whatever is sent, no 5xx, and answers as described."""

import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.integration.gateway.conftest import Gateway
from tests.integration.gateway.rest import RestJob

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDLESS = ["/events", "/jobs/{job_id}/events"]
"""Streams that end when the reader does; their errors are in `test_errors_of_streams_are_as_described`."""
EXAMPLES = 6
"""Of each route, right and wrong; the run is bounded, and each run tries others."""


@pytest.fixture(scope="module")
def document(rest: Gateway) -> Any:
    return httpx.get(f"{rest.public}/openapi.json").json()


@pytest.fixture
def statue(api: httpx.Client, client: httpx.Client) -> Iterator[RestJob]:
    """A job of the name that the document's examples have, in another state than waiting where it can be."""
    yield RestJob.make(api, client, name="statue")
    client.delete("/jobs/statue")


@schemathesis.serializer("application/offset+octet-stream")
def chunk(_: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def cases(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode) -> st.SearchStrategy[Case[Any]]:
    """Requests for whatever job is made up, and, except to delete it, for one that is there."""
    made_up = operation.as_strategy(generation_mode=mode)
    if "{job_id}" not in operation.path or operation.label == "DELETE /jobs/{job_id}":
        return made_up
    there = {"job_id": "statue"} | ({"upload_id": "0" * 32} if "{upload_id}" in operation.path else {})
    return st.one_of(made_up, operation.as_strategy(generation_mode=mode, path_parameters=there))


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_whatever_is_sent_the_answer_is_one_that_is_described(
    rest: Gateway, credentials: dict[str, str], statue: RestJob, mode: GenerationMode
) -> None:
    del statue
    schema = schemathesis.openapi.from_url(f"{rest.public}/openapi.json")
    operations = [found.ok() for found in schema.exclude(path=ENDLESS).get_all_operations() if isinstance(found, Ok)]
    assert len(operations) > 20
    for operation in operations:

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=cases(operation, mode))
        def is_described(case: Case[Any]) -> None:
            case.call_and_validate(headers=credentials, checks=CHECKS)

        try:
            is_described()
        except Unsatisfiable:  # a route without parameters cannot be asked wrongly
            assert mode is GenerationMode.NEGATIVE, operation.label


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/events", {"namespace": "x" * 64}, 422),
        ("/jobs/nobodys/events", {}, 404),
        ("/jobs/statue/events", {}, 422),
        ("/events", {}, 422),
    ],
)
def test_errors_of_streams_are_as_described(
    client: httpx.Client, document: Any, path: str, query: dict[str, str], status: int
) -> None:
    headers = {"Last-Event-ID": "x" * 33} if status == 422 else {}
    answer = client.get(path, params=query, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    described = document["paths"][path if path == "/events" else "/jobs/{job_id}/events"]["get"]["responses"]
    assert "application/problem+json" in described[str(status)]["content"]


def every_operation(document: Any) -> Iterator[tuple[str, Any]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"{method.upper()} {path}", operation


def test_every_route_says_what_it_is_for(document: Any) -> None:
    ids = []
    for label, operation in every_operation(document):
        assert operation["summary"], label
        assert operation["description"], label
        assert operation["tags"], label
        ids.append(operation["operationId"])
        public = label.startswith("OPTIONS") or label == "GET /api"
        assert ("security" in operation) != public, label
        assert public or "401" in operation["responses"], label
        errors = [status for status in operation["responses"] if status >= "400"]
        for status in errors:
            assert "application/problem+json" in operation["responses"][status]["content"], (label, status)
    assert len(set(ids)) == len(ids)
    assert all(id_.isidentifier() and "__" not in id_ for id_ in ids)


def test_the_document_knows_every_tag_and_reference(document: Any) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    assert {tag for _, operation in every_operation(document) for tag in operation["tags"]} == tags
    references = set(itertools.chain.from_iterable(_references(document)))
    assert {f"#/components/schemas/{name}" for name in document["components"]["schemas"]} == references
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def _references(node: Any) -> Iterator[list[str]]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield [node["$ref"]]
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)


def test_bodies_that_are_read_by_hand_are_described(document: Any) -> None:
    form = document["paths"]["/process/{job_id}"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["file"]["items"]["format"] == "binary"
    patch = document["paths"]["/jobs/{job_id}/uploads/{upload_id}"]["patch"]
    assert "application/offset+octet-stream" in patch["requestBody"]["content"]
    headers = {parameter["name"] for parameter in patch["parameters"] if parameter["in"] == "header"}
    assert headers == {"Tus-Resumable", "Upload-Offset", "Upload-Checksum"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing/here", 404), ("PUT", "/jobs", 405), ("GET", "/process/statue", 405), ("GET", "/jobs/", 404)],
)
def test_addresses_and_methods_that_there_are_not_are_problems_too(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status
    assert status != 405 or "POST" in answer.headers["allow"]
