"""The ingest stage as a pod runs it: a process of its own, against a real store, from real servers and folders."""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from pointcloud_api.names import upload_records_prefix, uploads_prefix
from pointcloud_api.stages import (
    PHOTO_MANIFEST,
    ExitCode,
    IngestDocument,
    IngestLimits,
    IngestSettings,
    PhotoManifest,
    Reason,
    UploadedFile,
    UploadPart,
    UploadRecord,
)
from pointcloud_stage.store import sha256_of
from tests.fixtures.stages import StageRun, run_stage
from tests.fixtures.store import StoreServer
from tests.fixtures.videos import Film, film
from tests.fixtures.web import WebServer, run_web, status

JOB = {"namespace": "photos", "name": "beach", "uid": "u1"}
PART_BYTES = 3000


def photo(seed: int, kind: str = "JPEG") -> bytes:
    """A small photo, of other contents for each seed, with a camera's name in its EXIF."""
    image = Image.radial_gradient("L").resize((320, 200 + seed)).convert("RGB")
    exif = Image.Exif()
    exif[0x0110] = "Box Brownie"
    out = io.BytesIO()
    image.save(out, kind, exif=exif)
    return out.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return out.getvalue()


def tar_of(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as packed:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Ingest:
    """Runs the stage on a claim's folder or on what a web server gives."""

    def __init__(self, store: StoreServer, web: WebServer, tmp_path: Path) -> None:
        self.store = store
        self.web = web
        self.tmp_path = tmp_path
        self.limits = IngestLimits(allow_private_addresses=True)

    def claim(self, files: dict[str, bytes], path: str = "") -> StageRun:
        folder = self.tmp_path / "claim"
        folder.mkdir()
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        return self.run(IngestSettings(claim_name="photos", path=path), source=folder)

    def urls(self, files: dict[str, bytes], *, query: str = "") -> StageRun:
        def answer(handler: BaseHTTPRequestHandler, _: int) -> None:
            data = files.get(urlsplit(handler.path).path)
            status(handler, 404 if data is None else 200, data or b"")

        self.web.answer = answer
        return self.fetch([self.web.url + path for path in files], query=query)

    def fetch(self, urls: Sequence[str], *, query: str = "") -> StageRun:
        return self.run(IngestSettings(urls=tuple(urls)), urls=[url + query for url in urls])

    def uploads(self, revision: int) -> StageRun:
        return self.run(IngestSettings(upload_revision=revision))

    def run(self, settings: IngestSettings, *, urls: Sequence[str] = (), source: Path | None = None) -> StageRun:
        document = IngestDocument(
            **JOB,
            key="k1",
            attempt=1,
            store_url=self.store.url,
            settings=settings,
            limits=self.limits,
        )
        return run_stage(
            "pointcloud_ingest", document, store=self.store, tmp_path=self.tmp_path, urls=urls, source=source
        )


class Gateway:
    """Leaves files in the store as the gateway does once they have arrived."""

    def __init__(self, store: StoreServer) -> None:
        self.store = store
        self.received = 0

    def receive(self, name: str, data: bytes) -> UploadedFile:
        """A file in several parts, each received a second after the one before."""
        self.received += 1
        upload = f"{self.received:032x}"
        parts = [
            self._part(upload, start, data[start : start + PART_BYTES]) for start in range(0, len(data), PART_BYTES)
        ]
        at = datetime(2026, 1, 1, 12, 0, self.received, tzinfo=UTC)
        return UploadedFile(id=upload, name=name, size=len(data), parts=tuple(parts), received_at=at)

    def record(self, revision: int, *files: UploadedFile, suffix: str = "0a1b2c3d") -> None:
        path = f"{upload_records_prefix(**JOB)}/{revision:08}-{suffix}.json"
        self._write(path, UploadRecord(revision=revision, files=files).model_dump_json().encode())

    def _part(self, upload: str, start: int, data: bytes) -> UploadPart:
        digest = hashlib.sha256(data).hexdigest()
        path = f"{uploads_prefix(**JOB)}/files/{upload}/parts/{start:016}-{digest}"
        self._write(path, data)
        return UploadPart(path=path, size=len(data), sha256=digest)

    def _write(self, path: str, data: bytes) -> None:
        file = self.store.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


@pytest.fixture
def gateway(store_server: StoreServer) -> Gateway:
    return Gateway(store_server)


@pytest.fixture
def ingest(store_server: StoreServer, tmp_path: Path) -> Iterator[Ingest]:
    with run_web() as web:
        yield Ingest(store_server, web, tmp_path)


def stored(run: StageRun) -> PhotoManifest:
    """The manifest, after a look at whether the store holds what it says."""
    assert run.exit_code == ExitCode.DONE, run.stdout
    manifest = PhotoManifest.model_validate_json((run.folder / PHOTO_MANIFEST).read_bytes())
    for entry in manifest.photos:
        assert (run.folder / entry.path).stat().st_size == entry.size
        assert sha256_of(run.folder / entry.path) == entry.sha256
    assert {p.relative_to(run.folder).as_posix() for p in run.folder.rglob("*") if p.is_file()} == {
        PHOTO_MANIFEST,
        "log.txt",
        *(entry.path for entry in manifest.photos),
    }
    return manifest


def test_photos_of_a_claim_arrive_byte_for_byte(ingest: Ingest) -> None:
    files = {"day 1/a.JPG": photo(1), "day 2/a.JPG": photo(2), "b.png": photo(3, "PNG"), "notes.txt": b"sunny"}
    run = ingest.claim(files)
    manifest = stored(run)
    assert [p.path for p in manifest.photos] == ["images/b.png", "images/day_1/a.JPG", "images/day_2/a.JPG"]
    assert (manifest.photos[1].width, manifest.photos[1].height) == (320, 201)
    assert (run.folder / "images/day_1/a.JPG").read_bytes() == files["day 1/a.JPG"]
    assert [a.path for a in run.result.artefacts] == [PHOTO_MANIFEST]
    assert (run.result.figures.images_found, run.result.figures.images_usable) == (3, 3)
    assert run.result.warnings == ()
    assert [p.step for p in run.progress if p.done == p.total] == ["copy", "check", "upload"]
    assert run.progress[-1].percent == 100


def test_archives_and_images_arrive_from_urls_with_signatures(ingest: Ingest) -> None:
    files = {
        "/one.zip": zip_of({"set/a.jpg": photo(1), "__MACOSX/set/._a.jpg": b"x", "set/readme.txt": b"hello"}),
        "/two": tar_of({"set/a.jpg": photo(2)}),
        "/three": photo(3),
    }
    run = ingest.urls(files, query="?X-Signature=secret")
    assert [p.path for p in stored(run).photos] == ["images/set/a.jpg", "images/set/a-2.jpg", "images/three.jpg"]
    assert [p.step for p in run.progress if p.done == p.total] == ["download", "unpack", "check", "upload"]
    assert "secret" not in run.stdout + run.log


def test_a_truncated_photo_among_good_ones_is_named_and_left_out(ingest: Ingest) -> None:
    run = ingest.claim({"a.jpg": photo(1), "b.jpg": photo(2), "c.jpg": photo(3)[:2000], "d.jpg": b"a letter"})
    manifest = stored(run)
    assert [p.path for p in manifest.photos] == ["images/a.jpg", "images/b.jpg"]
    assert [r.path for r in manifest.rejected] == ["c.jpg", "d.jpg"]
    assert (run.result.figures.images_found, run.result.figures.images_usable) == (4, 2)
    [warning] = run.result.warnings
    assert warning.reason == Reason.UNREADABLE_IMAGES
    assert "c.jpg is damaged or cut off" in warning.message
    assert "d.jpg is not an image" in warning.message


@pytest.mark.parametrize(
    ("files", "path", "reason", "exit_code", "words"),
    [
        ({}, "", Reason.NO_IMAGES, ExitCode.NO_INPUT, "no files at all"),
        ({"notes.txt": b"x"}, "", Reason.NO_IMAGES, ExitCode.NO_INPUT, "notes.txt"),
        ({"letter.jpg": b"Dear"}, "", Reason.UNREADABLE_IMAGES, ExitCode.BAD_DATA, "letter.jpg is not an image"),
        ({"a.jpg": photo(1)}, "", Reason.TOO_FEW_IMAGES, ExitCode.BAD_DATA, "one usable photo"),
        ({"b/a.jpg": photo(1)}, "beach/", Reason.SOURCE_NOT_FOUND, ExitCode.NO_INPUT, "it holds b/"),
    ],
)
def test_a_claim_without_usable_photos_fails_with_what_it_holds(  # noqa: PLR0917 - a table
    ingest: Ingest, files: dict[str, bytes], path: str, reason: Reason, exit_code: ExitCode, words: str
) -> None:
    assert words in ingest.claim(files, path).assert_failed(reason, exit_code).message


@pytest.mark.parametrize(
    ("body", "reason", "exit_code", "words"),
    [
        (zip_of({"../../etc/a.jpg": photo(1)}), Reason.UNSAFE_ARCHIVE, ExitCode.BAD_DATA, "../../etc/a.jpg"),
        (zip_of({"a.jpg": photo(1)})[:-40], Reason.BAD_ARCHIVE, ExitCode.BAD_DATA, "/it is damaged"),
        (tar_of({"a.jpg": bytes(30_000_000)}), Reason.LIMIT_EXCEEDED, ExitCode.BAD_DATA, "maxArchiveRatio"),
        (b"<html><body>Log in</body></html>", Reason.DOWNLOAD_FAILED, ExitCode.NO_INPUT, "a web page"),
        (b"a letter", Reason.NO_IMAGES, ExitCode.NO_INPUT, "no photos: it"),
    ],
)
def test_a_url_that_gives_something_else_fails_with_what_it_gives(
    ingest: Ingest, body: bytes, reason: Reason, exit_code: ExitCode, words: str
) -> None:
    assert words in ingest.urls({"/it": body}).assert_failed(reason, exit_code).message


def test_a_url_that_answers_404_is_named_without_its_query(ingest: Ingest) -> None:
    ingest.web.answer = lambda handler, _: status(handler, 404)
    url = f"{ingest.web.url}/gone.zip"
    error = ingest.fetch([url], query="?sig=secret").assert_failed(Reason.DOWNLOAD_FAILED, ExitCode.NO_INPUT)
    assert error.message == f"{url} is answered with 404 Not Found."


def test_private_addresses_are_refused_by_default(ingest: Ingest) -> None:
    ingest.limits = IngestLimits()
    run = ingest.urls({"/a.jpg": photo(1)})
    run.assert_failed(Reason.ADDRESS_NOT_ALLOWED, ExitCode.BAD_SETTINGS)
    assert ingest.web.requests == []


def test_too_many_photos_name_the_limit(ingest: Ingest) -> None:
    ingest.limits = IngestLimits(max_images=2)
    run = ingest.claim({f"{i}.jpg": photo(i) for i in range(3)})
    assert "maxImages of 2" in run.assert_failed(Reason.LIMIT_EXCEEDED, ExitCode.BAD_DATA).message


def test_photos_archives_and_videos_that_were_uploaded_arrive_in_the_order_of_reception(
    ingest: Ingest, gateway: Gateway
) -> None:
    walk = gateway.receive("day 1/walk.mp4", film(Film(sharp={7, 22, 40, 52})))
    more = gateway.receive("more.zip", zip_of({"b.jpg": photo(2), "clip.mov": film(Film(frames=5, sharp={2}), "mov")}))
    single = gateway.receive("a.jpg", photo(1))
    gateway.record(1, single, more)
    gateway.record(2, walk)
    run = ingest.uploads(2)
    assert [p.path for p in stored(run).photos] == [
        *(f"images/day_1/walk.mp4/{seconds}s.jpg" for seconds in ("00000.233", "00000.733", "00001.333", "00001.733")),
        "images/b.jpg",
        "images/clip.mov/00000.067s.jpg",
        "images/a.jpg",
    ]
    assert (run.folder / "images/a.jpg").read_bytes() == photo(1)
    assert run.result.warnings == ()
    assert [p.step for p in run.progress if p.done == p.total] == ["download", "unpack", "check", "upload"]


def test_only_records_up_to_the_revision_count_and_each_upload_once(ingest: Ingest, gateway: Gateway) -> None:
    first, second, third = (gateway.receive(f"{number}.jpg", photo(number)) for number in range(3))
    gateway.record(1, first)
    gateway.record(2, first, second)
    gateway.record(2, second, suffix="ffffffff")
    gateway.record(3, third)
    assert [p.path for p in stored(ingest.uploads(2)).photos] == ["images/0.jpg", "images/1.jpg"]


def test_a_file_that_a_client_sends_again_counts_once(ingest: Ingest, gateway: Gateway) -> None:
    gateway.record(
        1, *(gateway.receive(name, photo(seed)) for name, seed in [("a.jpg", 1), ("b.jpg", 2), ("c.jpg", 1)])
    )
    run = ingest.uploads(1)
    assert [p.path for p in stored(run).photos] == ["images/a.jpg", "images/b.jpg"]
    assert "c.jpg was uploaded before, as a.jpg: taken once" in run.log
    assert run.result.warnings == ()


def test_a_job_to_which_nothing_was_uploaded_says_so(ingest: Ingest) -> None:
    error = ingest.uploads(1).assert_failed(Reason.NO_IMAGES, ExitCode.NO_INPUT)
    assert error.message == "Nothing has been uploaded."


def test_a_part_that_the_store_has_lost_is_named_with_its_file(ingest: Ingest, gateway: Gateway) -> None:
    file = gateway.receive("a.jpg", photo(1))
    gateway.record(1, file)
    (ingest.store.folder / file.parts[1].path).unlink()
    error = ingest.uploads(1).assert_failed(Reason.SOURCE_NOT_FOUND, ExitCode.NO_INPUT)
    assert file.parts[1].path in error.message
    assert "a.jpg" in error.message


def test_uploads_larger_than_the_limit_are_not_fetched(ingest: Ingest, gateway: Gateway) -> None:
    ingest.limits = IngestLimits(max_total_bytes=1000)
    gateway.record(1, gateway.receive("a.jpg", photo(1)))
    run = ingest.uploads(1)
    assert "maxTotalBytes of 1,000" in run.assert_failed(Reason.LIMIT_EXCEEDED, ExitCode.BAD_DATA).message


def test_archives_and_videos_of_a_claim_are_opened(ingest: Ingest) -> None:
    files = {
        "day/set.tar.gz": tar_of({"a.jpg": photo(1), "__MACOSX/._a.jpg": b"x"}),
        "letter.docx": zip_of({"[Content_Types].xml": b"", "word/media/image1.jpeg": photo(5)}),
        "walk.avi": film(Film(frames=30, sharp={5, 20}), "avi"),
    }
    run = ingest.claim(files)
    assert [p.path for p in stored(run).photos] == [
        "images/a.jpg",
        "images/walk.avi/00000.167s.jpg",
        "images/walk.avi/00000.667s.jpg",
    ]
    assert {name: (ingest.tmp_path / "claim" / name).read_bytes() for name in files} == files


def test_what_cannot_be_opened_is_named_and_left_out(ingest: Ingest) -> None:
    inner = zip_of({"deep.jpg": photo(3)})
    run = ingest.claim(
        {
            "a.jpg": photo(1),
            "b.zip": zip_of({"b.jpg": photo(2), "inner.zip": inner}),
            "cut.zip": inner[:-40],
            "evil.tar": tar_of({"../evil.jpg": photo(4)}),
            "film.mov": film(Film(frames=5), "mov")[:-100],
        }
    )
    manifest = stored(run)
    assert [p.path for p in manifest.photos] == ["images/a.jpg", "images/b.jpg"]
    reasons = {rejected.path: rejected.reason for rejected in manifest.rejected}
    assert reasons.keys() == {"inner.zip", "cut.zip", "evil.tar", "film.mov"}
    assert reasons["inner.zip"] == "is an archive within an archive, which is not opened: give it by itself"
    assert "lies outside it" in reasons["evil.tar"]
    [warning] = run.result.warnings
    assert warning.message.startswith("4 files are left out: inner.zip is an archive within an archive")


def test_a_video_that_breaks_off_gives_its_frames_and_a_warning(ingest: Ingest) -> None:
    whole = film(Film(frames=90), "matroska")
    run = ingest.urls({"/walk.mkv": whole[: len(whole) // 2]})
    assert len(stored(run).photos) >= 2
    [warning] = run.result.warnings
    assert warning.message.startswith(f"{ingest.web.url}/walk.mkv breaks off after")


def test_a_video_alone_that_gives_nothing_fails_with_the_reason(ingest: Ingest) -> None:
    run = ingest.urls({"/walk.mp4": film(Film(frames=5), "mov")[:-100]})
    error = run.assert_failed(Reason.UNREADABLE_IMAGES, ExitCode.BAD_DATA)
    assert "/walk.mp4 is damaged or cut off before its index" in error.message
    assert "videos as MP4" in error.remedy


def test_frames_of_videos_count_as_photos(ingest: Ingest) -> None:
    ingest.limits = IngestLimits(max_images=3)
    run = ingest.claim({"walk.mp4": film()})
    assert "maxImages of 3" in run.assert_failed(Reason.LIMIT_EXCEEDED, ExitCode.BAD_DATA).message
