"""What the store has of a PointcloudJob's stages, as far as it was asked; what was not is wanted first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pointcloud_api.names import StageName, result_path, stage_prefix
from pointcloud_api.resource import ObjectMeta
from pointcloud_api.stages import StageResult
from pointcloud_operator.model.decision import FetchResult, Want
from pointcloud_operator.model.observed import Absent, Observed, PodView, StoreAnswer, Unavailable


@dataclass
class Stored:
    """Looks for results. None, from any of its methods, is that the store has to be asked."""

    metadata: ObjectMeta
    observed: Observed
    wants: list[Want]
    """What to ask is added here."""

    def told_or_stored(self, stage: StageName, key: str, pods: Sequence[PodView]) -> StoreAnswer | None:
        """What a complete Job's pods told, or else what the store has."""
        told = (pod.termination.result for pod in reversed(pods))
        result = next((r for r in told if r and (r.stage, r.key) == (stage, key)), None)
        return result or self._asked(stage, key)

    def newest(self, stage: StageName, keys: Iterable[str]) -> StoreAnswer | None:
        """What the store has under the last of the keys under which it has anything."""
        answers = {key: self._asked(stage, key) for key in keys}
        if None in answers.values():
            return None
        found: StoreAnswer = Absent()
        for key, answer in answers.items():
            if isinstance(answer, Unavailable):
                return answer
            if isinstance(answer, StageResult) and (answer.stage, answer.key) == (stage, key):
                found = answer
        return found

    def _asked(self, stage: StageName, key: str) -> StoreAnswer | None:
        metadata = self.metadata
        prefix = stage_prefix(stage=stage, namespace=metadata.namespace, name=metadata.name, uid=metadata.uid, key=key)
        path = result_path(prefix)
        answer = self.observed.results.get(path)
        if answer is None:
            self.wants.append(FetchResult(path))
        return answer
