"""Removes what one stage made under one key, or all that one job has below one root.

It holds nothing but what the storage does, so it may be killed at any point, and be asked for again by the next
replica: `result.json` goes first, so that no key that has lost something counts as done. Only the folders of pods that
were there when it began are removed, because a key may come to be wanted again meanwhile, and a new pod writes a new
folder.
"""

import time
from typing import Final

from pointcloud_api.names import result_path, uploads_prefix
from pointcloud_gateway.objects import Objects
from pointcloud_gateway.store.authorisation import BadPathError, ObjectPath

_JOB_PARTS: Final = 4
"""root/namespace/name/uid"""
_KEY_PARTS: Final = 5


async def erase(objects: Objects, folder: ObjectPath, *, seconds: float) -> bool:
    """Remove the folder of a job or of a key; whether all of it is gone after at most about `seconds`.

    Raises BadPathError for any other folder, and what the storage raises.
    """
    until = time.monotonic() + seconds
    keys = await _keys(objects, folder)
    pods = [pod for key in keys for pod in await objects.folders(key)]
    await objects.delete(*(result_path(key) for key in keys))
    for pod in pods:
        if not await objects.delete_below(pod, until=until):
            return False
    if len(folder.parts) == _JOB_PARTS and not await objects.delete_below(str(folder), until=until):
        return False
    await objects.remove_empty(str(folder), up_to="/".join(folder.parts[:2]))
    return True


async def _keys(objects: Objects, folder: ObjectPath) -> list[str]:
    if len(folder.parts) == _JOB_PARTS:
        return await objects.folders(str(folder))
    if len(folder.parts) == _KEY_PARTS and not _holds_uploads(folder):
        return [str(folder)]
    raise BadPathError("only <root>/<namespace>/<name>/<uid>/ and <root>/<namespace>/<name>/<uid>/<key>/ are removed")


def _holds_uploads(folder: ObjectPath) -> bool:
    _, namespace, name, uid, _ = folder.parts
    return str(folder) == uploads_prefix(namespace=namespace, name=name, uid=uid)
