"""Pillow before pycolmap: loaded the other way round, Pillow's PNG encoder meets pycolmap's zlib and corrupts memory."""

import PIL._imaging  # noqa: F401
