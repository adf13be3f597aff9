"""Documents as answers, written by pydantic straight into JSON: FastAPI would validate each once more."""

from collections.abc import Mapping

from starlette.responses import Response

from pointcloud_gateway.api.schemas import Schema


def json_answer(document: Schema, status: int = 200, *, headers: Mapping[str, str] | None = None) -> Response:
    """The document as the body of an answer."""
    return Response(document.model_dump_json(), status, headers, media_type="application/json")
