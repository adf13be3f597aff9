"""The image of every pod's first container, put together by hand: one static program needs no image builder."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

IMAGE = "localhost/pointcloud-pause:1"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write_archive(archive: Path, *, program: Path, machine: str) -> None:
    """Write an OCI image archive (image-layout 1.0.0) whose one file is the program.

    Args:
        archive: The file to write.
        program: The static executable, built from go/pause.
        machine: The processor, as `platform.machine` calls it.
    """
    layer = _tar({"pause": program.read_bytes()}, mode=0o555)
    blobs: dict[str, bytes] = {}

    def store(media_type: str, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    config = {
        "architecture": _ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": store("application/vnd.oci.image.config.v1+json", _json(config)),
        "layers": [store("application/vnd.oci.image.layer.v1.tar+gzip", gzip.compress(layer, mtime=0))],
    }
    index = {"schemaVersion": 2, "manifests": [store(media_type, _json(manifest))]}
    files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index), **blobs}
    archive.write_bytes(_tar(files, mode=0o444))


def _tar(files: dict[str, bytes], *, mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True).encode()
