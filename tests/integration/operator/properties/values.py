"""Values for every property of a PointcloudJob's spec, generated from the CustomResourceDefinition's schema.

What the schema cannot say, because a rule in CEL judges it or because something of that name has to be in the cluster,
is written out here. A property for which neither is enough is refused: whoever adds one says what its values are.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any, Final

from pointcloud_api.crd import custom_resource_definition
from tests.integration.conftest import Json

Path = tuple[str, ...]
Wrong = tuple[Path, Any]

PRIORITY_CLASSES: Final = ("properties-batch", "properties-urgent")
CLAIMS: Final = ("photos", "more-photos", "other-photos")
NODE_LABELS: Final = {"disk": "fast", "zone": "a"}

WRITTEN: Final[dict[str, tuple[Any, Any]]] = {
    "source.urls": (["https://example.com/other.zip"], ["https://example.com/a.jpg", "http://example.com/b.tar.gz"]),
    "source.persistentVolumeClaim.claimName": CLAIMS[1:],
    "source.persistentVolumeClaim.path": ("brighton", "beach/2024"),
    "source.upload.revision": (2, 3),
    "source.upload.receivedAt": ("2026-05-04T12:00:00Z", "2026-05-04T13:00:00Z"),
    "stages.*.resources.limits": ({"memory": "1Gi"}, {"memory": "2Gi", "cpu": 1}),
    "stages.*.resources.requests": ({"memory": "64Mi"}, {"memory": "128Mi", "cpu": "100m"}),
    "stages.*.nodeSelector": ({"disk": "fast"}, NODE_LABELS),
    "stages.*.priorityClassName": PRIORITY_CLASSES,
    "reconstruction.exports": (["undistortedImages"], []),
    "activeDeadlineSeconds": (3600, 7200),
    "retention.*": (86_400, 172_800),
    "webhooks": ([{"url": "https://example.com/hook"}], [{"url": "http://a.example"}, {"url": "https://b.example/x"}]),
}
"""Two good values each."""

JUDGED: Final[dict[str, tuple[Any, ...]]] = {
    "source": ({}, {"urls": ["https://example.com/a.zip"], "upload": {}}, {"video": {}}),
    "source.upload": ({"revision": None},),
    "source.upload.receivedAt": ("1969-07-20T20:17:40Z", []),
    "source.urls": ([f"https://example.com/{number:02000}" for number in range(60)],),
    "source.urls.[]": ("photos.zip", "ftp://example.com/a.zip"),
    "source.persistentVolumeClaim.path": ("/brighton", "../secrets"),
    "reconstruction.exports": (["undistortedImages", "undistortedImages"],),
    "stages.*.resources.limits": ({"memory": "much"}, {"cpu": -1}),
    "stages.*.resources.requests": ({"memory": "-1Gi"}, {"cpu": "1 core"}),
    "webhooks.[].url": ("example.com/hook", "ftp://example.com"),
}
"""What rules in CEL refuse."""


@dataclass(frozen=True)
class Property:
    """A property of the spec that holds a value, with values for it."""

    path: Path
    good: tuple[Any, Any]
    wrong: tuple[Wrong, ...]
    """Each with the place that it is to be put in: this property's, one in it, or one around it."""

    def __str__(self) -> str:
        return ".".join(self.path)


