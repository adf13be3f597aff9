"""What kopf calls: it runs the process, from its start to the signal that ends it.

It watches nothing. What the operator sees comes through reflectors of its own (`runtime.view` says why).
"""

from typing import Any

import kopf

from pointcloud_kube.api import in_cluster
from pointcloud_operator.runtime.operator import Operator


@kopf.on.login()
def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """Takes the same credentials as the operator's own connection."""
    return kopf.login_with_service_account(**kwargs) if in_cluster() else kopf.login_with_kubeconfig(**kwargs)


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, memo: kopf.Memo, **_: Any) -> None:
    """Starts the operator."""
    settings.scanning.disabled = True
    settings.posting.enabled = False
    await _operator(memo).start()


@kopf.on.cleanup()
async def stop(memo: kopf.Memo, **_: Any) -> None:
    """Ends it in good order."""
    await _operator(memo).stop()


def _operator(memo: kopf.Memo) -> Operator:
    operator: Operator = memo.operator
    return operator
