"""What the OpenAPI document says of resumable uploads: tus lives in headers, which its routes read by hand."""

from collections.abc import Callable
from typing import Any, Final

Document = dict[str, Any]

_COLLECTION: Final = "/jobs/{job_id}/uploads"
_ONE: Final = "/jobs/{job_id}/uploads/{upload_id}"
_ABOUT: Final = "What of tus this service knows"


def _header(name: str, description: str, *, required: bool = True, **schema: Any) -> Document:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": {"type": "string", **schema},
    }


def _body(description: str, *, required: bool) -> Document:
    bytes_schema = {"schema": {"type": "string", "format": "binary"}}
    return {
        "description": description,
        "required": required,
        "content": {"application/offset+octet-stream": bytes_schema},
    }


_VERSION: Final = _header("Tus-Resumable", "The protocol's version.", enum=["1.0.0"])
_CHECKSUM: Final = _header(
    "Upload-Checksum",
    "Name and Base64 of a hash of the body; then it has at most 4 MiB.",
    required=False,
    examples=["sha256 ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="],
)
_LENGTH: Final = _header("Upload-Length", "Bytes of the file.", pattern="^[0-9]{1,18}$", examples=["1048576"])
_METADATA: Final = _header(
    "Upload-Metadata",
    "`filename` and the file's name in Base64, separated by a space.",
    examples=["filename c3RhdHVlLmpwZw=="],
)
_OFFSET: Final = _header(
    "Upload-Offset", "Where the body belongs in the file.", pattern="^[0-9]{1,18}$", examples=["0"]
)

_OPERATIONS: Final[dict[tuple[str, str], Document]] = {
    (_COLLECTION, "options"): {"operationId": "describeUploads", "summary": _ABOUT, "x-public": True},
    (_COLLECTION, "post"): {
        "operationId": "createUpload",
        "summary": "Begin a resumable upload",
        "parameters": [_VERSION, _LENGTH, _METADATA],
        "requestBody": _body("The first bytes of the file, if they are to come with this request.", required=False),
    },
    (_ONE, "options"): {"operationId": "describeUpload", "summary": _ABOUT, "x-public": True},
    (_ONE, "head"): {
        "operationId": "getUploadOffset",
        "summary": "How much of a file has arrived",
        "parameters": [_VERSION],
    },
    (_ONE, "patch"): {
        "operationId": "appendToUpload",
        "summary": "Send more of a file",
        "parameters": [_VERSION, _OFFSET, _CHECKSUM],
        "requestBody": _body("What follows in the file.", required=True),
    },
    (_ONE, "delete"): {
        "operationId": "deleteUpload",
        "summary": "Give a resumable upload up",
        "parameters": [_VERSION],
    },
}
"""By path and method: what is added to what FastAPI says."""

_STATUSES: Final = (403, 404, 408, 409, 410, 412, 413, 415, 460, 507)


def document_uploads(paths: Document, problem: Callable[[int], Document]) -> None:
    """Complete the operations in place; `problem` is the response of a status."""
    for (path, method), more in _OPERATIONS.items():
        operation = paths[path][method]
        operation["parameters"] = [*operation.get("parameters", []), *more.get("parameters", [])]
        operation |= {key: value for key, value in more.items() if key != "parameters"}
        operation["responses"] |= {str(status): problem(status) for status in _STATUSES}
        operation["tags"] = ["Uploads"]
