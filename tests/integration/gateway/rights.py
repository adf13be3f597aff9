"""Accounts, roles and tokens of a real API server, for tests of who may do what."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from pointcloud_api.names import GROUP, PLURAL

RBAC = "/apis/rbac.authorization.k8s.io/v1"
AUDIENCE = "pointcloud-gateway"
VIEWING = ("get", "list", "watch")
EDITING = (*VIEWING, "create", "patch", "delete")


@dataclass(frozen=True)
class Account:
    """A service account in the namespace a, which may do nothing until it is granted something."""

    api: httpx.Client
    name: str

    @classmethod
    def make(cls, api: httpx.Client) -> "Account":
        name = f"someone-{uuid.uuid4().hex[:8]}"
        api.post("/api/v1/namespaces/a/serviceaccounts", json={"metadata": {"name": name}})
        return cls(api, name)

    @property
    def username(self) -> str:
        return f"system:serviceaccount:a:{self.name}"

    def may(self, verbs: Sequence[str], namespace: str, *, names: Sequence[str] = ()) -> "Account":
        """Grant verbs on PointcloudJobs there, or on those of the names."""
        grant(self.api, {"kind": "User", "name": self.username}, verbs, namespace, names=names)
        return self

    def token(self, audience: str | None = AUDIENCE) -> str:
        """A token of that audience; None is the API server's own."""
        return request_token(self.api, "a", self.name, {"audiences": [audience] if audience else []})


def grant(
    api: httpx.Client, subject: dict[str, str], verbs: Sequence[str], namespace: str, *, names: Sequence[str] = ()
) -> str:
    """Let a subject do so, by a Role and a RoleBinding, whose name is returned."""
    name = f"role-{uuid.uuid4().hex[:8]}"
    rule = {"apiGroups": [GROUP], "resources": [PLURAL], "verbs": list(verbs), "resourceNames": list(names)}
    metadata = {"metadata": {"name": name}}
    api.post(f"{RBAC}/namespaces/{namespace}/roles", json={**metadata, "rules": [rule]})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    binding = {**metadata, "roleRef": reference, "subjects": [{"apiGroup": reference["apiGroup"], **subject}]}
    api.post(f"{RBAC}/namespaces/{namespace}/rolebindings", json=binding)
    return name


def request_token(api: httpx.Client, namespace: str, account: str, spec: dict[str, Any]) -> str:
    """A token by the TokenRequest API, as a kubelet gets it for a projected volume."""
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    spec = {"expirationSeconds": 600, **spec}
    token: str = api.post(f"{accounts}/{account}/token", json={"spec": spec}).json()["status"]["token"]
    return token


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}
