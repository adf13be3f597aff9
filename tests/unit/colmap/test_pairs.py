"""Compared pairs of photos over several attempts and runs: no pair is compared twice, and none is taken for another."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from PIL import Image, ImageFilter

from pointcloud_api.resource import Quality
from pointcloud_colmap.device import Device
from pointcloud_colmap.kept_pairs import KeptPairs
from pointcloud_colmap.matching import Pairs, match_features
from pointcloud_colmap.pair_files import ComparedPair, read_pairs, write_pairs
from pointcloud_colmap.pairing import pair_of
from pointcloud_colmap.presets import PRESETS
from pointcloud_stage import Reporter
from pointcloud_stage.checkpoint import Checkpoint
from pointcloud_stage.pieces import LeftPieces
from pointcloud_stage.store import Store
from tests.fixtures.store import StoreServer

LOW = PRESETS[Quality.LOW]
PREFIX = "processed/surveys/beach/6f1f/key"
LATER = "processed/surveys/beach/6f1f/later"
"""Of a later run."""
NAMES = ("0.jpg", "1.jpg", "2.jpg", "3.jpg")
DIGESTS = {name: f"sha-of-features-of-{name}" for name in NAMES}
"""In full length in earnest."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three views of one wall, and one of something else."""
    folder = tmp_path_factory.mktemp("photos")
    walls = [np.random.default_rng(seed).integers(0, 255, (200, 320, 3), np.uint8) for seed in range(2)]
    for number, name in enumerate(NAMES):
        wall = Image.fromarray(walls[number == 3]).filter(ImageFilter.GaussianBlur(2))
        wall.crop((20 * number, 0, 20 * number + 240, 200)).save(folder / name)
    return folder


def extracted(database: Path, photos: Path, names: tuple[str, ...] = NAMES) -> Path:
    """A database with the features of the photos, whose ids follow the order of the names."""
    for name in names:
        pycolmap.extract_features(
            database, photos, image_names=[name], extraction_options=LOW.extraction(num_threads=1)
        )
    return database


Contents = dict[tuple[str, str], tuple[str, str]]


def contents(database: Path) -> Contents:
    """Matches and geometry by names of the pair, as text."""
    with pycolmap.Database.open(database) as connection:
        ids = {image.name: image.image_id for image in connection.read_all_images()}
        return {
            (first, second): (
                str(connection.read_matches(ids[first], ids[second]).tolist()),
                str(connection.read_two_view_geometry(ids[first], ids[second]).todict()),
            )
            for first, second in combinations(NAMES, 2)
            if {first, second} <= ids.keys() and connection.exists_two_view_geometry(ids[first], ids[second])
        }


@dataclass
class Attempt:
    database: Path
    kept: KeptPairs
    pairs: Pairs
    begun: int
    """How many pairs were done when the step `match` began."""


Attempts = Callable[..., Attempt]


@pytest.fixture
def attempt(store_server: StoreServer, tmp_path: Path, photos: Path) -> Attempts:
    """Compares what no pod before has left, as one pod."""

    def attempt(
        pod_uid: str,
        *,
        digests: dict[str, str] = DIGESTS,
        recipe: str = "recipe",
        names: tuple[str, ...] = NAMES,
        prefix: str = PREFIX,
        run_before: str | None = None,
        pairs: tuple[tuple[str, str], ...] = (),
    ) -> Attempt:
        folder = tmp_path / pod_uid
        folder.mkdir()
        (folder / "token").write_text(store_server.token(namespace="surveys", pod_uid=pod_uid))
        client = Store(store_server.url, folder / "token")
        checkpoint = Checkpoint(client, prefix=prefix, pod_uid=pod_uid)
        kept = KeptPairs(digests, recipe=recipe, checkpoint=checkpoint, scratch=folder / "pairs")
        database = extracted(folder / "database.db", photos, names)
        before = LeftPieces(client, run_before, but_of=pod_uid) if run_before else None
        wanted = {pair_of(*two) for two in pairs or combinations(names, 2)}
        kept.bring(LeftPieces(client, prefix, but_of=pod_uid), before, database, wanted=wanted)
        begun: list[int] = []
        reporter = Reporter(lambda line: begun.append(line.done), nonce=pod_uid)
        reporter.plan(match=1)
        found = match_features(database, wanted, kept=kept, preset=LOW, device=Device.CPU, threads=2, progress=reporter)
        checkpoint.settle()
        return Attempt(database, kept, found, begun[0])

    return attempt


def blocks(store: StoreServer, pod_uid: str) -> list[Path]:
    return sorted((store.folder / PREFIX / pod_uid / "pairs").glob("*"))


def test_pairs_of_an_earlier_attempt_are_as_if_compared_here(store_server: StoreServer, attempt: Attempts) -> None:
    first = attempt("pod-1")
    second = attempt("pod-2")

    assert (len(first.kept.brought), len(second.kept.brought)) == (0, 6)
    assert (first.begun, second.begun) == (0, 6)
    assert first.pairs == second.pairs
    assert (first.pairs.matched, first.pairs.verified) == (6, 3)
    assert contents(first.database) == contents(second.database)
    assert len(contents(second.database)) == 6
    assert not blocks(store_server, "pod-2"), "nothing was new"


