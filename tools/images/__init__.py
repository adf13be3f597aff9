"""Builds the images, each tagged with a hash of what it is made from, with buildah or docker alike.

`build` is for other tools; `python -m tools.images build` is for people.
"""

from tools.images.builder import BuiltImage, build
from tools.images.catalogue import DEFAULT_NAMES, IMAGES
from tools.images.errors import ImageError

__all__ = ["DEFAULT_NAMES", "IMAGES", "BuiltImage", "ImageError", "build"]
