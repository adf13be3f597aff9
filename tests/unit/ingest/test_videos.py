"""Videos, rendered with some frames sharp and the others blurred, through the process that decodes them."""

import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointcloud_api.stages import IngestDocument, IngestLimits, IngestSettings
from pointcloud_ingest.arrivals import Arrival, UnusableError
from pointcloud_ingest.kinds import Kind
from pointcloud_ingest.videos import death, frames_of
from tests.fixtures.videos import CODECS, Film, film, sound_only, turned


class Videos:
    """Takes frames from the bytes of a video."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.progress: list[float] = []
        self.limits = IngestLimits()

    def arrival(self, data: bytes) -> Arrival:
        (self.folder / "file").write_bytes(data)
        return Arrival("walk.mp4", self.folder / "file")

    def frames(self, data: bytes, *, per_second: int = 2, at_most: int = 150) -> tuple[list[Arrival], str]:
        to = self.folder / "frames"
        to.mkdir(exist_ok=True)
        document = IngestDocument(
            namespace="photos",
            name="beach",
            uid="u1",
            key="k1",
            attempt=1,
            store_url="http://127.0.0.1",
            settings=IngestSettings(frames_per_second=per_second, max_frames=at_most),
            limits=self.limits,
        )
        return frames_of(self.arrival(data), "walk.mp4", to=to, document=document, advance=self.progress.append)

    def seconds(self, data: bytes, *, per_second: int = 2, at_most: int = 150) -> list[float]:
        frames, complaint = self.frames(data, per_second=per_second, at_most=at_most)
        assert not complaint
        return [float(frame.name.removeprefix("walk.mp4/").removesuffix("s.jpg")) for frame in frames]

    def complaint(self, data: bytes) -> str:
        with pytest.raises(UnusableError) as caught:
            self.frames(data)
        return str(caught.value)


@pytest.fixture
def videos(tmp_path: Path) -> Videos:
    return Videos(tmp_path)


def corners(picture: Path) -> list[int]:
    """Brightness of the corners, clockwise from the top left."""
    grey = np.asarray(Image.open(picture).convert("L"))
    return [int(patch.mean()) for patch in (grey[:8, :8], grey[:8, -8:], grey[-8:, -8:], grey[-8:, :8])]


@pytest.mark.parametrize("container", CODECS)
def test_the_sharp_frames_of_every_container_are_found_evenly_spread(videos: Videos, container: str) -> None:
    data = film(Film(sharp={7, 22, 40, 52}), container)
    assert videos.arrival(data).kind is Kind.VIDEO
    assert videos.seconds(data) == pytest.approx([7 / 30, 22 / 30, 40 / 30, 52 / 30], abs=0.01)
    assert videos.progress == sorted(videos.progress)


def test_no_more_frames_are_taken_than_allowed_and_then_from_longer_spans(videos: Videos) -> None:
    assert videos.seconds(film(Film(sharp={25, 50})), at_most=2) == pytest.approx([25 / 30, 50 / 30], abs=0.001)


def test_a_video_shorter_than_a_span_gives_its_sharpest_frame(videos: Videos) -> None:
    assert videos.seconds(film(Film(frames=5, sharp={3}))) == [0.1]


def test_frames_are_spread_by_time_and_not_by_number(videos: Videos) -> None:
    fast_then_slow = [*range(0, 1000, 25), *range(1000, 3000, 100)]
    sharp = {10, 30, 42, 47, 52, 57}
    data = film(Film(frames=len(fast_then_slow), times=fast_then_slow, sharp=sharp), "matroska")
    assert videos.seconds(data) == [fast_then_slow[number] / 1000 for number in sorted(sharp)]


def test_frames_are_full_pictures_with_the_time_of_the_shot(videos: Videos) -> None:
    frames, _ = videos.frames(film(Film(metadata={"creation_time": "2024-05-01T12:00:00Z"}, sharp={20})), at_most=1)
    with Image.open(frames[0].file) as picture:
        assert (picture.format, picture.size) == ("JPEG", (320, 240))
        taken = picture.getexif().get_ifd(0x8769)
    assert (taken[0x9003], taken[0x9291]) == ("2024:05:01 12:00:00", "666")


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_frames_are_upright(videos: Videos, degrees: int) -> None:
    data = film(Film(frames=1))
    before = corners(videos.frames(data)[0][0].file)
    after = corners(videos.frames(turned(data, degrees))[0][0].file)
    turns = degrees // 90
    assert after == pytest.approx(before[-turns:] + before[:-turns], abs=6)


def test_pixels_that_are_no_squares_become_such(videos: Videos) -> None:
    frames, _ = videos.frames(film(Film(frames=2, aspect=4 / 3)))
    with Image.open(frames[0].file) as picture:
        assert picture.size == (427, 240)


def test_one_of_two_interlaced_fields_is_taken(videos: Videos) -> None:
    data = film(Film(frames=2, options={"flags": "+ildct+ilme", "top": "1"}, stripes=True), "mpegts")
    frames, _ = videos.frames(data)
    with Image.open(frames[0].file) as picture:
        assert np.asarray(picture.convert("L")).std() < 5


@pytest.mark.parametrize("container", ["mp4", "matroska", "avi", "mpegts"])
def test_a_video_that_is_cut_off_gives_the_frames_before_the_cut(videos: Videos, container: str) -> None:
    data = film(Film(frames=90, sound=container == "matroska"), container)
    frames, complaint = videos.frames(data[: len(data) // 2])
    assert 2 <= len(frames) <= 4
    if container != "mpegts":  # which does not say how long it should be
        assert complaint.startswith("breaks off after")


def test_sound_that_is_longer_than_the_picture_is_no_cut(videos: Videos) -> None:
    _, complaint = videos.frames(film(Film(frames=10, sound=True)))
    assert not complaint


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_damage_within_is_passed_over_and_said(videos: Videos, container: str) -> None:
    data = bytearray(film(Film(frames=90, options={"g": "10"}), container))
    for place in range(len(data) // 3, len(data) // 2, 100):
        data[place] ^= 0xFF
    frames, complaint = videos.frames(bytes(data))
    assert len(frames) >= 5
    assert "cannot be decoded and are passed over" in complaint


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"a letter", "is not a video of a supported format (MP4, MOV,"),
        (sound_only(), "holds no moving pictures"),
        (film(container="mov")[:30_000], "is damaged or cut off before its index"),
        (b"\x1aE\xdf\xa3" + bytes(2000), "is damaged or cut off"),
        (film(Film(frames=2))[:1400], "holds no frame"),
        (film(Film(frames=2, rate=1, times=[0, 4_000_000]), "matroska"), "lasts longer than 60 minutes"),
    ],
)
def test_what_gives_no_frame_is_said(videos: Videos, data: bytes, words: str) -> None:
    assert words in videos.complaint(data)


def test_large_frames_are_refused_before_one_is_decoded(videos: Videos) -> None:
    videos.limits = IngestLimits(max_image_pixels=50_000)
    data = film()
    assert "has frames of 320 x 240 pixels, more than the 50,000" in videos.complaint(data[: len(data) // 2])


def test_frames_larger_than_the_header_says_are_not_decoded(videos: Videos) -> None:
    videos.limits = IngestLimits(max_image_pixels=50_000)
    data = film(container="matroska")
    width = data.index(b"\xb0\x82\x01\x40")
    lying = data[:width] + b"\xb0\x82\x00\x40" + data[width + 4 :]
    assert videos.complaint(lying)
    assert not list((videos.folder / "frames").iterdir())


def test_a_video_that_takes_too_much_memory_fails_alone(videos: Videos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointcloud_ingest.videos.memory_limit", lambda: 40_000_000)
    assert "decode" in videos.complaint(film(Film(frames=2, size=(2560, 1440))))  # the words depend on where it ends


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-signal.SIGALRM, "a single frame is not done after 60 s"),
        (-signal.SIGSEGV, "the decoder ended by SIGSEGV"),
        (1, "the decoder ended by exit code 1"),
    ],
)
def test_how_a_decoder_died_is_said(code: int, words: str) -> None:
    assert words in death(code)
