"""What kopf calls: it watches PointcloudJobs, and hands every change to the controller.

Handlers return nothing, because kopf would write what they return into the status.
"""

from typing import Any

import kopf

from pointcloud_api.names import GROUP, PLURAL, VERSION
from pointcloud_operator.runtime.api import in_cluster
from pointcloud_operator.runtime.controller import Controller


@kopf.on.login()
def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """Takes the same credentials as the controller's own connection."""
    return kopf.login_with_service_account(**kwargs) if in_cluster() else kopf.login_with_kubeconfig(**kwargs)


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, memo: kopf.Memo, **_: Any) -> None:
    """Sets kopf to watch and nothing else, and starts the controller before the first event arrives."""
    settings.scanning.disabled = True  # asks for fewer rights; __main__ has seen that the resource exists
    settings.posting.enabled = False  # Events are the controller's
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.networking.request_timeout = 30
    memo.controller = await memo.make_controller()
    await memo.controller.start()


@kopf.on.cleanup()
async def stop(memo: kopf.Memo, **_: Any) -> None:
    """Stops the controller."""
    await _controller(memo).stop()


@kopf.on.event(GROUP, VERSION, PLURAL)
async def pointcloud_job(event: kopf.RawEvent, memo: kopf.Memo, **_: Any) -> None:
    """Passes on what has changed; what to do about it depends on the state, not on the change."""
    obj = dict(event["object"])
    if event["type"] == "DELETED":
        _controller(memo).pointcloud_job_deleted(obj)
    else:
        _controller(memo).pointcloud_job_changed(obj)


@kopf.on.probe(errors=kopf.ErrorsMode.PERMANENT)
async def alive(memo: kopf.Memo, **_: Any) -> str:
    """Answers the liveness probe; an error makes it fail, so that the kubelet restarts an operator that hangs."""
    if problem := _controller(memo).problem():
        raise kopf.PermanentError(problem)
    return "ok"


def _controller(memo: kopf.Memo) -> Controller:
    controller: Controller = memo.controller
    return controller
