"""From the id in an address to the job that the caller may see or change."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Path
from starlette.requests import Request

from pointcloud_gateway.access.access import Access
from pointcloud_gateway.access.identity import User
from pointcloud_gateway.api.schemas import Job
from pointcloud_gateway.api.view import Links, ParsedJob, job_view
from pointcloud_gateway.archive import Archive
from pointcloud_gateway.job_ids import JobId
from pointcloud_gateway.jobs import JobDirectory
from pointcloud_gateway.problems import JobNotFound, Problem
from pointcloud_kube.api import Json

_REMEMBERED: Final = 4096

JobIdPath = Annotated[
    str,
    Path(description="The job's name, or `<namespace>.<name>` outside the default namespace.", examples=["statue"]),
]


@dataclass(frozen=True)
class Found:
    """A job, and who asked for it."""

    user: User
    resource: Json
    parsed: ParsedJob


class Lookup:
    """Finds jobs in the cluster or, once they are gone from there, in the archive."""

    def __init__(self, jobs: JobDirectory, archive: Archive, access: Access, links: Links) -> None:
        self._jobs = jobs
        self._archive = archive
        self._access = access
        self.links = links
        self._parsed: OrderedDict[tuple[str, str], ParsedJob] = OrderedDict()

    async def seen(self, request: Request, job_id: str, verb: str = "get") -> Found:
        """A job to look at, archived ones too. Raises Problem (401, 403), JobNotFound, ClusterUnavailableError."""
        parsed_id = await self._id(request, job_id)
        user = await self._access.require(request, verb, parsed_id)
        if (resource := await self._jobs.find(parsed_id)) is not None:
            return Found(user, resource, self.parsed(resource))
        if (archived := await self._archive.find(parsed_id)) is not None:
            return Found(user, archived.resource, ParsedJob(archived.resource, archived=True))
        raise JobNotFound(job_id)

    async def changeable(self, request: Request, job_id: str, verb: str) -> Found:
        """A job of the cluster, on which the caller may `verb`.

        Raises Problem (401, 403, and 409 for an archived job), JobNotFound, ClusterUnavailableError.
        """
        parsed_id = await self._id(request, job_id)
        user = await self._access.require(request, verb, parsed_id)
        if (resource := await self._jobs.find(parsed_id)) is not None:
            return Found(user, resource, self.parsed(resource))
        if await self._archive.find(parsed_id) is not None:
            raise Problem(409, "Only the record of this job is left. Create a new one with POST /jobs.")
        raise JobNotFound(job_id)

    def parsed(self, resource: Json) -> ParsedJob:
        """A resource of the cluster, read once for each of its versions."""
        metadata = resource["metadata"]
        key = metadata["uid"], metadata["resourceVersion"]
        parsed = self._parsed.get(key)
        if parsed is None:
            parsed = self._parsed[key] = ParsedJob(resource)
            if len(self._parsed) > _REMEMBERED:
                self._parsed.popitem(last=False)
        return parsed

    def view(self, parsed: ParsedJob) -> Job:
        """The job's document as of now."""
        return job_view(parsed, links=self.links, now=datetime.now(UTC))

    async def _id(self, request: Request, text: str) -> JobId:
        try:
            return JobId.parse(text, default_namespace=self.links.default_namespace)
        except ValueError as error:
            await self._access.user(request)  # an id that nobody can have is told apart by no stranger
            raise JobNotFound(text) from error
