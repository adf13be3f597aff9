"""How a status answers a spec: which generation it has seen, and whether a newer one asks for more than it gives."""

from pointcloud_api.resource import PointcloudJob, PointcloudJobStatus
from pointcloud_operator.model.plan import spec_hash


def asks_anew(job: PointcloudJob) -> bool:
    """Whether the spec has changed since the status was written in anything that can lead to another end.

    Being suspended and being told of the end cannot.
    """
    status = job.status
    return status.observed_generation != job.metadata.generation and status.observed_spec != spec_hash(job.spec)


def answered(job: PointcloudJob) -> PointcloudJobStatus:
    """The status, as it is, as the answer to the spec, as it is."""
    status, generation = job.status, job.metadata.generation
    if status.observed_generation == generation:
        return status
    return status.model_copy(
        update={
            "observed_generation": generation,
            "observed_spec": spec_hash(job.spec),
            "conditions": tuple(c.model_copy(update={"observed_generation": generation}) for c in status.conditions),
        }
    )
