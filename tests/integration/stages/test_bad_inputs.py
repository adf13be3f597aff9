"""Bad inputs as people really hand them in: what becomes of each, said in words that name it.

What is wrong with one file is found by the ingest stage, here in one run over all of them; what is wrong with photos
together, by the reconstruct stage.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base

from pointcloud_api.resource import CameraModel, Density, Quality
from pointcloud_api.stages import (
    PHOTO_MANIFEST,
    ExitCode,
    IngestDocument,
    IngestSettings,
    PhotoManifest,
    Reason,
    ReconstructDocument,
    ReconstructSettings,
)
from tests.fixtures.pictures import (
    deep,
    encoded,
    picture,
    png_of_header,
    png_with_bomb,
    tags,
    warm,
    with_exif,
)
from tests.fixtures.stages import StageRun, run_stage
from tests.fixtures.store import StoreServer, run_store
from tools.scene.degenerate import unrelated
from tools.scene.photos import write

JOB = {"namespace": "surveys", "name": "beach", "uid": "6f1f"}
TWINS = encoded(picture(500), "JPEG")


@dataclass(frozen=True)
class Used:
    """The photo is used, under this path below `images/`."""

    path: str


@dataclass(frozen=True)
class LeftOut:
    """The photo is left out, for a reason in which these words are."""

    words: str


@dataclass(frozen=True)
class NoMask:
    """A warning says why the mask is not used; its photo is used without."""

    words: str


def jpeg(seed: int, **options: Any) -> bytes:
    return encoded(picture(seed), "JPEG", **options)


def animated(kind: str) -> bytes:
    return encoded(picture(), kind, save_all=True, append_images=[picture(1)])


def mask(size: tuple[int, int], *, black: int = 8) -> bytes:
    image = Image.new("L", size, 255)
    image.paste(0, (0, 0, black, size[1]))
    return encoded(image, "PNG")


FILES: list[tuple[str | bytes, Callable[[], bytes], Used | LeftOut | NoMask]] = [
    # What is no photo.
    ("zero-byte.jpg", lambda: b"", LeftOut("is empty")),
    ("letter.jpg", lambda: b"Dear friends", LeftOut("is not an image of a supported format")),
    ("page.jpg", lambda: b"<html><body>404</body></html>", LeftOut("is not an image of a supported format")),
    ("document.jpg", lambda: b"%PDF-1.7\n", LeftOut("is not an image of a supported format")),
    ("program.png", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n", LeftOut("is not an image of a supported format")),
    ("raw.dng", lambda: encoded(picture(1), "TIFF"), LeftOut("a camera's raw file")),
    # Damage.
    ("truncated.jpg", lambda: jpeg(2)[:-600], LeftOut("is damaged or cut off")),
    ("truncated.png", lambda: encoded(picture(3), "PNG")[:-900], LeftOut("is damaged or cut off")),
    ("truncated.tif", lambda: encoded(picture(4), "TIFF")[:-900], LeftOut("is damaged or cut off")),
    ("truncated.webp", lambda: encoded(picture(5), "WEBP")[:-200], LeftOut("is damaged or cut off")),
    ("truncated.heic", lambda: encoded(picture(6), "HEIF")[:-200], LeftOut("is damaged or cut off")),
    ("truncated.avif", lambda: encoded(picture(7), "AVIF")[:-200], LeftOut("is damaged or cut off")),
    ("first-bytes.jpg", lambda: jpeg(8)[:20], LeftOut("is damaged or cut off")),
    ("overwritten.png", lambda: encoded(picture(9), "PNG")[:500] + bytes(500), LeftOut("is damaged or cut off")),
    ("bomb.png", lambda: png_with_bomb(10), LeftOut("is damaged or cut off")),
    # Sizes.
    ("one-pixel.png", lambda: encoded(picture(11, (1, 1)), "PNG"), LeftOut("1 x 1 pixels, too few")),
    ("icon.png", lambda: encoded(picture(12, (16, 16)), "PNG"), LeftOut("16 x 16 pixels, too few")),
    ("line.png", lambda: encoded(picture(13, (30000, 1)), "PNG"), LeftOut("30000 x 1 pixels, too few")),
    ("strip.png", lambda: encoded(picture(14, (30000, 100)), "PNG"), LeftOut("30000 x 100 pixels, too narrow")),
    ("wide.png", lambda: png_of_header(30000, 20000), LeftOut("more than the limit maxImagePixels of 200,000,000")),
    ("huge.png", lambda: png_of_header(2**31 - 1, 2**31 - 1), LeftOut("maxImagePixels")),
    # Moving pictures.
    ("animated.gif", lambda: animated("GIF"), LeftOut("an animation of 2 pictures")),
    ("animated.webp", lambda: animated("WEBP"), LeftOut("an animation of 2 pictures")),
    # The same photo, twice.
    ("twin-1.jpg", lambda: TWINS, Used("twin-1.jpg")),
    ("twin-2.jpg", lambda: TWINS, LeftOut("is the same file as twin-1.jpg")),
    # Names that say something else than the content, or nothing.
    ("png.jpg", lambda: encoded(picture(20), "PNG"), Used("png.jpg.png")),
    ("jpeg.png", lambda: jpeg(21), Used("jpeg.png.jpg")),
    ("no-suffix", lambda: jpeg(22), Used("no-suffix.jpg")),
    ("new\nline.jpg", lambda: jpeg(23), Used("new_line.jpg")),
    ("\"quotes\" 'n' $(sh).jpg", lambda: jpeg(24), Used("_quotes___n____sh_.jpg")),
    (b"latin-\xe9\xff.jpg", lambda: jpeg(25), Used("latin-__.jpg")),
    ("x" * 240 + ".jpg", lambda: jpeg(26), Used("x" * 56 + ".jpg")),
    (".hidden.jpg", lambda: jpeg(27), Used("hidden.jpg")),
    ("-rf.jpg", lambda: jpeg(28), Used("-rf.jpg")),
    ("über.JPG", lambda: jpeg(29), Used("über.JPG")),
    # Pixels of every kind.
    ("cmyk.jpg", lambda: encoded(picture(30).convert("CMYK"), "JPEG"), Used("cmyk.jpg")),
    ("grey.jpg", lambda: encoded(picture(31).convert("L"), "JPEG"), Used("grey.jpg")),
    ("alpha.png", lambda: encoded(picture(32).convert("RGBA"), "PNG"), Used("alpha.png")),
    ("palette.png", lambda: encoded(picture(33).quantize(), "PNG"), Used("palette.png")),
    ("deep.png", lambda: encoded(deep(16, 34), "PNG"), Used("deep.png")),
    ("thermal.tif", lambda: encoded(deep(12, 35), "TIFF"), Used("thermal.tif.png")),
    ("degrees.tif", lambda: encoded(warm(36), "TIFF"), Used("degrees.tif.png")),
    ("black.jpg", lambda: encoded(Image.new("RGB", (96, 64)), "JPEG"), Used("black.jpg")),
    ("scan.bmp", lambda: encoded(picture(37), "BMP"), Used("scan.bmp")),
    ("phone.heic", lambda: encoded(picture(38), "HEIF", exif=tags(orientation=6)), Used("phone.heic.jpg")),
    ("web.webp", lambda: encoded(picture(39), "WEBP"), Used("web.webp.jpg")),
    ("new.avif", lambda: encoded(picture(40), "AVIF"), Used("new.avif.jpg")),
    ("still.gif", lambda: encoded(picture(41), "GIF"), Used("still.gif.png")),
    # EXIF that lies, or is none.
    ("exif-noise.jpg", lambda: with_exif(jpeg(50), bytes(range(256)) * 20), Used("exif-noise.jpg")),
    ("exif-loop.jpg", lambda: with_exif(jpeg(51), b"II*\0\x08\0\0\0\xff\xff" + bytes(100)), Used("exif-loop.jpg")),
    ("exif-upside.jpg", lambda: jpeg(52, exif=tags(orientation=99)), Used("exif-upside.jpg")),
    ("exif.webp", lambda: encoded(picture(53), "WEBP", exif=b"no EXIF"), Used("exif.webp.jpg")),
    # Masks.
    ("masks/no-such-photo.png", lambda: mask((96, 64)), NoMask("no-such-photo.png belongs to no photo")),
    ("masks/grey.jpg.png", lambda: mask((64, 96)), NoMask("64 x 96 pixels, and its photo 96 x 64")),
    ("masks/alpha.png.png", lambda: mask((96, 64), black=96), NoMask("black all over")),
    ("masks/cmyk.jpg.png", lambda: mask((96, 64))[:-30], NoMask("cmyk.jpg.png is damaged or cut off")),
]  # fmt: skip


@pytest.fixture(scope="module")
def ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageRun]:
    """One run over all the files."""
    folder = tmp_path_factory.mktemp("bad-inputs")
    claim = folder / "claim"
    for name, make, _ in FILES:
        file = claim / os.fsdecode(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(make())
    settings = IngestSettings(claim_name="photos")
    with run_store(folder / "store") as store:
        document = IngestDocument(**JOB, key="k1", attempt=1, store_url=store.url, settings=settings)
        yield run_stage("pointcloud_ingest", document, store=store, tmp_path=folder, source=claim)


@pytest.mark.parametrize(("name", "outcome"), [pytest.param(n, o, id=ascii(n)) for n, _, o in FILES])
def test_each_file_has_a_clear_outcome(ingest: StageRun, name: str | bytes, outcome: Used | LeftOut | NoMask) -> None:
    assert ingest.exit_code == ExitCode.DONE, ingest.stdout
    manifest = PhotoManifest.model_validate_json((ingest.folder / PHOTO_MANIFEST).read_bytes())
    used = {photo.path.removeprefix("images/"): photo for photo in manifest.photos}
    left_out = {rejected.path: rejected.reason for rejected in manifest.rejected}
    match outcome:
        case Used(path):
            stored = (ingest.folder / "images" / path).read_bytes()
            assert used[path].size == len(stored)
            bitmap = pycolmap.Bitmap.read(ingest.folder / "images" / path, as_rgb=True)
            assert bitmap is not None
            assert (bitmap.width, bitmap.height) == (used[path].width, used[path].height)
            assert {bitmap.width, bitmap.height} == {96, 64}
            assert name not in left_out
        case LeftOut(words):
            assert words in left_out[str(name)]
        case NoMask(words):
            assert any(words in line for line in ingest.log.splitlines() if line.startswith("mask not used"))
            assert all(photo.mask is None for photo in manifest.photos)


def test_every_file_of_the_table_has_one_outcome(ingest: StageRun) -> None:
    manifest = PhotoManifest.model_validate_json((ingest.folder / PHOTO_MANIFEST).read_bytes())
    outcomes = [type(outcome) for _, _, outcome in FILES]
    assert len(manifest.photos) == outcomes.count(Used)
    assert len(manifest.rejected) == outcomes.count(LeftOut)
    assert {warning.reason for warning in ingest.result.warnings} == {Reason.UNREADABLE_IMAGES, "MasksNotUsed"}
    for message in (warning.message for warning in ingest.result.warnings):
        assert message.isprintable()


def ingested(store: StoreServer, folder: Path, files: dict[str, bytes]) -> StageRun:
    (folder / "claim").mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / "claim" / name).write_bytes(data)
    document = IngestDocument(
        **JOB, key="photos", attempt=1, store_url=store.url, settings=IngestSettings(claim_name="photos")
    )
    return run_stage(
        "pointcloud_ingest", document, store=store, tmp_path=folder, pod_uid="pod-0", source=folder / "claim"
    )


def reconstructed(store: StoreServer, folder: Path, files: dict[str, bytes], **settings: Any) -> StageRun:
    """Both stages."""
    before = ingested(store, folder, files)
    assert before.exit_code == ExitCode.DONE, before.stdout
    document = ReconstructDocument(
        **JOB, key="model", attempt=1, store_url=store.url, upstream="photos", device="cpu",
        settings=ReconstructSettings(quality=Quality.LOW, density=Density.SPARSE, **settings),
    )  # fmt: skip
    return run_stage("pointcloud_colmap", document, store=store, tmp_path=folder)


def test_the_same_photo_again_and_again_is_one_photo(store_server: StoreServer, tmp_path: Path) -> None:
    run = ingested(store_server, tmp_path, {f"{n}.jpg": TWINS for n in range(4)})
    error = run.assert_failed(Reason.TOO_FEW_IMAGES, ExitCode.BAD_DATA)
    assert "1.jpg is the same file as 0.jpg" in error.message


def test_black_photos_show_too_little(store_server: StoreServer, tmp_path: Path) -> None:
    black = {f"{n}.jpg": encoded(Image.new("RGB", (320, 240 + n)), "JPEG") for n in range(3)}
    error = reconstructed(store_server, tmp_path, black).assert_failed(Reason.TOO_FEW_POINTS, ExitCode.BAD_DATA)
    assert "the best has 0 features" in error.message


def test_one_view_saved_several_times_has_no_depth(store_server: StoreServer, tmp_path: Path) -> None:
    view = picture(1, (480, 360))
    files = {f"{quality}.jpg": encoded(view, "JPEG", quality=quality) for quality in (80, 85, 90, 95)}
    run = reconstructed(store_server, tmp_path, files)
    assert "far enough apart" in run.assert_failed(Reason.NO_OVERLAP, ExitCode.BAD_DATA).message


def test_ordinary_photos_are_no_panoramas(store_server: StoreServer, tmp_path: Path) -> None:
    files = {f"{n}.jpg": jpeg(n) for n in range(2)}
    run = reconstructed(store_server, tmp_path, files, camera_model=CameraModel.EQUIRECTANGULAR)
    error = run.assert_failed(Reason.BAD_SETTINGS, ExitCode.BAD_SETTINGS)
    assert "twice as wide as high" in error.message
    assert "spec.reconstruction.camera.model" in error.remedy


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("scene")
    write(folder, width=480, photos=24)
    return sorted((folder / "photos").iterdir())


def test_masks_take_features_away_from_their_photos_alone(
    store_server: StoreServer, tmp_path: Path, scene: list[Path]
) -> None:
    files = {photo.name: photo.read_bytes() for photo in scene[:8]}
    (tmp_path / "claim" / "masks").mkdir(parents=True)
    (tmp_path / "claim" / "masks" / f"{scene[0].stem}.png").write_bytes(mask((240, 180), black=120))
    run = reconstructed(store_server, tmp_path, files)
    assert run.exit_code == ExitCode.DONE, run.stdout
    assert run.result.figures.images_registered == len(files)
    keypoints = _keypoints(run)
    assert keypoints[scene[0].name][:, 0].min() >= 238
    assert all(keypoints[photo.name][:, 0].min() < 100 for photo in scene[1:8])


def _keypoints(run: StageRun) -> dict[str, Any]:
    model = pycolmap.Reconstruction(run.folder / "sparse")
    return {image.name: np.array([point.xy for point in image.points2D]) for image in model.images.values()}


def test_focal_lengths_that_lie_do_not_stop_a_reconstruction(
    store_server: StoreServer, tmp_path: Path, scene: list[Path]
) -> None:
    lies = (0, 1, 65535, 0, 1, 65535, 28, 28)
    files = {}
    for photo, lie in zip(scene[:8], lies, strict=True):
        exif = tags(model=f"Lie {lie}")
        exif.get_ifd(IFD.Exif)[Base.FocalLengthIn35mmFilm] = lie
        files[photo.name] = encoded(Image.open(photo), "JPEG", quality=95, exif=exif)
    run = reconstructed(store_server, tmp_path, files)
    assert run.exit_code == ExitCode.DONE, run.stdout
    assert run.result.figures.images_registered == len(files)


def test_two_sets_of_different_things_give_the_larger_one_and_name_the_others(
    store_server: StoreServer, tmp_path: Path, scene: list[Path]
) -> None:
    other = unrelated(tmp_path / "other", photos=3)
    files = {photo.name: photo.read_bytes() for photo in (*scene[:8], *other)}
    run = reconstructed(store_server, tmp_path, files)
    assert run.exit_code == ExitCode.DONE, run.stdout
    assert run.result.figures.images_registered == 8
    [warning] = run.result.warnings
    assert warning.reason == "PartialReconstruction"
    assert all(photo.name in warning.message for photo in other)
