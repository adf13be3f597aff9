"""Which images there are and what each is made from, read from its Dockerfile, so that nothing can be forgotten."""

import hashlib
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

REPOSITORY: Final = "localhost/pointcloud-operator"
TAG_LENGTH: Final = 12
ROOT: Final = Path(__file__).resolve().parents[2]
"""The clone: every image's build context."""
IGNORED: Final = frozenset({"__pycache__", "node_modules", "dist"})
"""Folders of these names never reach a builder; `.dockerignore` says the same."""


@dataclass(frozen=True)
class Image:
    """One image of ours."""

    name: str
    folder: str
    """The folder below `images/` that has its Dockerfile."""
    arguments: dict[str, str] = field(default_factory=dict)
    """Build arguments that make another image of the same Dockerfile."""

    @property
    def dockerfile(self) -> Path:
        """The Dockerfile, absolute."""
        return ROOT / "images" / self.folder / "Dockerfile"

    def sources(self) -> tuple[str, ...]:
        """What the Dockerfile copies from the clone, as it names it, relative to the clone's root."""
        found = []
        for line in self.dockerfile.read_text().splitlines():
            words = line.split()
            if words[:1] == ["COPY"] and not words[1].startswith("--from="):
                found += [string.Template(word).safe_substitute(self.arguments) for word in words[1:-1]]
        return tuple(found)

    def files(self) -> Iterator[Path]:
        """Every file that the image is made from, absolute."""
        yield self.dockerfile
        yield ROOT / ".dockerignore"
        for source in self.sources():
            path = ROOT / source
            if not path.exists():
                raise FileNotFoundError(f"{self.dockerfile} copies {source}, which is not there")
            yield from [path] if path.is_file() else _below(path)

    def tag(self) -> str:
        """Hex digits over names, contents and executable bits of all files: equal inputs, equal tag."""
        digest = hashlib.sha256(repr(sorted(self.arguments.items())).encode())
        for path in sorted(set(self.files())):
            executable = bool(path.stat().st_mode & 0o100)
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(ROOT)}\0{executable}\0{content}\n".encode())
        return digest.hexdigest()[:TAG_LENGTH]


def _below(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in IGNORED:
            continue
        if path.is_dir():
            yield from _below(path)
        else:
            yield path


IMAGES: Final = {
    image.name: image
    for image in (
        Image("operator", "operator"),
        Image("gateway", "gateway"),
        Image("ingest", "ingest"),
        Image("colmap", "colmap", {"REQUIREMENTS": "colmap"}),
        Image("colmap-cuda12", "colmap", {"REQUIREMENTS": "colmap-cuda12"}),
        Image("potree", "potree"),
    )
}
DEFAULT_NAMES: Final = ("operator", "gateway", "ingest", "colmap", "potree")
"""What is built unless named: all that a cluster without a real GPU needs."""
