"""Tells what is being done, on stderr: stdout is kept for answers that scripts read."""

import sys


def say(message: str) -> None:
    """Print one line of progress at once."""
    print(message, file=sys.stderr, flush=True)
