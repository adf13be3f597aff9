"""Puts a folder of photos into a PersistentVolumeClaim, the way a user would: a pod that holds it, and tar."""

import subprocess
import tarfile
from pathlib import Path

from tools.kubectl import Kubectl, KubectlError

UID = 10001


def claim(name: str, *, size: str = "2Gi") -> dict[str, object]:
    """A claim for photos."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }


def loader_pod(name: str, *, claim_name: str, image: str) -> dict[str, object]:
    """A pod that does nothing but hold the claim open for writing. Fit for the `restricted` Pod Security level."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": UID,
                "fsGroup": UID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "loader",
                    "image": image,
                    "command": ["sleep", "infinity"],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    "volumeMounts": [{"name": "photos", "mountPath": "/photos"}],
                }
            ],
            "volumes": [{"name": "photos", "persistentVolumeClaim": {"claimName": claim_name}}],
        },
    }


def load(kubectl: Kubectl, photos: Path, *, claim_name: str, image: str) -> None:
    """Make the claim if need be and copy the folder's files into its root, with the image's own tar.

    Raises KubectlError with what the cluster said, and NotADirectoryError when the folder is none.
    """
    if not photos.is_dir():
        raise NotADirectoryError(f"{photos} is not a folder: name one that holds photos")
    pod = f"{claim_name}-loader"
    kubectl.apply(claim(claim_name), loader_pod(pod, claim_name=claim_name, image=image))
    try:
        kubectl("wait", "--for=condition=Ready", f"pod/{pod}", "--timeout=120s")
        words = kubectl.command("exec", "-i", pod, "--", "tar", "-C", "/photos", "-xf", "-")
        with subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            with tarfile.open(fileobj=process.stdin, mode="w|") as archive:
                for path in sorted(photos.rglob("*")):
                    if path.is_file():
                        archive.add(path, arcname=str(path.relative_to(photos)), filter=_as_the_stages_user)
            process.stdin.close()  # type: ignore[union-attr]
            said = process.stderr.read().decode()  # type: ignore[union-attr]
        if process.returncode != 0:
            raise KubectlError(said)
    finally:
        kubectl("delete", "pod", pod, "--ignore-not-found", "--wait=true")


def _as_the_stages_user(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = UID
    entry.mode = 0o644
    return entry
