"""What the gateway asks of the Kubernetes API: whose a token is, and how a PointcloudJob stands."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import aiohttp
from kubernetes.aio import client, config

from pointcloud_api.names import GROUP, PLURAL, VERSION

_TIMEOUT: Final = 5
"""Seconds; behind every question somebody waits."""
_NOT_FOUND: Final = 404


class ClusterUnavailableError(Exception):
    """The API server does not answer, or answers with an error; worth another try."""


class Cluster:
    """Questions to one API server."""

    def __init__(self, api: client.ApiClient) -> None:
        self._authentication = client.AuthenticationV1Api(api)
        self._resources = client.CustomObjectsApi(api)

    @classmethod
    @asynccontextmanager
    async def connect(cls) -> AsyncIterator["Cluster"]:
        """Connect as the pod's service account, or outside a cluster as KUBECONFIG says."""
        configuration = client.Configuration()
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            await config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        async with client.ApiClient(configuration) as api:
            yield cls(api)

    async def review_token(self, token: str, audience: str) -> client.V1TokenReviewStatus:
        """What a TokenReview for `audience` says of a token. Raises ClusterUnavailableError."""
        review = client.V1TokenReview(spec=client.V1TokenReviewSpec(token=token, audiences=[audience]))
        try:
            answer = await self._authentication.create_token_review(review, _request_timeout=_TIMEOUT)
        except (client.ApiException, aiohttp.ClientError, TimeoutError) as error:
            raise ClusterUnavailableError("the API server could not review a token; try again") from error
        return answer.status or client.V1TokenReviewStatus()

    async def pointcloud_job(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """A PointcloudJob as plain JSON, or None. Raises ClusterUnavailableError."""
        try:
            job = await self._resources.get_namespaced_custom_object(
                GROUP, VERSION, namespace, PLURAL, name, _request_timeout=_TIMEOUT
            )
        except client.ApiException as error:
            if error.status == _NOT_FOUND:
                return None
            raise ClusterUnavailableError(f"the API server answered {error.status} for {namespace}/{name}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ClusterUnavailableError("the API server does not answer; try again") from error
        return cast("Mapping[str, Any]", job)
