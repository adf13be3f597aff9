"""Masks: pictures beside the photos that are black where a photo is to be ignored.

The convention is COLMAP's: the mask of `images/a/b.jpg` is `masks/a/b.jpg.png`; `masks/a/b.png` is taken too. The
folder `masks` may lie beside the folder of the photos or among them. COLMAP reads a mask by the photo's own pixels and
leaves out a photo whose mask is missing or broken, so each mask is checked here and stored in its photo's size.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from PIL import Image, UnidentifiedImageError

from pointcloud_api.stages import IngestLimits
from pointcloud_ingest.arrivals import Arrival, UnusableError
from pointcloud_ingest.budget import limit_text
from pointcloud_ingest.conversion import TO_STORED
from pointcloud_ingest.memory import Room, decoded
from pointcloud_ingest.photos import Checked
from pointcloud_stage import StageFailure

_FOLDER: Final = "masks"
_SUFFIX: Final = ".png"
_ASPECT_TOLERANCE: Final = 0.02
"""Of the ratio of the sides, between a mask made from a smaller copy and its photo: rounding to whole pixels."""
_GREY: Final = 1
"""Bytes of a grey pixel."""
_FITTED: Final = 2
"""Bytes of a pixel of the photo: the mask turned, and in the photo's size."""


@dataclass
class Masks:
    """The masks among the files, and which photo each belongs to."""

    of: dict[Arrival, Arrival] = field(default_factory=dict)
    """By photo."""
    unused: list[str] = field(default_factory=list)
    """What to say of masks that are not used."""


def may_be_mask(name: str) -> bool:
    """Whether a file of this name is a mask if a photo goes with it: a PNG below a folder `masks`."""
    return _split(name) is not None


def sort_out(candidates: Sequence[Arrival], photos: Sequence[Arrival]) -> tuple[Masks, list[Arrival]]:
    """The masks of the photos, and the candidates that are photos after all.

    Where no file below a folder `masks` goes with a photo, its files are photos: people photograph masks, too.
    """
    by_root: defaultdict[str, list[tuple[str, Arrival]]] = defaultdict(list)
    for candidate in candidates:
        split = _split(candidate.name)
        if split is not None:
            by_root[split[0]].append((split[1], candidate))
    masks, others = Masks(), list[Arrival]()
    index = _Index(photos)
    for root, files in by_root.items():
        found = [(mask, index.photos_of(root, relative)) for relative, mask in files]
        if not any(several for _, several in found):
            others += [mask for mask, _ in found]
            continue
        for mask, several in found:
            if len(several) != 1:
                what = f"may belong to {' or '.join(p.name for p in several[:3])}" if several else "belongs to no photo"
                masks.unused.append(f"{mask.name} {what}")
            elif masks.of.setdefault(several[0], mask) is not mask:
                masks.unused.append(f"{mask.name} is the second mask of {several[0].name}")
    return masks, others


def _split(name: str) -> tuple[str, str] | None:
    """The folder that holds the folder `masks`, and the path of the mask below that without its suffix."""
    path = PurePosixPath(name)
    lower = [part.lower() for part in path.parts]
    if _FOLDER not in lower[:-1] or path.suffix.lower() != _SUFFIX:
        return None
    at = lower.index(_FOLDER)
    return "/".join(path.parts[:at]), "/".join(path.with_suffix("").parts[at + 1 :])


class _Index:
    """Finds photos by what a mask is called."""

    def __init__(self, photos: Iterable[Arrival]) -> None:
        self._by_tail: defaultdict[tuple[str, str], list[Arrival]] = defaultdict(list)
        for photo in photos:
            parts = PurePosixPath(photo.name).parts
            # For each folder that `masks` may lie in: the photos may be in it, or in one folder below it.
            for depth in range(len(parts)):
                root = "/".join(parts[:depth])
                for tail in {"/".join(parts[depth:]), "/".join(parts[depth + 1 :])} - {""}:
                    self._by_tail[root, tail].append(photo)
                    self._by_tail[root, PurePosixPath(tail).with_suffix("").as_posix()].append(photo)

    def photos_of(self, root: str, relative: str) -> list[Arrival]:
        """The photos that the mask `<root>/masks/<relative>.png` may be meant for; those of that very name first."""
        found = self._by_tail.get((root, relative), [])
        whole = [photo for photo in found if PurePosixPath(photo.name).name == PurePosixPath(relative).name]
        return list(dict.fromkeys(whole or found))


def write_mask(mask: Arrival, photo: Checked, to: Path, limits: IngestLimits, room: Room) -> None:
    """Write the mask as COLMAP reads it: PNG, one channel, in the pixels of the photo as stored.

    Raises UnusableError when the file is no picture, is black all over, or is of another shape than the photo, and
    StageFailure(OUT_OF_MEMORY) where there is no room to decode it.
    """
    try:
        pixels = _read(mask, photo, limits, room)
    except UnidentifiedImageError:
        raise UnusableError("is not a PNG") from None
    except (MemoryError, StageFailure, UnusableError):
        raise
    except Exception as error:  # noqa: BLE001 - what decoders raise for damaged data is documented nowhere
        raise UnusableError(f"is damaged or cut off ({error})") from None
    if pixels.getbbox() is None:
        raise UnusableError("is black all over, which would leave nothing of its photo")
    to.parent.mkdir(parents=True, exist_ok=True)
    pixels.save(to, "PNG", compress_level=1)


def _read(mask: Arrival, photo: Checked, limits: IngestLimits, room: Room) -> Image.Image:
    with Image.open(mask.file, formats=["PNG"]) as image:
        pixels = image.width * image.height
        if pixels > limits.max_image_pixels:
            raise UnusableError(f"has more pixels than {limit_text(limits, 'max_image_pixels')}")
        needed = pixels * (decoded(image) + _GREY) + _FITTED * photo.width * photo.height
        with room.taken(needed, by=mask.described):
            return _fitted(image.convert("L"), photo)


def _fitted(pixels: Image.Image, photo: Checked) -> Image.Image:
    stored = (photo.width, photo.height)
    turned = stored[::-1]
    if pixels.size != stored and photo.orientation >= 5 and _is_like(pixels.size, turned):
        pixels = pixels.transpose(TO_STORED[photo.orientation])  # it was made from the photo as it is seen
    if pixels.size == stored:
        return pixels
    if not _is_like(pixels.size, stored):
        shape = f"{pixels.width} x {pixels.height} pixels, and its photo {photo.width} x {photo.height}"
        raise UnusableError(f"has {shape}: make it in the shape of its photo")
    return pixels.resize(stored, Image.Resampling.NEAREST)


def _is_like(size: tuple[int, int], other: tuple[int, int]) -> bool:
    return abs(size[0] * other[1] / (size[1] * other[0]) - 1) <= _ASPECT_TOLERANCE
