"""Who is calling, and what they may do: both are asked of Kubernetes, so that RBAC is the only place for rights.

The gateway acts with its own account after it has asked. It never acts as somebody else, so it needs no right to.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from pointcloud_api.names import GATEWAY_AUDIENCE, GROUP, PLURAL
from pointcloud_gateway.access.api_keys import ApiKeys
from pointcloud_gateway.access.bearer import bearer_credential
from pointcloud_gateway.access.identity import User
from pointcloud_gateway.cache import CoalescingCache
from pointcloud_gateway.cluster import Cluster
from pointcloud_gateway.job_ids import JobId
from pointcloud_gateway.problems import JobNotFound, Problem

_ACCEPTED_SECONDS: Final = 10.0
_REFUSED_SECONDS: Final = 2.0
_RIGHTS_SECONDS: Final = 10.0
_MAX_RIGHTS: Final = 16_384
_QUESTIONS_AT_ONCE: Final = 32
_MAX_KNOWN: Final = 16_384


@dataclass(frozen=True)
class _Question:
    """The attributes of a SubjectAccessReview."""

    user: User
    verb: str
    namespace: str
    resource: str
    group: str
    name: str


class Access:
    """Identifies callers, and asks what they may do; remembers either for seconds."""

    def __init__(self, cluster: Cluster, *, api_keys: ApiKeys, default_namespace: str) -> None:
        self._cluster = cluster
        self._api_keys = api_keys
        self._default_namespace = default_namespace
        self._reviewed = CoalescingCache(self._review, lifetime=_lifetime)
        self._rights = CoalescingCache(self._ask, lifetime=lambda _: _RIGHTS_SECONDS, max_entries=_MAX_RIGHTS)
        self._asking = asyncio.Semaphore(_QUESTIONS_AT_ONCE)
        self._known: OrderedDict[bytes, User] = OrderedDict()

    async def user(self, request: Request) -> User:
        """Whom the request comes from. Raises Problem (401) and ClusterUnavailableError."""
        credential = bearer_credential(request)
        user = None if credential is None else await self._owner(credential)
        if user is None:
            raise _unauthorised(refused=credential is not None)
        return user

    def known(self, credential: str) -> User | None:
        """Whose credential it was when it was last accepted, if it was lately: for counting, not for rights."""
        return self._known.get(_digest(credential))

    async def require(self, request: Request, verb: str, job_id: JobId) -> User:
        """The caller, who may `verb` this PointcloudJob.

        Raises Problem: 401 for nobody; JobNotFound for who may not even get it, whether it exists or not; 403 for who
        may see it and not do this. Raises ClusterUnavailableError.
        """
        user = await self.user(request)
        if not await self._may_on(user, "get", job_id):
            raise JobNotFound(job_id.text(default_namespace=self._default_namespace))
        if verb != "get" and not await self._may_on(user, verb, job_id):
            detail = (
                f"{user.name} may not {verb} {PLURAL} in the namespace {job_id.namespace}. "
                f"A Role with the verb {verb} on {PLURAL}.{GROUP}, bound there, would allow it."
            )
            raise Problem(403, detail)
        return user

    async def may(  # noqa: PLR0913 - the attributes of a SubjectAccessReview
        self, user: User, verb: str, namespace: str, *, resource: str = PLURAL, group: str = GROUP, name: str = ""
    ) -> bool:
        """Whether a user may do it: to the one of that name or, without a name, to all. As of the last 10 seconds.

        Raises ClusterUnavailableError.
        """
        return await self._rights.get(_Question(user, verb, namespace, resource, group, name))

    async def namespaces(self, user: User, among: Iterable[str]) -> frozenset[str]:
        """Those in which the user may list PointcloudJobs. Raises ClusterUnavailableError."""
        candidates = sorted(set(among))
        if not candidates or await self.may(user, "list", ""):  # "" are all
            return frozenset(candidates)
        visible = await asyncio.gather(*(self.may(user, "list", namespace) for namespace in candidates))
        return frozenset(namespace for namespace, may in zip(candidates, visible, strict=True) if may)

    async def _may_on(self, user: User, verb: str, job_id: JobId) -> bool:
        """By a role for the whole namespace, as nearly always, or by one that names the PointcloudJob."""
        if await self.may(user, verb, job_id.namespace):
            return True
        return await self.may(user, verb, job_id.namespace, name=job_id.name)

    async def _owner(self, credential: str) -> User | None:
        user = await self._api_keys.user(credential) or await self._reviewed.get(credential)
        if user is not None:
            digest = _digest(credential)
            self._known[digest] = user
            self._known.move_to_end(digest)
            if len(self._known) > _MAX_KNOWN:
                self._known.popitem(last=False)
        return user

    async def _review(self, token: str) -> User | None:
        review = await self._cluster.review_token(token, GATEWAY_AUDIENCE)
        # An authenticator that knows nothing of audiences accepts any and names none: then the token is not for us.
        if review is None or GATEWAY_AUDIENCE not in review.audiences:
            review = await self._cluster.review_token(token)
        return review.user if review is not None and review.user.name else None

    async def _ask(self, question: _Question) -> bool:
        async with self._asking:
            return await self._cluster.may(
                question.user,
                question.verb,
                question.namespace,
                name=question.name,
                resource=question.resource,
                group=question.group,
            )


def _digest(credential: str) -> bytes:
    return hashlib.sha256(credential.encode()).digest()


def _lifetime(user: User | None) -> float:
    return _REFUSED_SECONDS if user is None else _ACCEPTED_SECONDS


def _unauthorised(*, refused: bool) -> Problem:
    detail = (
        "This credential is not accepted: it is no API key, and the API server does not take it for a token of the "
        f"audience {GATEWAY_AUDIENCE} or of its own. It may have expired."
        if refused
        else "Send an API key or a token as `Authorization: Bearer <it>`; "
        f"`kubectl create token <service account> --audience {GATEWAY_AUDIENCE}` makes one."
    )
    challenge = 'Bearer error="invalid_token"' if refused else "Bearer"
    return Problem(401, detail, headers={"WWW-Authenticate": challenge})