def properties() -> list[Property]:
    """All of them. Raises LookupError for one that nothing here gives values for."""
    versions = custom_resource_definition()["spec"]["versions"]
    return list(_properties((), versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"], ()))


def value_at(spec: Json, path: Path) -> Any:
    """What a spec has in a place, None where it has nothing."""
    here: Any = spec
    for part in path:
        here = here.get(part) if isinstance(here, dict) else None
    return here


def with_value(spec: Json, path: Path, value: Any) -> Json:
    """The spec with another value in a place, or with none of its own if that is None."""
    changed = copy.deepcopy(spec)
    here = changed
    for part in path[:-1]:
        here = here.setdefault(part, {})
    if value is None:
        here.pop(path[-1], None)
    else:
        here[path[-1]] = copy.deepcopy(value)
    return changed


def _properties(path: Path, schema: Json, around: tuple[Wrong, ...]) -> Iterator[Property]:
    if "properties" not in schema:
        yield Property(path, _good(path, schema), (*_wrong(path, schema), *around))
        return
    judged = tuple((path, value) for value in _judged(path, schema)) if path else ()
    mistyped: tuple[Wrong, ...] = ((path, "text"),) if path else ()
    for name, inner in schema["properties"].items():
        yield from _properties((*path, name), inner, (*judged, *mistyped))


def _good(path: Path, schema: Json) -> tuple[Any, Any]:
    values: list[Any] = list(_find(WRITTEN, path) or ())
    if not values and "x-kubernetes-validations" not in schema:
        if "enum" in schema:
            values = sorted(schema["enum"], key=lambda value: value == schema.get("default"))
        elif schema["type"] == "boolean":
            values = [not schema.get("default", False), schema.get("default", False)]
        elif schema["type"] == "integer" and "maximum" in schema:
            values = [schema["minimum"], min(schema["minimum"] + 7, schema["maximum"])]
        elif schema["type"] == "string" and "maxLength" in schema:
            values = ["a", "b-1"]
    if len(values) < 2:
        raise LookupError(f"spec.{'.'.join(path)} is new: write two good values for it into {__name__}.WRITTEN")
    return values[0], values[1]


def _wrong(path: Path, schema: Json) -> Iterator[Wrong]:
    """Of the wrong type, judged so by a rule, or beyond a limit that the schema names."""
    yield path, {"string": 5, "array": "text"}.get(schema["type"], [])
    yield from ((path, value) for value in _judged(path, schema))
    yield from ((path, _BEYOND[limit](schema[limit])) for limit in _BEYOND if limit in schema)
    if schema.get("format") == "date-time":
        yield path, "yesterday"
    if "additionalProperties" in schema:
        yield path, {"name": []}
        yield path, {"name": "1" * (schema["additionalProperties"]["maxLength"] + 1)}
    if schema["type"] == "array":
        yield from _wrong_items(path, schema)


_BEYOND: Final[dict[str, Callable[[Any], Any]]] = {
    "enum": lambda _: "no-such-value",
    "minimum": lambda least: least - 1,
    "maximum": lambda most: most + 1,
    "maxLength": lambda most: "a" * (most + 1),
    "minLength": lambda least: "a" * (least - 1),
    "pattern": lambda _: "-A_",
    "maxProperties": lambda most: {f"name-{number}": "1" for number in range(most + 1)},
}
"""A value that breaks each limit of a schema."""


def _wrong_items(path: Path, schema: Json) -> Iterator[Wrong]:
    item = _good(path, schema)[0][0]
    if schema.get("minItems"):
        yield path, []
    yield path, [item] * (schema["maxItems"] + 1)
    if "properties" not in schema["items"]:
        yield from ((path, [value]) for _, value in _wrong((*path, "[]"), schema["items"]))
        return
    for name, inner in schema["items"]["properties"].items():
        yield from ((path, [{**item, name: value}]) for _, value in _wrong((*path, "[]", name), inner))


def _judged(path: Path, schema: Json) -> tuple[Any, ...]:
    judged = _find(JUDGED, path)
    if judged is None and "x-kubernetes-validations" in schema:
        raise LookupError(f"spec.{'.'.join(path)} has a rule in CEL: write what it refuses into {__name__}.JUDGED")
    return judged or ()


def _find(table: dict[str, Any], path: Path) -> Any:
    name = ".".join(path).replace("[]", "?")
    return next((value for pattern, value in table.items() if fnmatch(name, pattern.replace("[]", "?"))), None)
