"""Generates the CustomResourceDefinition from the models: `python -m pointcloud_api.crd` prints it as JSON.

Kubernetes wants a *structural* schema: no references, a type everywhere, no null. Pydantic writes JSON schema with
references and unions with null; this module turns the one into the other, and nothing else.
"""

import json
import sys
from typing import Any

from pointcloud_api.names import GROUP, KIND, PLURAL, VERSION
from pointcloud_api.resource import PRINTER_COLUMNS, PointcloudJob, PointcloudJobSpec, PointcloudJobStatus

Schema = dict[str, Any]

_KEPT = {
    "type", "description", "properties", "required", "items", "additionalProperties", "enum", "default",
    "format", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
    "maxProperties", "anyOf",
}  # fmt: skip


def _structural(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    schema = _resolve(schema, definitions)
    out = {k: v for k, v in schema.items() if k in _KEPT or k.startswith("x-kubernetes-")}
    if isinstance(default := out.get("default"), dict):
        out["default"] = {k: v for k, v in default.items() if v is not None}
    elif "default" in out and default is None:
        del out["default"]
    if "const" in schema:
        out.setdefault("enum", [schema["const"]])
    if out.get("x-kubernetes-int-or-string"):
        return out
    if "properties" in out:
        out["properties"] = {k: _structural(v, definitions) for k, v in out["properties"].items()}
    elif out.get("additionalProperties") is True:
        out.pop("additionalProperties")
        out["x-kubernetes-preserve-unknown-fields"] = True
    elif isinstance(out.get("additionalProperties"), dict):
        out["additionalProperties"] = _structural(out["additionalProperties"], definitions)
    if "items" in out:
        out["items"] = _structural(out["items"], definitions)
    return out


def _resolve(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """Replaces a reference by what it names and `X or null` by X; the outer description and default win."""
    outer = {k: v for k, v in schema.items() if k not in {"$ref", "anyOf"}}
    if "$ref" in schema:
        inner = definitions[schema["$ref"].removeprefix("#/$defs/")]
    elif "anyOf" in schema and not schema.get("x-kubernetes-int-or-string"):
        alternatives = [a for a in schema["anyOf"] if a.get("type") != "null"]
        if len(alternatives) != 1:
            msg = f"not structural: a union of {len(alternatives)} types in {schema}"
            raise ValueError(msg)
        inner = alternatives[0]
    else:
        return schema
    return {**_resolve(inner, definitions), **outer}


def _schema_of(model: type[PointcloudJobSpec | PointcloudJobStatus], *, defaults: bool) -> Schema:
    raw = model.model_json_schema(by_alias=True, mode="validation")
    schema = _structural(raw, raw.get("$defs", {}))
    return schema if defaults else _without_defaults(schema)


def _without_defaults(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {k: _without_defaults(v) for k, v in schema.items() if k != "default" or isinstance(v, dict)}
    return [_without_defaults(v) for v in schema] if isinstance(schema, list) else schema


def custom_resource_definition() -> dict[str, Any]:
    """The CustomResourceDefinition as a plain dict, ready to be written as JSON or YAML."""
    validations = PointcloudJob.model_json_schema()["x-kubernetes-validations"]
    schema = {
        "type": "object",
        "description": PointcloudJob.__doc__,
        "required": ["spec"],
        "x-kubernetes-validations": validations,
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _schema_of(PointcloudJobSpec, defaults=True),
            "status": _schema_of(PointcloudJobStatus, defaults=False),
        },
    }
    columns = [
        {"name": name, "type": kind, "jsonPath": path, "priority": priority}
        for name, kind, path, priority in PRINTER_COLUMNS
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["pcj"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": columns,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


if __name__ == "__main__":
    json.dump(custom_resource_definition(), sys.stdout, indent=2)
    sys.stdout.write("\n")
