"""Reads stages' results from the store service, for when a termination message was lost with its pod."""

from pathlib import Path

import aiohttp
from pydantic import ValidationError

from pointcloud_api.stages import StageResult
from pointcloud_operator.model.observed import Absent, StoreAnswer, Unavailable

REQUEST_SECONDS = 10


class Store:
    """The store service, as the operator's service account sees it: read-only.

    Args:
        url: Base URL of the service.
        token_file: Projected token of the store's audience. The kubelet renews it, so it is read each time.
    """

    def __init__(self, url: str, token_file: Path) -> None:
        self._url = url
        self._token_file = token_file

    async def result(self, path: str) -> StoreAnswer:
        """The result at a path; an answer that is no result counts as no answer."""
        try:
            token = self._token_file.read_text().strip()
            timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
            headers = {"Authorization": f"Bearer {token}"}
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
                session.get(f"{self._url}/v1/objects/{path}") as response,
            ):
                if response.status == 404:
                    return Absent()
                if response.status != 200:
                    return Unavailable(f"the store at {self._url} answers {response.status} {response.reason}")
                return StageResult.model_validate_json(await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Unavailable(f"the store at {self._url} does not answer: {error or type(error).__name__}")
        except ValidationError:
            return Unavailable(f"the store's {path} is not a result that this version understands")
