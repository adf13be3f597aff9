"""Photos from http(s) addresses: several downloads at once, in the order of the URLs."""

import json
import os

from pointcloud_api.stages import URLS_VARIABLE, ExitCode, IngestDocument, Reason
from pointcloud_ingest.arrivals import Arrival
from pointcloud_ingest.budget import Budget
from pointcloud_ingest.download import Downloader, public_url, web_page
from pointcloud_ingest.kinds import Kind
from pointcloud_stage import Reporter, StageContext, StageFailure
from pointcloud_stage.parallel import in_parallel
from pointcloud_stage.store import TRANSFERS

STEP = "download"


def download_urls(context: StageContext[IngestDocument], budget: Budget) -> list[Arrival]:
    """Downloads what the settings' URLs give. Raises StageFailure as `Downloader` does, and for a web page."""
    urls = _urls(context.document)
    folder = context.scratch / "arrivals"
    folder.mkdir()
    downloader = Downloader(budget)
    advance = _DownloadProgress(context.progress, len(urls))

    def download(numbered: tuple[int, str]) -> Arrival:
        number, url = numbered
        file = folder / f"{number:06}"
        arrival = Arrival(downloader.download(url, file, advance.of_one), file, public_url(url))
        size = file.stat().st_size
        print(f"{arrival.address} gave {arrival.name}, {size:,} bytes")
        if arrival.kind is Kind.WEB_PAGE:
            raise web_page(url)
        budget.take_file()
        budget.take_bytes(size)
        return arrival

    advance.finished(0)
    got: dict[int, Arrival] = {}
    for (number, _), arrival in in_parallel(download, enumerate(urls), workers=TRANSFERS):
        got[number] = arrival
        advance.finished(len(got))
    return [got[number] for number in sorted(got)]


class _DownloadProgress:
    """Bytes of a single download, or the number of finished ones of many."""

    def __init__(self, progress: Reporter, count: int) -> None:
        self._progress = progress
        self._count = count

    def of_one(self, arrived: int, expected: int | None) -> None:
        if self._count == 1:
            self._progress.update(STEP, arrived, expected, "bytes")

    def finished(self, done: int) -> None:
        if self._count > 1 or not done:
            self._progress.update(STEP, done, self._count, "files")


def _urls(document: IngestDocument) -> tuple[str, ...]:
    """The URLs, query strings and all, from beside the document."""
    urls = tuple(json.loads(os.environ.get(URLS_VARIABLE, "[]")))
    if len(urls) != len(document.settings.urls):
        raise StageFailure(
            Reason.BAD_SETTINGS,
            f"{URLS_VARIABLE} holds {len(urls)} URLs and the settings {len(document.settings.urls)}.",
            "Install the operator and the stage images of one version.",
            exit_code=ExitCode.BAD_SETTINGS,
        )
    return urls
