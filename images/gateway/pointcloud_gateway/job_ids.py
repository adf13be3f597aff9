"""What the REST service calls a job: its name, or `<namespace>.<name>` outside the default namespace."""

import re
from dataclasses import dataclass
from typing import Final, Self

from pointcloud_api.names import MAX_NAME_LENGTH

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_MAX_LABEL: Final = 63


@dataclass(frozen=True, order=True)
class JobId:
    """Names one PointcloudJob. Neither a namespace nor a name holds a dot, so the text has one reading."""

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str, *, default_namespace: str) -> Self:
        """Read what `text` wrote. Raises ValueError for what no PointcloudJob can be called."""
        namespace, dot, name = text.rpartition(".")
        job_id = cls(namespace if dot else default_namespace, name)
        if not is_namespace(job_id.namespace) or not is_name(job_id.name):
            raise ValueError("a job's id is its name, or <namespace>.<name>")
        return job_id

    def text(self, *, default_namespace: str) -> str:
        """The canonical id."""
        return self.name if self.namespace == default_namespace else f"{self.namespace}.{self.name}"


def is_namespace(text: str) -> bool:
    """Whether a namespace can be called so."""
    return len(text) <= _MAX_LABEL and _LABEL.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether a PointcloudJob can be called so."""
    return len(text) <= MAX_NAME_LENGTH and _LABEL.fullmatch(text) is not None
