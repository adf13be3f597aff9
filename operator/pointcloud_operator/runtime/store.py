"""Asks the store service for stages' results, when a termination message was lost, and to remove what is not needed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from pydantic import BaseModel, ValidationError

from pointcloud_api.stages import StageResult
from pointcloud_operator.model.observed import Absent, Fact, StoreAnswer, Unavailable

REQUEST_SECONDS = 10


class _Refusal(BaseModel):
    """The body of whatever the store answers that is not what was asked for."""

    reason: str
    message: str


class Store:
    """The store service, as the operator's service account sees it: it reads everything, and removes folders.

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
            async with self._session() as session, session.get(f"{self._url}/v1/objects/{path}") as response:
                if response.status == 404:
                    return Absent()
                if response.status != 200:
                    return Unavailable(f"the store at {self._url} answers {response.status} {response.reason}")
                return StageResult.model_validate_json(await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Unavailable(self._silence(error))
        except ValidationError:
            return Unavailable(f"the store's {path} is not a result that this version understands")

    async def erase(self, prefix: str) -> Fact | None:
        """Remove the folder of a job or of a key, named without a slash at its end, with all below it.

        Returns None once it is gone, else why it is not. What the store cannot remove within some seconds it goes on
        with when it is asked again.
        """
        asked = f"{self._url}/v1/objects"
        try:
            async with self._session() as session, session.delete(asked, params={"prefix": f"{prefix}/"}) as response:
                if response.status == 204:
                    return None
                refusal = _Refusal.model_validate_json(await response.read())
                return Fact(refusal.reason, f"the store at {self._url} answers {response.status}: {refusal.message}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Fact("StoreUnavailable", self._silence(error))
        except ValidationError:
            return Fact("StoreUnavailable", f"the store at {self._url} answers {response.status} {response.reason}")

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        headers = {"Authorization": f"Bearer {self._token_file.read_text().strip()}"}
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
            yield session

    def _silence(self, error: Exception) -> str:
        return f"the store at {self._url} does not answer: {error or type(error).__name__}"
