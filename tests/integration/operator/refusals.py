"""Lays what a cluster may have against Jobs and pods: quotas, ranges, policies, webhooks. Each is of one namespace."""

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.integration.conftest import Json, Namespace, until
from tools.cluster.pki import CertificateAuthority

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
WEBHOOK = "weekdays.example.com"
REFUSAL = "photos are not welcome\non Mondays"


@dataclass(frozen=True)
class Denier:
    """A webhook's server on loopback that refuses all, and who vouches for it."""

    port: int
    authority: CertificateAuthority


Lay = Callable[[Namespace, Denier], None]
NOBODY = 1
"""A port on which nothing listens."""


def nothing(_namespace: Namespace, _denier: Denier) -> None:
    """Nothing to lay: the cluster is as it is."""


def quota(**hard: str) -> Lay:
    """A ResourceQuota of these amounts; in names of resources a dot is written as two underscores."""

    def lay(namespace: Namespace, _denier: Denier) -> None:
        amounts = {name.replace("__", "."): amount for name, amount in hard.items()}
        body = {"metadata": {"name": "tight"}, "spec": {"hard": amounts}}
        namespace.api.post(namespace.path("/api/v1", "resourcequotas"), body)

        def counted() -> object:
            found = namespace.api.get(namespace.path("/api/v1", "resourcequotas", "tight")) or {}
            return found.get("status", {}).get("hard")

        until(counted, "the quota to be counted")

    return lay


def limit_range(namespace: Namespace, _denier: Denier) -> None:
    """A LimitRange that allows containers 1 GiB."""
    limits = [{"type": "Container", "max": {"memory": "1Gi"}}]
    path = namespace.path("/api/v1", "limitranges")
    namespace.api.post(path, {"metadata": {"name": "tight"}, "spec": {"limits": limits}})


def policy(plural: str) -> Lay:
    """A ValidatingAdmissionPolicy that refuses pods or jobs."""

    def lay(namespace: Namespace, _denier: Denier) -> None:
        selector, rule = _scope(namespace, plural)
        constraints = {"namespaceSelector": selector, "resourceRules": [rule]}
        validations = [{"expression": "false", "message": REFUSAL.replace("\n", " ")}]
        spec = {"failurePolicy": "Fail", "matchConstraints": constraints, "validations": validations}
        binding = {"policyName": namespace.name, "validationActions": ["Deny"]}
        metadata = {"name": namespace.name}
        namespace.api.post(f"{ADMISSION}/validatingadmissionpolicies", {"metadata": metadata, "spec": spec})
        namespace.api.post(f"{ADMISSION}/validatingadmissionpolicybindings", {"metadata": metadata, "spec": binding})
        until(lambda: _refuses(namespace, plural), "the policy to be in force")

    return lay


def webhook(plural: str, *, answers: bool) -> Lay:
    """A webhook that is asked about pods or jobs, and without which none is created."""

    def lay(namespace: Namespace, denier: Denier) -> None:
        selector, rule = _scope(namespace, plural)
        bundle = base64.b64encode(denier.authority.certificate.read_bytes()).decode()
        port = denier.port if answers else NOBODY
        hook = {
            "name": WEBHOOK,
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 5,
            "namespaceSelector": selector,
            "rules": [rule],
            "clientConfig": {"url": f"https://127.0.0.1:{port}/validate", "caBundle": bundle},
        }
        body = {"metadata": {"name": namespace.name}, "webhooks": [hook]}
        namespace.api.post(f"{ADMISSION}/validatingwebhookconfigurations", body)
        until(lambda: _refuses(namespace, plural), "the webhook to be asked")

    return lay


def lift(namespace: Namespace) -> None:
    """Takes away what outlives the namespace."""
    kinds = ("validatingadmissionpolicybindings", "validatingadmissionpolicies", "validatingwebhookconfigurations")
    for kind in kinds:
        if namespace.api.get(f"{ADMISSION}/{kind}/{namespace.name}"):
            namespace.api.delete(f"{ADMISSION}/{kind}/{namespace.name}")


@contextmanager
def denying(authority: CertificateAuthority) -> Iterator[Denier]:
    """Runs the webhook's server."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("denier", common_name="denier", hosts=["127.0.0.1"]))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Denier(server.server_port, authority)
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        response = {"uid": review["request"]["uid"], "allowed": False, "status": {"message": REFUSAL}}
        body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Nothing: what was asked shows in what came of it."""


def _scope(namespace: Namespace, plural: str) -> tuple[Json, Json]:
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}}
    group = "batch" if plural == "jobs" else ""
    return selector, {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [plural]}


def _refuses(namespace: Namespace, plural: str) -> bool:
    """Whether a Job or pod would not be created, by asking without doing it."""
    pod = {"restartPolicy": "Never", "containers": [{"name": "x", "image": "example.com/x"}]}
    spec = {"template": {"spec": pod}} if plural == "jobs" else pod
    path = namespace.path("/apis/batch/v1" if plural == "jobs" else "/api/v1", plural)
    answer = namespace.api.http.post(f"{path}?dryRun=All", json={"metadata": {"name": "asks"}, "spec": spec})
    return not answer.is_success
