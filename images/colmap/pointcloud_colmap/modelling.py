"""From photos to models: what each photo shows, which show the same, where they were taken, and which stay unplaced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pycolmap

from pointcloud_api.resource import Mapper
from pointcloud_api.stages import StageWarning
from pointcloud_colmap.beating import beating
from pointcloud_colmap.camera_groups import group_by_camera
from pointcloud_colmap.exif import Shot, read_shots
from pointcloud_colmap.features import Extraction, extract_features
from pointcloud_colmap.kept import KeptFeatures
from pointcloud_colmap.kept_models import KeptModels
from pointcloud_colmap.kept_pairs import KeptPairs
from pointcloud_colmap.mapping import MapStep, check_models, map_globally, map_incrementally
from pointcloud_colmap.matching import Pairs, chosen_pairs, match_features
from pointcloud_colmap.means import Means
from pointcloud_colmap.memory import Threads, extraction_threads, matching_threads
from pointcloud_colmap.merging import merge_models
from pointcloud_colmap.pairing import Choice, Pair, all_frames, choose
from pointcloud_colmap.photos import Photos, fetch_photos
from pointcloud_colmap.snapshots import Snapshots
from pointcloud_colmap.unregistered import Unregistered, explain
from pointcloud_stage.limits import available_memory, cpu_limit
from pointcloud_stage.pieces import LeftPieces


@dataclass(frozen=True, kw_only=True)
class Modelled:
    """What came of the photos."""

    photos: Photos
    shots: Mapping[str, Shot]
    """By name of the photo."""
    features: Mapping[str, int]
    """How many each photo has, by its name."""
    kept: KeptFeatures
    choice: Choice
    pairs: Pairs
    kept_pairs: KeptPairs
    fewer_threads: Sequence[StageWarning]
    models: Sequence[pycolmap.Reconstruction]
    """The largest first."""
    merged: int
    """Models that were joined to it."""
    digest: str
    """SHA-256 of the file that they are kept in, where they are."""
    unregistered: tuple[Unregistered, ...]

    @property
    def best(self) -> pycolmap.Reconstruction:
        """The model to show."""
        return self.models[0]


@dataclass(frozen=True)
class Modelling:
    """One run of the steps from `download` to `explain`."""

    means: Means

    @property
    def _scratch(self) -> Path:
        return self.means.context.scratch

    @property
    def _database(self) -> Path:
        return self._scratch / "database.db"

    def run(self) -> Modelled:
        """Make the models. Raises StageFailure when none comes of the photos."""
        means, stopwatch = self.means, self.means.stopwatch
        with stopwatch.step("download"):
            photos = fetch_photos(means.context)
            shots = read_shots(photos)
            choice = choose(shots, means.settings.matching)
            means.plan(len(photos.names), choice.expected(len(photos.names)))
            kept = self._kept_features(photos)
        with stopwatch.step("extract"):
            extracting, features = self._extract(photos, shots, kept)
        with stopwatch.step("alike"):
            wanted = chosen_pairs(self._database, choice, scratch=self._scratch, progress=means.context.progress)
            means.plan(len(photos.names), len(wanted))
        with stopwatch.step("match"):
            kept_pairs = self._kept_pairs(kept, wanted)
            matching, pairs = self._match(wanted, features, kept_pairs)
        mapping = _Mapping(means, self._database, photos, kept, pairs)
        models, merged, digest = mapping.run()
        with stopwatch.step("explain"), beating(mapping.step.tell):
            unregistered = explain(
                models, features=features, pairs=pairs, database=self._database, folder=photos.folder
            )
        return Modelled(
            photos=photos,
            shots=shots,
            features=features,
            kept=kept,
            choice=choice,
            pairs=pairs,
            kept_pairs=kept_pairs,
            fewer_threads=[step.warning for step in (extracting, matching) if step.warning],
            models=models,
            merged=merged,
            digest=digest,
            unregistered=unregistered,
        )

    @property
    def _earlier_run(self) -> LeftPieces | None:
        """What the run before this one left."""
        earlier = self.means.context.document.previous_key
        return self.means.context.left(earlier) if earlier else None

    def _kept_features(self, photos: Photos) -> KeptFeatures:
        kept = KeptFeatures(
            photos,
            recipe=self.means.preset.extraction_recipe(self.means.device),
            checkpoint=self.means.context.checkpoint,
            scratch=self._scratch / "features",
        )
        kept.bring(self.means.attempts, self._earlier_run, self.means.context.progress)
        return kept

    def _extract(self, photos: Photos, shots: Mapping[str, Shot], kept: KeptFeatures) -> tuple[Threads, dict[str, int]]:
        means = self.means
        threads = extraction_threads(
            photos.sizes, means.preset, means.device, cpus=cpu_limit(), memory=available_memory()
        )
        how = Extraction(
            preset=means.preset,
            device=means.device,
            threads=threads.count,
            groups=group_by_camera(photos, shots, means.settings.camera_sharing),
            camera_model=means.settings.camera_model,
        )
        return threads, extract_features(self._database, photos, kept=kept, how=how, progress=means.context.progress)

    def _kept_pairs(self, kept: KeptFeatures, wanted: set[Pair]) -> KeptPairs:
        means, settings = self.means, self.means.settings
        kept_pairs = KeptPairs(
            kept.digests(),
            recipe=means.preset.matching_recipe(means.device, settings.camera_model, settings.camera_sharing),
            checkpoint=means.context.checkpoint,
            scratch=self._scratch / "pairs",
        )
        kept_pairs.bring(means.attempts, self._earlier_run, self._database, wanted=wanted)
        return kept_pairs

    def _match(self, wanted: set[Pair], features: Mapping[str, int], kept: KeptPairs) -> tuple[Threads, Pairs]:
        means = self.means
        threads = matching_threads(
            features.values(), means.preset, means.device, cpus=cpu_limit(), memory=available_memory()
        )
        return threads, match_features(
            self._database,
            wanted,
            kept=kept,
            preset=means.preset,
            device=means.device,
            threads=threads.count,
            progress=means.context.progress,
        )


@dataclass
class _Mapping:
    """One run of the steps `map` and `merge`."""

    means: Means
    database: Path
    photos: Photos
    kept: KeptFeatures
    pairs: Pairs
    step: MapStep = field(init=False)

    def __post_init__(self) -> None:
        self.step = MapStep(
            database=self.database,
            photos=self.photos.folder,
            scratch=self._scratch / "map",
            total=len(self.photos.names),
            progress=self.means.context.progress,
        )

    @property
    def _scratch(self) -> Path:
        return self.means.context.scratch

    @property
    def _video(self) -> bool:
        return all_frames(self.photos.names)

    def run(self) -> tuple[list[pycolmap.Reconstruction], int, str]:
        """The models, how many were joined to the first, and the SHA-256 of the file that they are kept in.

        Where depth maps are to be made of them, they are those that an earlier pod has made maps of.
        """
        keeping, stopwatch = self._kept_models(), self.means.stopwatch
        with stopwatch.step("map"):
            brought = keeping.bring(self.means.attempts, self.database) if keeping else []
            if keeping and brought:
                self.step.tell(*brought)
                return brought, keeping.merged, keeping.digest
            made = self._map()
        check_models(made, self.pairs, self.means.settings.mapper)
        with stopwatch.step("merge"), beating(self.step.tell):
            options = self.means.preset.incremental_mapping(num_threads=cpu_limit(), video=self._video)
            models, merged = merge_models(made, self.database, options=options)
        if keeping:
            keeping.keep(models, merged=merged)
        return models, merged, keeping.digest if keeping else ""

    def _kept_models(self) -> KeptModels | None:
        means = self.means
        if means.engine is None:
            return None
        return KeptModels(
            self.kept.digests(),
            recipe=means.preset.mapping_recipe(video=self._video),
            maps_recipe=means.engine.recipe,
            checkpoint=means.context.checkpoint,
            scratch=self._scratch / "models",
        )

    def _map(self) -> list[pycolmap.Reconstruction]:
        means, threads = self.means, cpu_limit()
        self.step.scratch.mkdir()
        if means.settings.mapper is Mapper.GLOBAL:
            return map_globally(self.step, options=means.preset.global_mapping(means.device, num_threads=threads))
        snapshots = Snapshots(
            self.kept.digests(),
            recipe=means.preset.mapping_recipe(video=self._video),
            checkpoint=means.context.checkpoint,
            scratch=self._scratch / "snapshots",
        )
        snapshots.find(means.attempts)
        options = means.preset.incremental_mapping(num_threads=threads, video=self._video)
        return map_incrementally(self.step, options=options, snapshots=snapshots, checkpoint=means.context.checkpoint)
