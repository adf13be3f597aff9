"""Builds what changed: an image whose inputs are the same is already there as a file of that name."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pointcloud_api import __version__
from tools.cluster.console import say
from tools.cluster.locking import exclusive
from tools.cluster.paths import cache_directory
from tools.images.catalogue import DEFAULT_NAMES, IMAGES, REPOSITORY, TAG_LENGTH, Image
from tools.images.engines import Engine, choose
from tools.images.errors import ImageError


@dataclass(frozen=True)
class BuiltImage:
    """An image in a file, ready to be loaded onto a node."""

    name: str
    reference: str
    archive: Path


def build(names: Sequence[str] = DEFAULT_NAMES, *, engine: str | None = None) -> tuple[BuiltImage, ...]:
    """Build the named images where their inputs changed, and say how far it is.

    Raises ImageError, with what to do next, for an unknown name and for a build that fails.
    """
    if unknown := sorted(set(names) - set(IMAGES)):
        raise ImageError(f"there is no image named {', '.join(unknown)}: choose from {', '.join(IMAGES)}")
    folder = cache_directory().parent / "images"
    with exclusive(folder / "lock", waiting_for="another build of images"):
        images = [IMAGES[name] for name in names]
        built = [_target(image, folder) for image in images]
        missing = [pair for pair in zip(images, built, strict=True) if not pair[1].archive.exists()]
        if missing:
            _build_all(missing, choose(engine, folder), folder)
    return tuple(built)


def _target(image: Image, folder: Path) -> BuiltImage:
    tag = image.tag()
    return BuiltImage(image.name, f"{REPOSITORY}/{image.name}:{tag}", folder / f"{image.name}-{tag}.tar")


def _build_all(missing: Sequence[tuple[Image, BuiltImage]], engine: Engine, folder: Path) -> None:
    with engine.ready():
        for number, (image, target) in enumerate(missing, start=1):
            began = time.monotonic()
            say(f"images: building {image.name} ({number} of {len(missing)})")
            engine.build(
                dockerfile=image.dockerfile,
                reference=target.reference,
                arguments={"VERSION": __version__, **image.arguments},
                log=folder / "log" / f"{image.name}.log",
            )
            partial = target.archive.with_suffix(".partial")
            partial.unlink(missing_ok=True)
            engine.save(target.reference, partial)
            partial.rename(target.archive)
            _forget_old(image.name, folder)
            size = target.archive.stat().st_size / 1e6
            say(f"images: {target.reference} ({size:.0f} MB, {time.monotonic() - began:.0f} s)")


def _forget_old(name: str, folder: Path) -> None:
    """Delete all but this image's newest two files: the one before may belong to another clone's cluster."""
    archives = folder.glob(f"{name}-{'?' * TAG_LENGTH}.tar")
    for archive in sorted(archives, key=lambda file: file.stat().st_mtime)[:-2]:
        archive.unlink()
