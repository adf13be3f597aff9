"""Whose a token is, by TokenReview: only tokens made for the store's audience count.

The API server stops accepting a token bound to a pod once that pod is gone, force-deleted or not. It remembers a
yes for 10 s itself, to which the cache here adds `ACCEPTED_SECONDS`; that is harmless, because a pod writes into its
own folder only.
"""

from typing import Final

from pointcloud_api.names import STORE_AUDIENCE
from pointcloud_gateway.cache import CoalescingCache
from pointcloud_gateway.cluster import Cluster, TokenReview
from pointcloud_gateway.store.authorisation import Identity

ACCEPTED_SECONDS: Final = 5.0
REFUSED_SECONDS: Final = 2.0

_SERVICE_ACCOUNT: Final = "system:serviceaccount:"
_POD_UID: Final = "authentication.kubernetes.io/pod-uid"


class TokenReviewAuthenticator:
    """Asks the API server, and remembers the answer for some seconds."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._identities = CoalescingCache(self._review, lifetime=_lifetime)

    async def __call__(self, token: str) -> Identity | None:
        """Whom the token belongs to; None when it is not accepted. Raises ClusterUnavailableError."""
        return await self._identities.get(token)

    async def _review(self, token: str) -> Identity | None:
        return identity_of(await self._cluster.review_token(token, STORE_AUDIENCE))


def _lifetime(identity: Identity | None) -> float:
    return REFUSED_SECONDS if identity is None else ACCEPTED_SECONDS


def identity_of(review: TokenReview | None) -> Identity | None:
    """The identity that a TokenReview vouches for, if any."""
    # An authenticator that knows nothing of audiences accepts any and names none: then the token is not for us.
    if review is None or STORE_AUDIENCE not in review.audiences:
        return None
    username = review.user.name
    namespace = username.removeprefix(_SERVICE_ACCOUNT).partition(":")[0]
    return Identity(
        username=username,
        namespace=namespace if username.startswith(_SERVICE_ACCOUNT) else None,
        pod_uid=next(iter(review.extra.get(_POD_UID, ())), None),
    )
