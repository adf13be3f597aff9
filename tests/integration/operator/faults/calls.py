"""Names the operator's calls, so that the same call is found again in every run of the same kind.

A point of a run is a kind of call, such as "create jobs", and its number among the calls of that kind that the run
makes. Times, names and keys are not in it, so a point recorded in one run exists in the next.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

from pointcloud_api.names import JOB_LABEL

WRITES: Final = frozenset({"create", "update", "patch", "delete"})
_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_API: Final = re.compile(
    r"^/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<resource>[a-z]+)(?:/(?P<name>[^/]+)(?:/(?P<subresource>[a-z]+))?)?$"
)
_STORE_PREFIX: Final = "/v1/objects"
_SELECTED_JOB: Final = re.compile(rf"{re.escape(JOB_LABEL)}=([^,]+)")
_SELECTED_UID: Final = re.compile(r"involvedObject\.uid=([0-9a-f-]+)")


class Point(NamedTuple):
    """One call of a run: of its calls of that kind, the ordinal-th, counted from 1."""

    kind: str
    ordinal: int

    def __str__(self) -> str:
        return f"{self.kind} #{self.ordinal}"

    @property
    def writes(self) -> bool:
        """Whether it changes something."""
        return self.kind.partition(" ")[0] in WRITES


@dataclass(frozen=True)
class Call:
    """One request of the operator to the API server or to the store."""

    verb: str
    """get, list, watch, create, update, patch or delete, as Kubernetes calls them."""
    resource: str
    """Plural with its subresource, such as pointcloudjobs/status; "store" for the store's objects."""
    namespace: str = ""
    run: str = ""
    """Name of the PointcloudJob that it is about; empty for calls about all of them."""

    @property
    def kind(self) -> str:
        """Such as "create jobs"."""
        return f"{self.verb} {self.resource}"


def api_call(method: str, target: str, body: bytes, runs: Mapping[str, str]) -> Call:
    """Names a request to the API server.

    Args:
        method: Of HTTP.
        target: Path and query.
        body: Of the request.
        runs: The PointcloudJob's name by the uid of each of its children, for calls that name nothing else.
    """
    url = urlsplit(target)
    matched = _API.match(url.path)
    if matched is None:
        return Call(method.lower(), url.path)
    parts = matched.groupdict(default="")
    query = parse_qs(url.query)
    reading = "watch" if query.get("watch") else "get" if parts["name"] else "list"
    resource = "/".join(filter(None, (parts["resource"], parts["subresource"])))
    call = Call(_VERBS.get(method, reading), resource, parts["namespace"])
    if resource == "leases":
        return call
    return Call(call.verb, resource, call.namespace, _run(parts["name"], query, body, runs))


def store_call(method: str, target: str, body: bytes, runs: Mapping[str, str]) -> Call:
    """Names a request to the store: its objects lie at <root>/<namespace>/<name>/<uid>/…"""
    del body, runs
    url = urlsplit(target)
    prefix = parse_qs(url.query).get("prefix", [url.path.removeprefix(_STORE_PREFIX)])[0]
    parts = prefix.strip("/").split("/")
    namespace, run = parts[1:3] if len(parts) >= 3 else ("", "")
    return Call(_VERBS.get(method, "get"), "store", namespace, run)


def _run(name: str, query: Mapping[str, list[str]], body: bytes, runs: Mapping[str, str]) -> str:
    """The names of runs hold no hyphen, and the names of all their children begin with theirs and one."""
    if selected := _SELECTED_UID.search("".join(query.get("fieldSelector", ()))):
        return runs.get(selected[1], "")
    if selected := _SELECTED_JOB.search("".join(query.get("labelSelector", ()))):
        return selected[1]
    if not name and body:
        sent = json.loads(body)
        name = sent.get("involvedObject", sent.get("metadata", {})).get("name", "")
    return name.partition("-")[0]
