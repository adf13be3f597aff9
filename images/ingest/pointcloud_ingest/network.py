"""Connects only to public addresses, and says of others what a user can do about it."""

import httpx

from pointcloud_api.stages import ExitCode, Reason
from pointcloud_net.addresses import NotPublicError
from pointcloud_net.transport import CheckedTransport
from pointcloud_stage import StageFailure


class SourceTransport(CheckedTransport):
    """Raises StageFailure(ADDRESS_NOT_ALLOWED) for a host none of whose addresses is allowed."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request to a checked address of its host."""
        try:
            return super().handle_request(request)
        except NotPublicError as error:
            raise StageFailure(
                Reason.ADDRESS_NOT_ALLOWED,
                str(error),
                "Name a source on a public address, put the photos in a PersistentVolumeClaim, or set "
                "ingestLimits.allowPrivateAddresses in the install's values.",
                exit_code=ExitCode.BAD_SETTINGS,
            ) from None
