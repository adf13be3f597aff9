"""Pillow before pycolmap: loaded the other way round, Pillow's PNG encoder corrupts memory and aborts."""

import PIL._imaging  # noqa: F401
