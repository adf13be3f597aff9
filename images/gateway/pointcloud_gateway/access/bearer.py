"""What a request sends to say who it comes from: one parser for both ports."""

from typing import Final

from starlette.requests import HTTPConnection

MAX_CREDENTIAL_LENGTH: Final = 16_384
"""Service-account tokens have about 1,000 characters; nothing longer than this is worth a question."""


def bearer_credential(request: HTTPConnection) -> str | None:
    """What follows `Authorization: Bearer`; None where there is nothing, or more than any credential has."""
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    credential = credential.strip()
    is_one = scheme.lower() == "bearer" and 0 < len(credential) <= MAX_CREDENTIAL_LENGTH
    return credential if is_one else None
