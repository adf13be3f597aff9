"""The files of a multipart/form-data body, as events, while it streams by."""

from collections.abc import AsyncIterator
from typing import Final

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from pointcloud_gateway.problems import Problem
from pointcloud_gateway.uploads.filenames import decoded

FIELD: Final = "file"
_MAX_BOUNDARY: Final = 256
_OTHER_FIELDS: Final = 100


def boundary_of(content_type: str) -> str:
    """What separates the fields, from a Content-Type. Raises Problem: 422, 415 or 400."""
    if not content_type:
        raise no_file()
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data":
        raise Problem(415, f"Send the files as multipart/form-data in the field {FIELD!r}, not as {kind!r}.")
    boundary: str = options.get("boundary", "")
    if not 0 < len(boundary) <= _MAX_BOUNDARY:
        raise Problem(400, "The Content-Type names no usable boundary; let your HTTP library write that header.")
    return boundary


async def file_events(
    boundary: str, body: AsyncIterator[bytes], *, max_files: int
) -> AsyncIterator[str | bytes | None]:
    """For each file its name, its bytes in pieces, then None. Other fields are passed over.

    Raises Problem (400) for what is no form, and what `body` raises.
    """
    # latin-1 keeps the bytes of a file name as they are, so that one that is not UTF-8 is still a name.
    parser = PushMultipartParser(boundary, max_segment_count=max_files + _OTHER_FIELDS, header_charset="latin-1")
    wanted = False
    try:
        async for piece in body:
            for event in parser.parse(piece):
                if isinstance(event, MultipartSegment):
                    wanted = event.name == FIELD
                    if wanted:
                        yield _name_of(event)
                elif wanted:
                    yield event
        parser.close()
    except MultipartError as error:
        raise Problem(400, f"The body is not the form that its Content-Type announces: {error}.") from error


def no_file() -> Problem:
    """The answer to a form without a file."""
    detail = f"The form has no file in the field {FIELD!r}; with curl: -F {FIELD}=@photos.zip"
    return Problem(422, detail, extensions={"errors": [{"field": FIELD, "detail": "missing"}]})


def _name_of(segment: MultipartSegment) -> str:
    if segment.filename is None:
        raise Problem(
            400, f"The field {FIELD!r} carries no file name, so it is no file; with curl: -F {FIELD}=@photo.jpg"
        )
    return decoded(segment.filename.encode("latin-1"))
