"""What every request of the public port passes before the application sees it."""

from limits import parse
from starlette.types import ASGIApp

from pointcloud_gateway.access.access import Access
from pointcloud_gateway.access.headers import CrossOrigin, SecurityHeaders
from pointcloud_gateway.access.limits import RateLimit
from pointcloud_gateway.public import PREFIXES
from pointcloud_gateway.settings import Settings


def guard(app: ASGIApp, settings: Settings, access: Access) -> ASGIApp:
    """The application behind its limits; refusals carry the same headers as answers, so that pages can read them."""
    if settings.rate_limit:
        limit = parse(settings.rate_limit)
        app = RateLimit(app, limit=limit, known_user=access.known, exempt_prefixes=PREFIXES)
    return SecurityHeaders(CrossOrigin(app, origins=settings.cors_origins, open_prefixes=PREFIXES))
