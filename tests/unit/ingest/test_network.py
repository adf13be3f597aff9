import httpx
import pytest

from pointcloud_api.stages import ExitCode, Reason
from pointcloud_ingest.network import SourceTransport
from pointcloud_stage import StageFailure


def test_a_private_address_fails_the_stage_with_its_remedy() -> None:
    with httpx.Client(transport=SourceTransport(allow_private=False)) as client, pytest.raises(StageFailure) as caught:
        client.get("http://127.0.0.1/a")
    assert caught.value.error.reason == Reason.ADDRESS_NOT_ALLOWED
    assert caught.value.exit_code is ExitCode.BAD_SETTINGS
    assert "127.0.0.1" in caught.value.error.message
    assert "allowPrivateAddresses" in caught.value.error.remedy
