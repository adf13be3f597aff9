"""The reconstruct stage from end to end: photos, features, pairs, models, and the best one made ready to be shown."""

from pointcloud_api.stages import ReconstructDocument
from pointcloud_colmap.engines import EngineFor, engine_for
from pointcloud_colmap.means import choose_means
from pointcloud_colmap.modelling import Modelling
from pointcloud_colmap.shares import USUAL_PHOTOS, all_pairs
from pointcloud_stage import Outcome, StageContext


def reconstruct(context: StageContext[ReconstructDocument], engine_for: EngineFor = engine_for) -> Outcome:
    """Run the stage, with the depth engine that `engine_for` knows for the device.

    Raises StageFailure when nothing can be reconstructed from the photos.
    """
    means = choose_means(context, engine_for)
    means.plan(USUAL_PHOTOS, all_pairs(USUAL_PHOTOS))
    with context.checkpoint as checkpoint:
        modelled = Modelling(means).run()
        from pointcloud_colmap.finishing import finish  # noqa: PLC0415 - the libraries of the end, at the end

        finished = finish(means, modelled)
        checkpoint.settle()
    return finished.export()
