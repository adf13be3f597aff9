"""Removes uploads that nobody continues, and what a killed process left of forms."""

import asyncio
import logging
from datetime import timedelta
from typing import Final

from pointcloud_api.names import StageName
from pointcloud_gateway.objects import Objects
from pointcloud_gateway.settings import Settings
from pointcloud_gateway.uploads.layout import Layout
from pointcloud_gateway.uploads.records import Records
from pointcloud_gateway.uploads.storage import UploadStore, now

_EVERY_SECONDS: Final = 3600
_GRACE: Final = timedelta(minutes=10)
"""Beyond the expiry, from which on nobody may continue an upload: what began before has ended."""
_log = logging.getLogger(__name__)


async def run(objects: Objects, records: Records, settings: Settings) -> None:
    """Sweep once an hour until cancelled. Several replicas may do so at once."""
    while True:
        try:
            await sweep(objects, records, idle=timedelta(seconds=settings.upload_expiry_seconds) + _GRACE)
        except Exception:  # noqa: BLE001 - whatever it is, uploads go on
            _log.exception("expired uploads could not be removed; the next try is in an hour")
        await asyncio.sleep(_EVERY_SECONDS)


async def sweep(objects: Objects, records: Records, *, idle: timedelta) -> int:
    """Remove all uploads of which nothing has arrived for `idle` and that no record names; says how many."""
    removed = 0
    for namespace in await objects.folders(StageName.INGEST.root):
        for name in await objects.folders(namespace):
            for job in await objects.folders(name):
                removed += await _sweep_job(objects, records, Layout.below(job), idle)
    return removed


async def _sweep_job(objects: Objects, records: Records, layout: Layout, idle: timedelta) -> int:
    store = UploadStore(objects)
    expired = await store.unheard_since(layout, now() - idle)
    if not expired:
        return 0
    mentioned = await records.mentioned(layout)
    await store.close(layout, *mentioned.intersection(expired))
    unwanted = set(expired) - mentioned
    for upload_id in unwanted:
        await store.forget(layout, upload_id)
    return len(unwanted)
