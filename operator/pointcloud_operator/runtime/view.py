"""What the operator sees of the cluster: PointcloudJobs, and the Jobs and pods made for them, each kept by a watch.

All three come through the same reflector, kopf's own watch through none of them: when it has to begin anew it tells
nothing of what vanished meanwhile, so that a PointcloudJob deleted during an outage would be counted, remembered and
followed for ever.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from pointcloud_api.names import GROUP, JOB_LABEL, MANAGED_BY_LABEL, MANAGER, PLURAL, VERSION
from pointcloud_kube.api import ApiServer, Json
from pointcloud_kube.reflector import OwnedCache, Reflector, owner_uid
from pointcloud_operator.model.observed import JobView, PodView
from pointcloud_operator.runtime.queue import Key

_OURS: Final = f"{MANAGED_BY_LABEL}={MANAGER},{JOB_LABEL}"

OnChange = Callable[[Key], None]
OnPod = Callable[[Json, bool], None]
"""Called with a pod as it is now, and whether it is there still."""


class View:
    """Caches of what is in the cluster.

    Args:
        api: The API server.
        on_change: Called with a PointcloudJob of which something has changed: itself, a Job or a pod.
        on_gone: Called with a PointcloudJob that is no more.
        on_pod: Called with every pod that has changed.
    """

    def __init__(self, api: ApiServer, *, on_change: OnChange, on_gone: OnChange, on_pod: OnPod) -> None:
        self._on_change = on_change
        self._on_gone = on_gone
        self._on_pod = on_pod
        self._by_name: dict[tuple[str, str], Key] = {}
        path = f"/apis/{GROUP}/{VERSION}/{PLURAL}"
        self._pointcloud_jobs = Reflector(api, path, selector="", on_change=self._pointcloud_job_changed)
        self._jobs = Reflector(api, "/apis/batch/v1/jobs", selector=_OURS, on_change=self._job_changed)
        self._pods = Reflector(api, "/api/v1/pods", selector=_OURS, on_change=self._pod_changed)
        self.reflectors: Final = {PLURAL: self._pointcloud_jobs, "jobs": self._jobs, "pods": self._pods}
        """By the plural of what each keeps."""

    async def until_whole(self) -> None:
        """Returns once everything has been listed: half a view must not be acted upon."""
        await asyncio.gather(*(each.synced.wait() for each in self.reflectors.values()))

    def pointcloud_jobs(self) -> list[Json]:
        """Every PointcloudJob as it was last seen."""
        return self._pointcloud_jobs.cache.all()

    def pods(self) -> list[Json]:
        """Every pod as it was last seen."""
        return self._pods.cache.all()

    def get(self, key: Key) -> Json | None:
        """A PointcloudJob."""
        return self._pointcloud_jobs.cache.get(key.uid)

    def renew(self, obj: Json) -> bool:
        """Takes in what a request about a PointcloudJob answered; whether it is news."""
        return self._pointcloud_jobs.cache.renew(obj)

    def forget(self, key: Key) -> None:
        """Drops a PointcloudJob of which a request has told that it is gone, before the watch does."""
        if held := self._pointcloud_jobs.cache.remove(key.uid):
            self._pointcloud_job_changed(held)

    def children(self, owner: Json) -> tuple[tuple[JobView, ...], dict[str, tuple[PodView, ...]]]:
        """The Jobs of a PointcloudJob, and the pods of each by its uid, oldest first.

        Pods outlive a deleted Job by their grace period, and still write to the store. Those of one that is itself
        being deleted are among what is returned, because its artefacts must not be removed before they have ended.
        """
        jobs = tuple(map(JobView.of, self._jobs.cache.owned_by(owner["metadata"]["uid"])))
        pods = {each.uid: tuple(map(PodView.of, self._pods.cache.owned_by(each.uid))) for each in jobs}
        if "deletionTimestamp" in owner["metadata"]:
            for uid in {owner_uid(pod) for pod in self.pods() if self._outlives_its_job(pod, owner)}:
                pods[uid] = tuple(map(PodView.of, self._pods.cache.owned_by(uid)))
        return jobs, pods

    def _outlives_its_job(self, pod: Json, owner: Json) -> bool:
        named = (pod["metadata"]["namespace"], pod["metadata"]["labels"][JOB_LABEL])
        own = pod["metadata"]["creationTimestamp"] >= owner["metadata"]["creationTimestamp"]
        return self._by_name.get(named) == key_of(owner) and own and self._jobs.cache.get(owner_uid(pod)) is None

    def _pointcloud_job_changed(self, obj: Json) -> None:
        key, named = key_of(obj), (obj["metadata"]["namespace"], obj["metadata"]["name"])
        if self.get(key) is not None:
            self._by_name[named] = key
            self._on_change(key)
            return
        if self._by_name.get(named) == key:
            del self._by_name[named]
        self._on_gone(key)

    def _job_changed(self, job: Json) -> None:
        self._on_change(Key(job["metadata"]["namespace"], owner_uid(job)))

    def _pod_changed(self, pod: Json) -> None:
        metadata = pod["metadata"]
        self._on_pod(pod, self._pods.cache.get(metadata["uid"]) is not None)
        if key := self._by_name.get((metadata["namespace"], metadata["labels"][JOB_LABEL])):
            self._on_change(key)


async def read_pods(api: ApiServer, owner: Json, job_uid: str) -> tuple[PodView, ...]:
    """The pods of a PointcloudJob's Job as they are at this moment, oldest first, whatever the watches have brought.

    Raises what ApiServer raises.
    """
    metadata = owner["metadata"]
    selector = f"{MANAGED_BY_LABEL}={MANAGER},{JOB_LABEL}={metadata['name']}"
    listed = await api.get(f"/api/v1/namespaces/{metadata['namespace']}/pods", {"labelSelector": selector})
    there = OwnedCache()
    for pod in listed["items"]:
        there.put(pod)
    return tuple(map(PodView.of, there.owned_by(job_uid)))


def key_of(obj: Json) -> Key:
    """The key of a PointcloudJob."""
    return Key(obj["metadata"]["namespace"], obj["metadata"]["uid"])
