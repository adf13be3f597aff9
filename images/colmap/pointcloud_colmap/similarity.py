"""Finds the photos that look alike, with COLMAP's vocabulary tree and a vocabulary made of the photos' own features.

COLMAP would download a vocabulary of many other photos. One of the set's own knows nothing else, and need know nothing
else: it is used for this set alone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pycolmap
from numpy.typing import NDArray

from pointcloud_colmap.beating import beating
from pointcloud_colmap.pairing import Pair, pair_of
from pointcloud_colmap.presets import SEED
from pointcloud_stage import Reporter

_WORDS: Final = 2048
"""More of them tell more surely which photos are alike, and take longer to make: `python -m tools.bench.similarity` has
both of rendered photos."""
_SAMPLES: Final = 40 * _WORDS
"""Features that the words are made of; faiss, which COLMAP clusters with, asks for 39 a word."""
_SAMPLED_PHOTOS: Final = 500
_FEATURES: Final = 1024
"""Of each photo that are looked at, those of the largest scale."""
_WORDS_A_FEATURE: Final = 5
_ITERATIONS: Final = 10


def alike_pairs(
    database: Path, wanted: Mapping[str, int], *, threads: int, scratch: Path, progress: Reporter
) -> set[Pair]:
    """Each photo with as many as `wanted` says of those that look most like it, reporting the step `alike`.

    Photos without features are like none.
    """
    with pycolmap.Database.open(database) as connection:
        images = sorted(connection.read_all_images(), key=lambda image: image.name)
        names = {image.image_id: image.name for image in images if connection.num_keypoints_for_image(image.image_id)}
        if len(names) < 2:
            return set()
        found: set[Pair] = set()
        done = 0

        def tell() -> None:
            progress.update("alike", done, len(names), "images")

        with beating(tell):
            vocabulary = scratch / "vocabulary.bin"
            _make_vocabulary(connection, list(names), vocabulary, threads=threads)
            generator = pycolmap.VocabTreePairGenerator(
                _options(vocabulary, most=max(wanted.values()), threads=threads), connection, list(names)
            )
            while not generator.has_finished():
                # Of one photo, the most alike first, itself among them.
                alike = [(names[first], names[second]) for first, second in generator.next() if first != second]
                most = wanted[alike[0][0]] if alike else 0
                found.update(pair_of(*pair) for pair in alike[:most])
                done += 1
                tell()
    return found


def _make_vocabulary(connection: pycolmap.Database, images: list[int], file: Path, *, threads: int) -> None:
    random = np.random.default_rng(SEED)
    sampled = random.permutation(images)[:_SAMPLED_PHOTOS]
    samples = np.concatenate([_sample(connection, image, random, -(-_SAMPLES // len(sampled))) for image in sampled])
    options = pycolmap.VisualIndex.BuildOptions()
    # Fewer words than there are features to make them of.
    options.num_visual_words = min(_WORDS, max(1, len(samples) // 2))
    options.num_iterations = _ITERATIONS
    options.num_rounds = 1
    options.num_threads = threads
    pycolmap.set_random_seed(SEED)
    index = pycolmap.VisualIndex.create(samples.shape[1], samples.shape[1] // 2)
    index.build(options, pycolmap.FeatureDescriptorsFloat(pycolmap.FeatureExtractorType.SIFT, samples))
    index.write(file)


def _sample(connection: pycolmap.Database, image: int, random: np.random.Generator, count: int) -> NDArray[np.float32]:
    descriptors: NDArray[np.uint8] = connection.read_descriptors(int(image)).data
    return descriptors[random.permutation(len(descriptors))[:count]].astype(np.float32)


def _options(vocabulary: Path, *, most: int, threads: int) -> pycolmap.VocabTreePairingOptions:
    options = pycolmap.VocabTreePairingOptions()
    options.vocab_tree_path = vocabulary
    options.num_images = most + 1  # a photo is like itself
    options.max_num_features = _FEATURES
    options.num_nearest_neighbors = _WORDS_A_FEATURE
    options.num_threads = threads
    return options
