"""What this install is and allows, and who is calling."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pointcloud_api import __version__
from pointcloud_api.resource import Encoding, Quality
from pointcloud_gateway.access.access import Access
from pointcloud_gateway.access.grants import Grants
from pointcloud_gateway.api.answers import json_answer
from pointcloud_gateway.api.listing import Listing
from pointcloud_gateway.api.openapi import PUBLIC, problems
from pointcloud_gateway.api.schemas import Caller, InstallInfo, Limits, WebhookSecret
from pointcloud_gateway.job_ids import is_namespace
from pointcloud_gateway.problems import Problem
from pointcloud_gateway.settings import Settings


def install_router(settings: Settings, listing: Listing, access: Access, grants: Grants) -> APIRouter:
    """The routes, with what they need."""
    install = _Install(settings, listing, access, grants)
    router = APIRouter(tags=["Install"])
    router.add_api_route(
        "/api",
        install.info,
        operation_id="getInstall",
        summary="What this install is and allows",
        response_model=InstallInfo,
        openapi_extra=PUBLIC,
    )
    router.add_api_route(
        "/whoami", install.whoami, operation_id="whoAmI", summary="Who is calling", response_model=Caller
    )
    router.add_api_route(
        "/namespaces/{namespace}/webhook-secret",
        install.webhook_secret,
        operation_id="getWebhookSecret",
        summary="What a namespace's webhooks are signed with",
        response_model=WebhookSecret,
        responses=problems(403, 404),
    )
    return router


class _Install:
    def __init__(self, settings: Settings, listing: Listing, access: Access, grants: Grants) -> None:
        self._settings = settings
        self._listing = listing
        self._access = access
        self._grants = grants
        self._info = InstallInfo(
            version=__version__,
            default_namespace=settings.default_namespace,
            anonymous_viewing=settings.anonymous_viewing,
            limits=Limits(
                max_file_bytes=settings.max_file_bytes,
                max_files=settings.max_files,
                max_job_bytes=settings.max_job_bytes,
            ),
            qualities=list(Quality),
            encodings=list(Encoding),
        )

    async def info(self) -> Response:
        """For clients, before they ask for credentials."""
        return json_answer(self._info)

    async def whoami(self, request: Request) -> Response:
        """As Kubernetes knows the caller, and where they may see and make jobs."""
        user = await self._access.user(request)
        candidates = {*self._listing.live_namespaces(), self._settings.default_namespace}
        visible = sorted(await self._access.namespaces(user, candidates))
        may_create = [each for each in sorted(candidates) if await self._access.may(user, "create", each)]
        return json_answer(
            Caller(username=user.name, groups=list(user.groups), namespaces=visible, may_create=may_create)
        )

    async def webhook_secret(self, namespace: str, request: Request) -> Response:
        """For who receives the messages; needs the right to create jobs in the namespace."""
        user = await self._access.user(request)
        if not is_namespace(namespace) or not await self._access.may(user, "list", namespace):
            raise Problem(404, "There is no such namespace, or it is not yours to see.")
        if not await self._access.may(user, "create", namespace):
            raise Problem(403, f"{user.name} may not create pointcloudjobs in the namespace {namespace}.")
        return json_answer(WebhookSecret(secret=self._grants.webhook_secret(namespace)))
