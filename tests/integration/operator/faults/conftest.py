"""What every suite of faults starts from."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.fixtures.store import StoreServer
from tests.integration.operator.conftest import Kubelet
from tests.integration.operator.faults.rig import Recording, Rig
from tools.cluster.controlplane import ControlPlane

MakeRig = Callable[[Mapping[str, float]], AbstractAsyncContextManager[Rig]]


@pytest.fixture
def make_rig(control_plane: ControlPlane, kubelet: Kubelet, store: StoreServer, tmp_path: Path) -> MakeRig:
    """Makes a rig whose operator has other constants."""
    del kubelet  # it and the resource have to be there
    return lambda constants: Rig.running(control_plane, store, tmp_path, constants)


@pytest.fixture(scope="session")
def recordings() -> dict[str, Recording]:
    """Undisturbed runs by scenario, filled by the first suite that needs them."""
    return {}
