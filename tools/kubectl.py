"""kubectl on the local cluster, as a person would type it, for the demo, the installer and the end-to-end tests."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class KubectlError(RuntimeError):
    """kubectl refused; the message is what it said."""


@dataclass(frozen=True, kw_only=True)
class Kubectl:
    """A kubectl program and the cluster that it talks to."""

    program: Path
    kubeconfig: Path
    namespace: str = "default"

    def within(self, namespace: str) -> "Kubectl":
        """The same for another namespace."""
        return Kubectl(program=self.program, kubeconfig=self.kubeconfig, namespace=namespace)

    def command(self, *words: str) -> list[str]:
        """The whole command line, for those who start it themselves."""
        return [str(self.program), "--kubeconfig", str(self.kubeconfig), "--namespace", self.namespace, *words]

    def __call__(self, *words: str, stdin: bytes | None = None) -> str:
        """Run to the end and return stdout; raises KubectlError with stderr."""
        done = subprocess.run(self.command(*words), input=stdin, capture_output=True, check=False)
        if done.returncode != 0:
            raise KubectlError(done.stderr.decode(errors="replace").strip() or f"kubectl {words[0]} failed")
        return done.stdout.decode()

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Apply objects, as `kubectl apply -f`."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self("apply", "-f", "-", stdin=json.dumps(listed).encode())

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """One object, or None when there is none."""
        text = self("get", kind, name, "-o", "json", "--ignore-not-found")
        return dict(json.loads(text)) if text.strip() else None

    def items(self, kind: str, *words: str) -> list[dict[str, Any]]:
        """The objects of a kind in the namespace; more words select (`-l app=x`)."""
        return list(json.loads(self("get", kind, "-o", "json", *words))["items"])

    def watch(self, kind: str, *selectors: str) -> "Iterator[dict[str, Any]]":
        """Every state of the selected objects from now on, as the API server tells of it; leave the loop to end it.

        A selector is `--field-selector=metadata.name=x` or `--selector=app=x`. A watch that the API server ends (it
        does, after some minutes) is opened again.
        """
        while True:
            words = ("get", kind, *selectors, "-o", "json", "--watch")
            with subprocess.Popen(self.command(*words), stdout=subprocess.PIPE) as process:
                try:
                    yield from _objects(process)
                finally:
                    process.terminate()

    @contextmanager
    def port_forward(self, target: str, port: int) -> Iterator[int]:
        """Forward a free local port to a port of a Service or pod, for as long as the context lasts."""
        words = ("port-forward", target, f":{port}", "--address", "127.0.0.1")
        with subprocess.Popen(self.command(*words), stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None  # noqa: S101 - asked for above
                line = process.stdout.readline()
                if not line:
                    raise KubectlError(f"cannot forward a port to {target}")
                yield int(line.split("127.0.0.1:")[1].split(" ")[0])
            finally:
                process.terminate()


def named(name: str) -> str:
    """The selector of one object."""
    return f"--field-selector=metadata.name={name}"


def _objects(process: "subprocess.Popen[bytes]") -> Iterator[dict[str, Any]]:
    """Splits the stream of JSON objects that a watch prints."""
    assert process.stdout is not None  # noqa: S101 - asked for by the caller
    decoder, text = json.JSONDecoder(), ""
    while chunk := process.stdout.read1(1 << 16):  # type: ignore[attr-defined]
        text += chunk.decode()
        while text := text.lstrip():
            try:
                value, end = decoder.raw_decode(text)
            except ValueError:
                break
            yield value
            text = text[end:]