def test_pairs_are_known_by_names_whatever_the_order_of_the_photos(attempt: Attempts) -> None:
    first = attempt("pod-1")
    second = attempt("pod-2", names=NAMES[::-1])
    assert len(second.kept.brought) == 6
    assert {pair: matches for pair, (matches, _) in contents(second.database).items()} == {
        pair: matches for pair, (matches, _) in contents(first.database).items()
    }
    assert second.pairs == first.pairs


def test_a_later_run_with_more_photos_compares_those_alone_and_keeps_all(
    store_server: StoreServer, attempt: Attempts
) -> None:
    whole = attempt("pod-0", prefix="processed/surveys/beach/6f1f/whole")
    attempt("pod-1", names=NAMES[:3])
    killed = attempt("pod-2", prefix=LATER, run_before=PREFIX)
    assert (killed.kept.from_attempts, killed.kept.from_run) == (0, 3)
    assert contents(killed.database) == contents(whole.database)
    shutil.rmtree(store_server.folder / PREFIX)
    again = attempt("pod-3", prefix=LATER, run_before=PREFIX)
    assert (again.kept.from_attempts, again.kept.from_run) == (6, 0)
    assert contents(again.database) == contents(whole.database)


def test_only_pairs_that_are_wanted_are_compared_or_brought(attempt: Attempts) -> None:
    two = (NAMES[:2], NAMES[1:3])
    first = attempt("pod-1", pairs=two)
    assert list(contents(first.database)) == list(two)
    assert set(first.pairs.inliers) == set(two)
    attempt("pod-2")
    third = attempt("pod-3", pairs=two)
    assert third.kept.brought == set(two)
    assert contents(third.database) == contents(first.database)


def test_photos_that_are_gone_take_their_pairs_with_them(attempt: Attempts) -> None:
    attempt("pod-1")
    fewer = attempt("pod-2", names=NAMES[1:], prefix=LATER, run_before=PREFIX)
    assert fewer.kept.from_run == 3
    assert (fewer.pairs.matched, fewer.pairs.verified) == (3, 1)


def test_a_pair_that_was_brought_is_not_compared(store_server: StoreServer, attempt: Attempts, tmp_path: Path) -> None:
    """The proof is a lie, believed because it is well listed: of two photos that share much, that they do not."""
    lie = [ComparedPair(NAMES[:2], np.zeros((0, 2), np.uint32), pycolmap.TwoViewGeometry(config=1))]
    write_pairs(tmp_path / "lie.npy", lie, DIGESTS)
    (tmp_path / "token").write_text(store_server.token(namespace="surveys", pod_uid="liar"))
    liar = Checkpoint(Store(store_server.url, tmp_path / "token"), prefix=PREFIX, pod_uid="liar")
    liar.keep("pairs/recipe/lie", "pairs/lie.npy", tmp_path / "lie.npy")
    liar.settle()

    deceived = attempt("pod-1")
    assert (len(deceived.kept.brought), deceived.begun) == (1, 1)
    assert (deceived.pairs.matched, deceived.pairs.verified) == (6, 2)
    assert contents(deceived.database)[NAMES[0], NAMES[1]][0] == "[]"


@pytest.mark.parametrize(
    "changed", [{"recipe": "another"}, {"digests": {**DIGESTS, "0.jpg": "other", "1.jpg": "other"}}]
)
def test_pairs_of_other_features_or_settings_are_compared_again(attempt: Attempts, changed: dict[str, object]) -> None:
    first = attempt("pod-1")
    second = attempt("pod-2", **changed)
    assert len(second.kept.brought) == (0 if "recipe" in changed else 1)
    assert contents(first.database) == contents(second.database)


@pytest.mark.parametrize("content", [b"", b"no pairs", b"\x93NUMPY"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "it.npy").write_bytes(content)
    with pytest.raises(ValueError, match="holds no pairs"):
        list(read_pairs(tmp_path / "it.npy", DIGESTS))


def test_a_damaged_block_costs_its_own_pairs_alone(store_server: StoreServer, attempt: Attempts) -> None:
    first = attempt("pod-1")
    for file in blocks(store_server, "pod-1"):
        file.write_bytes(b"damaged")
    second = attempt("pod-2")
    third = attempt("pod-3")
    assert (len(second.kept.brought), len(third.kept.brought)) == (0, 6)
    assert contents(third.database) == contents(first.database)


def test_a_geometry_is_read_as_it_was_written(tmp_path: Path) -> None:
    matrix = np.arange(9.0).reshape(3, 3) / 7
    inliers = np.array([[1, 2], [3, 4]], np.uint32)
    pairs = [
        ComparedPair(("0.jpg", "1.jpg"), inliers, pycolmap.TwoViewGeometry(config=6, H=matrix, inlier_matches=inliers)),
        ComparedPair(("0.jpg", "2.jpg"), inliers[:0], pycolmap.TwoViewGeometry(config=1)),
        ComparedPair(("2.jpg", "1.jpg"), inliers[1:], pycolmap.TwoViewGeometry(config=2, E=matrix, F=2 * matrix)),
    ]
    write_pairs(tmp_path / "it.npy", pairs, DIGESTS)
    for wanted, got in zip(pairs, read_pairs(tmp_path / "it.npy", DIGESTS), strict=True):
        assert got.names == wanted.names
        assert got.matches.tolist() == wanted.matches.tolist()
        assert str(got.geometry.todict()) == str(wanted.geometry.todict())
