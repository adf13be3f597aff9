"""What goes wrong with the images, in words meant for the person at the terminal."""


class ImageError(Exception):
    """A failure whose message says what happened and what to do next; shown without a traceback."""
