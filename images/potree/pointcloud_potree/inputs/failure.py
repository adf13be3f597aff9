"""What is said of a file that no points can be read from."""

from pathlib import Path


class UnreadablePointsError(ValueError):
    """The file is no point cloud that we can read; the message says what is wrong and what to do about it."""


def cut_short(path: Path, announced: int, found: int | None) -> UnreadablePointsError:
    """For a file that announces more points than it has; None for an unknown number of them."""
    end = "before their end" if found is None else f"after {found}"
    return UnreadablePointsError(
        f"{path.name} announces {announced} points but ends {end}: it was not written to its end; export or copy it "
        "again"
    )
