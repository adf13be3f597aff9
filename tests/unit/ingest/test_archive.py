import gzip
import io
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pointcloud_api.stages import IngestLimits, Reason
from pointcloud_ingest.archive import unpack
from pointcloud_ingest.arrivals import Arrival
from pointcloud_ingest.budget import Budget
from pointcloud_stage import StageFailure

NOISE = random.Random(1).randbytes(30_000)  # noqa: S311 - bytes that do not pack
LIMITS = IngestLimits()


def unpacked(archive: Path, limits: IngestLimits = LIMITS) -> dict[str, bytes]:
    arrival = Arrival("photos", archive)
    folder = archive.parent / "unpacked"
    folder.mkdir()
    arrivals = unpack(arrival, to=folder, budget=Budget(limits))
    return {arrival.name: arrival.file.read_bytes() for arrival in arrivals}


def refusal(archive: Path, limits: IngestLimits = LIMITS) -> StageFailure:
    with pytest.raises(StageFailure) as caught:
        unpacked(archive, limits)
    return caught.value


def zipped(tmp_path: Path, members: dict[str, bytes], *, mode: int = 0) -> Path:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(info, data)
    return tmp_path / "a.zip"


def tarred(tmp_path: Path, members: dict[str, bytes], *, mode: str = "w", kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(tmp_path / "a.tar", mode) as packed:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(data), kind, "/etc/passwd"
            packed.addfile(info, io.BytesIO(data))
    return tmp_path / "a.tar"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz", "zip"])
def test_every_format_is_unpacked_without_what_systems_leave(tmp_path: Path, mode: str) -> None:
    members = {"b/a.jpg": NOISE, "c.jpg": b"", "__MACOSX/._c.jpg": b"x", "b/.DS_Store": b"x"}
    archive = zipped(tmp_path, members) if mode == "zip" else tarred(tmp_path, members, mode=mode)
    assert unpacked(archive) == {"b/a.jpg": NOISE, "c.jpg": b""}


@pytest.mark.parametrize(
    "name", ["../a.jpg", "/etc/a.jpg", "b/../../a.jpg", "..\\a.jpg", "C:\\a.jpg", "__MACOSX/../../a.jpg"]
)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_member_outside_the_archive_refuses_it(
    tmp_path: Path, name: str, pack: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    failure = refusal(pack(tmp_path, {"b.jpg": NOISE, name: NOISE}))
    assert failure.error.reason == Reason.UNSAFE_ARCHIVE
    assert "a.jpg" in failure.error.message


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_refuse_it(tmp_path: Path, kind: bytes) -> None:
    assert refusal(tarred(tmp_path, {"a.jpg": b""}, kind=kind)).error.reason == Reason.UNSAFE_ARCHIVE


def test_a_link_in_a_zip_refuses_it(tmp_path: Path) -> None:
    assert refusal(zipped(tmp_path, {"a.jpg": b"/etc/passwd"}, mode=0o120777)).error.reason == Reason.UNSAFE_ARCHIVE


@pytest.mark.parametrize("packing", ["zip", "w:gz", "w:xz"])
def test_a_bomb_ends_at_the_ratio_and_not_at_the_disk(tmp_path: Path, packing: str) -> None:
    members = {"bomb.jpg": bytes(50_000_000)}
    archive = zipped(tmp_path, members) if packing == "zip" else tarred(tmp_path, members, mode=packing)
    failure = refusal(archive)
    assert failure.error.reason == Reason.LIMIT_EXCEEDED
    assert "maxArchiveRatio of 100" in failure.error.message
    written = sum(file.stat().st_size for file in (tmp_path / "unpacked").iterdir())
    assert written <= 100 * archive.stat().st_size + (1 << 20)


def test_a_bomb_in_a_member_that_is_skipped_counts_too(tmp_path: Path) -> None:
    archive = tarred(tmp_path, {"__MACOSX/x": bytes(50_000_000)}, mode="w:gz")
    assert refusal(archive).error.reason == Reason.LIMIT_EXCEEDED


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (IngestLimits(max_total_bytes=40_000), "maxTotalBytes of 40,000"),
        (IngestLimits(max_images=1), "maxImages of 1"),
    ],
)
def test_limits_on_bytes_and_files_are_named(tmp_path: Path, limits: IngestLimits, named: str) -> None:
    archive = zipped(tmp_path, {f"{i}.jpg": NOISE for i in range(20)})
    assert named in refusal(archive, limits).error.message


@pytest.mark.parametrize("packing", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
def test_a_cut_off_archive_is_said_to_be_so(tmp_path: Path, packing: str) -> None:
    members = {"a.jpg": NOISE, "b.jpg": NOISE}
    archive = zipped(tmp_path, members) if packing == "zip" else tarred(tmp_path, members, mode=packing)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    assert refusal(archive).error.reason == Reason.BAD_ARCHIVE


def test_an_encrypted_zip_is_said_to_be_so(tmp_path: Path) -> None:
    archive = zipped(tmp_path, {"a.jpg": NOISE})
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    assert "encrypted" in refusal(archive).error.message


def test_a_compressed_file_that_is_no_tar_is_a_bad_archive(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(NOISE))
    assert refusal(tmp_path / "a.gz").error.reason == Reason.BAD_ARCHIVE
