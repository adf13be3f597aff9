"""Asks an API server simple questions without the weight of a client library."""

import http.client
import json
import ssl
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ApiServer:
    """An API server and a client certificate that it trusts."""

    address: str
    port: int
    authority: Path
    certificate: Path
    key: Path

    @property
    def url(self) -> str:
        """What a kubeconfig names it by."""
        return f"https://{self.address}:{self.port}"

    def ready(self) -> bool:
        """Whether it says that it can serve."""
        return self._get("/readyz") is not None

    def get(self, path: str) -> Any:
        """The object at a path, or None if there is none or the server does not answer."""
        body = self._get(path)
        return None if body is None else json.loads(body)

    def _get(self, path: str) -> bytes | None:
        connection = http.client.HTTPSConnection(self.address, self.port, timeout=5, context=self._tls)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        return body if response.status == http.client.OK else None

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority))
        context.load_cert_chain(self.certificate, self.key)
        return context
