"""What the gateway consists of, put together in one place: nothing else makes these objects but tests."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from pointcloud_gateway.access.access import Access
from pointcloud_gateway.access.api_keys import ApiKeys
from pointcloud_gateway.access.grants import Grants
from pointcloud_gateway.api.lookup import Lookup
from pointcloud_gateway.api.pods import PodLogs
from pointcloud_gateway.api.streams import Streams
from pointcloud_gateway.api.view import Links
from pointcloud_gateway.archive import Archive
from pointcloud_gateway.archivist import Archivist
from pointcloud_gateway.cluster import Cluster
from pointcloud_gateway.database import Database
from pointcloud_gateway.jobs import JobDirectory
from pointcloud_gateway.objects import Objects
from pointcloud_gateway.processing import Processing
from pointcloud_gateway.settings import Settings
from pointcloud_gateway.uploads import janitor
from pointcloud_gateway.uploads.records import Records
from pointcloud_gateway.uploads.uploads import Uploads
from pointcloud_gateway.webhooks.webhooks import Webhooks
from pointcloud_kube.api import ApiServer


@dataclass(frozen=True)
class Foundation:
    """What the process has before it knows its archive; the store service needs no more."""

    settings: Settings
    objects: Objects
    api: ApiServer
    cluster: Cluster
    jobs: JobDirectory
    stopping: asyncio.Event
    """Set when the process is to end."""


@dataclass(frozen=True)
class Services:
    """What the application of the public port rests on."""

    base: Foundation
    access: Access
    grants: Grants
    archive: Archive
    records: Records
    uploads: Uploads
    webhooks: Webhooks
    lookup: Lookup
    streams: Streams
    pod_logs: PodLogs | None


async def services(base: Foundation, database: Database) -> Services:
    """All of it. Raises what the store raises, which may hold the signing key."""
    settings = base.settings
    archive = Archive(database)
    grants = await Grants.open(base.objects, settings.signing_key)
    keys = ApiKeys(settings.api_keys)
    access = Access(base.cluster, api_keys=keys, default_namespace=settings.default_namespace)
    records = Records(base.objects)
    lookup = Lookup(base.jobs, archive, access, _links(settings, grants))
    return Services(
        base=base,
        access=access,
        grants=grants,
        archive=archive,
        records=records,
        uploads=Uploads(base.objects, records, _processing(base, records, archive), settings, base.stopping),
        webhooks=Webhooks(database, grants.webhook_secret, settings),
        lookup=lookup,
        streams=Streams(base.jobs, lookup, base.stopping),
        pod_logs=PodLogs(base.api, base.stopping) if settings.live_logs else None,
    )


def background(all_of: Services) -> dict[str, Coroutine[Any, Any, None]]:
    """What works beside the requests, by what it does; none of it ends before the process does."""
    base = all_of.base
    return {
        "watching PointcloudJobs": base.jobs.run(),
        "telling streams of changes": all_of.streams.run(),
        "keeping the archive": Archivist(base.jobs, all_of.archive, base.objects, all_of.webhooks).run(),
        "sending webhooks": all_of.webhooks.run(),
        "removing expired uploads": janitor.run(base.objects, all_of.records, base.settings),
    }


def _links(settings: Settings, grants: Grants) -> Links:
    return Links(
        external_url=settings.external_url,
        default_namespace=settings.default_namespace,
        anonymous_viewing=settings.anonymous_viewing,
        grants=grants,
    )


def _processing(base: Foundation, records: Records, archive: Archive) -> Processing:
    return Processing(
        records,
        base.cluster,
        base.jobs,
        default_namespace=base.settings.default_namespace,
        on_received=archive.record_uploads,
    )
