"""The OpenAPI document: what FastAPI cannot know of the routes, and the same of all."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from pointcloud_api import __version__
from pointcloud_gateway.api.schemas import InvalidRequest, ProblemDocument
from pointcloud_gateway.api.tus_openapi import document_uploads
from pointcloud_gateway.problems import MEDIA_TYPE

Document = dict[str, Any]
Responses = dict[int | str, Document]
"""By status, as FastAPI takes them."""

PUBLIC: Final = {"x-public": True}
"""As `openapi_extra` of a route that asks for no credentials."""

_DESCRIPTION: Final = """Photos in, a 3D point cloud in the browser out.

Create a job, send it photos, archives or videos, and follow it until `potree_url` leads to the point cloud:

    curl -H "Authorization: Bearer $TOKEN" -d '{"name": "statue"}' -H 'Content-Type: application/json' $GATEWAY/jobs
    curl -H "Authorization: Bearer $TOKEN" -F file=@photos.zip $GATEWAY/process/statue
    curl -H "Authorization: Bearer $TOKEN" $GATEWAY/job/statue

Jobs are PointcloudJobs of the Kubernetes cluster, and its RBAC says who may see, create, change and delete them.
Errors are problem documents (RFC 9457) that say what to do next.
"""
_TAGS: Final = (
    ("Upload and ask", "Two endpoints are enough to get from photos to a point cloud."),
    ("Jobs", "Create, find, steer and delete jobs."),
    ("Uploads", "Large files over bad networks, by the tus protocol: what has arrived stays."),
    ("Following", "What happens to a job, as it happens."),
    ("Install", "What this install is, and who is calling."),
)
_MEANINGS: Final = {
    400: "The request cannot be understood",
    401: "The credentials are missing, expired or wrong",
    403: "The caller may see this and not do it",
    404: "There is none, or it is not the caller's to see",
    405: "The address does not take this method",
    408: "The request takes too long",
    409: "The job's state stands against it",
    410: "It was there once",
    412: "Another version of the protocol is spoken here",
    413: "More is sent than is allowed",
    415: "The body is of another type than is taken here",
    422: "A part of the request cannot be so",
    460: "What arrived is not what the checksum says",
    429: "Too many requests; `Retry-After` says when to come back",
    500: "A defect of the gateway",
    503: "Something needed does not answer; `Retry-After` says when to try again",
    507: "The store is full",
}
_ANYWHERE: Final = (400, 422, 429, 500, 503)


def problems(*statuses: int) -> Responses:
    """Problem documents as the responses of a route."""
    return {status: _response(status) for status in statuses}


def openapi_document(app: FastAPI) -> Document:
    """The document, made once and kept with the application."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=__version__,
            summary="Upload photos, watch, open the result",
            description=_DESCRIPTION,
            routes=app.routes,
            tags=[{"name": name, "description": description} for name, description in _TAGS],
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        )
        _complete(document)
        app.openapi_schema = document
    return app.openapi_schema


def _complete(document: Document) -> None:
    components = document["components"]
    for model in (ProblemDocument, InvalidRequest):
        components["schemas"] |= _definitions(model)
    for frameworks_own in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(frameworks_own, None)
    components["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key, or a Kubernetes token: `kubectl create token <service account> "
            "--audience pointcloud-gateway`.",
        }
    }
    document_uploads(document["paths"], _response)
    for path in document["paths"].values():
        for operation in path.values():
            _complete_operation(operation)


def _complete_operation(operation: Document) -> None:
    responses = operation["responses"]
    statuses = set(_ANYWHERE)
    if not operation.pop("x-public", False):
        operation["security"] = [{"bearer": []}]
        statuses |= {401, 404}
    for status in statuses:
        own = responses.get(str(status))
        if own is None or status == 422:
            responses[str(status)] = _response(status)
        else:
            own.setdefault("content", {}).update(_response(status)["content"])
    operation["responses"] = dict(sorted(responses.items()))


def _response(status: int) -> Document:
    model = InvalidRequest if status == 422 else ProblemDocument
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"description": _MEANINGS[status], "content": {MEDIA_TYPE: {"schema": schema}}}


def _definitions(model: type[BaseModel]) -> Document:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), model.__name__: schema}
