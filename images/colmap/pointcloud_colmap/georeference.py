"""Puts a reconstruction onto the earth by the GPS positions of its photos, or says why they are not good enough.

From photos alone neither scale nor north nor place are known. Three and more cameras whose positions are known tell all
of that, if they are far enough apart for how well they are known, and not on one line. Positions of photos are often
neither, so what they would make of the reconstruction is judged before it is done.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pycolmap
from numpy.typing import NDArray
from pyproj import CRS

from pointcloud_api.base import ApiModel
from pointcloud_api.stages import StageWarning
from pointcloud_colmap.orientation import FloatArray
from pointcloud_colmap.presets import SEED
from pointcloud_colmap.projection import Origin, local_positions, mean_origin, projected_crs

_FEWEST: Final = 3
_APART: Final = 0.01
"""Metres: positions nearer than this are the same, the last digit that cameras write."""
_TOLERANCES: Final = (0.1, 0.5, 2.5, 25.0)
"""Metres within which positions agree at first: a survey receiver's, and up to a phone's. Receivers without correction
are mostly within 5 m horizontally and 15 m vertically; the position of the last place, written before a new fix, is
beyond all of these."""
_MOST: Final = 0.6
"""Share of the positions that must agree for a tolerance to be theirs."""
_TRIALS: Final = 1000
"""Samples of three positions: if half are good, one in eight samples is."""
_OUTLYING: Final = 3 * 1.4826
"""Times the median residual, beyond which a position does not count in the end: three standard deviations."""
_TELLING: Final = 6
"""Positions from which on their residuals tell how good they are. Three have nearly always a similarity that fits well:
taken at its word, the scale would be off by four times as much as foretold in one case of twenty."""
_USUAL: Final = 3.0
"""Metres: standard deviation along one axis of fewer positions, which are taken to be no better than a phone's."""
_ROUNDS: Final = 20
_MAX_RMS: Final = 20.0
"""Metres: more is not what GPS gives, so the positions are wrong in another way."""
_MAX_SCALE_ERROR: Final = 0.05
"""Standard deviation of the scale. Of random flights with noise, `test_georeference.py` holds what is accepted to three
times what is foretold; without this limit a cloud in metres could be wrong by any factor."""
_MAX_TILT: Final = 5.0
"""Degrees: standard deviation of the rotation about the line along which the cameras lie. `orientation.level` is mostly
better than that, so a worse one would make the cloud worse."""


class Residuals(ApiModel):
    """Distances in metres between where GPS and where the reconstruction has the cameras, of the positions used."""

    median: float
    rms: float
    max: float
    rms_horizontal: float
    rms_vertical: float


class Georeference(ApiModel):
    """Where on the earth a reconstruction is: its axes are east, north and up from the origin, in metres."""

    origin: Origin
    """Where x, y and z are 0."""
    crs: str
    """The projected coordinate reference system of `points.laz`, such as EPSG:32615. Heights are as the cameras gave
    them, mostly above sea level, and of no vertical reference system."""
    crs_name: str
    positions: int
    """Registered photos with a GPS position."""
    positions_used: int
    """Those of them that agree with the others."""
    residuals: Residuals
    scale_error: float
    """Standard deviation of the scale as the residuals make it: 0.01 is 1 %."""
    tilt_error: float
    """The same of the rotation about the line along which the cameras lie, in degrees."""

    def projected(self) -> CRS:
        """The projected coordinate reference system."""
        return CRS.from_user_input(self.crs)


class NotGeoreferencedError(Exception):
    """Why GPS positions cannot be used, in a sentence, and what to do about it in another."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How camera centres go to their positions, and how well."""

    metres_from_model: pycolmap.Sim3d
    offsets: FloatArray
    """(N, 3) metres: from the given positions to the cameras' fitted ones, east, north and up."""
    used: NDArray[np.bool_]
    """(N,) Whether a position agrees with the others."""
    scale_error: float
    tilt_error: float

    @property
    def distances(self) -> FloatArray:
        """(N,) Metres."""
        distances: FloatArray = np.linalg.norm(self.offsets, axis=1)
        return distances


def georeference(
    reconstruction: pycolmap.Reconstruction, positions: Mapping[str, FloatArray]
) -> tuple[Georeference, dict[str, float], pycolmap.Sim3d]:
    """Move the reconstruction, in place, to east, north and up in metres.

    Gives what came of it, residuals by photo, and how it was moved.

    Args:
        reconstruction: Any, final: nothing may be reconstructed in it afterwards with thresholds in its own unit.
        positions: Latitude and longitude in degrees and altitude in metres (3,), by name of the photo; others than the
            registered ones do not matter.

    Raises:
        NotGeoreferencedError: The reconstruction is as it was.
    """
    images = [reconstruction.image(image_id) for image_id in sorted(reconstruction.reg_image_ids())]
    known = [image for image in images if image.name in positions]
    places = np.array([positions[image.name] for image in known]).reshape(-1, 3)
    check_positions(places, photos=len(images))
    origin = mean_origin(places)
    centres = np.array([image.projection_center() for image in known])
    fit = fit_to_positions(centres, local_positions(places, origin))
    reconstruction.transform(fit.metres_from_model)
    crs = projected_crs(origin)
    return (
        Georeference(
            origin=origin,
            crs=crs.to_string(),
            crs_name=crs.name,
            positions=len(known),
            positions_used=int(fit.used.sum()),
            residuals=_residuals(fit),
            scale_error=round(fit.scale_error, 5),
            tilt_error=round(fit.tilt_error, 3),
        ),
        {image.name: round(float(distance), 3) for image, distance in zip(known, fit.distances, strict=True)},
        fit.metres_from_model,
    )


def warn_of_gps(declined: NotGeoreferencedError) -> StageWarning:
    """Say that the cloud has no scale though photos have positions."""
    return StageWarning(
        reason="NotGeoreferenced",
        message=f"The GPS positions of the photos are not used, so scale and north are arbitrary: {declined.message} "
        f"{declined.remedy}",
    )


def check_positions(places: FloatArray, *, photos: int) -> None:
    """Raise NotGeoreferencedError for positions (N, 3; degrees, degrees, metres) that cannot do, whatever the model."""
    if len(places) < _FEWEST:
        raise NotGeoreferencedError(
            f"{len(places)} of {photos} registered photos carry latitude, longitude and altitude, where {_FEWEST} are "
            "needed.",
            "Switch on the camera's location tags, or write positions into the photos, with exiftool for example.",
        )
    if not places[:, 2].any():
        raise NotGeoreferencedError(
            "all altitudes are zero.",
            "Write the altitudes into the photos (GPSAltitude, with exiftool for example), if a flight log has them.",
        )
    local = local_positions(places, mean_origin(places))
    if len(np.unique(np.round(local / _APART), axis=0)) < _FEWEST:
        raise NotGeoreferencedError(
            "all photos carry the same one or two positions.",
            "Wait for a new fix of the receiver at each place, or keep the photos of one subject on separate places.",
        )


def fit_to_positions(centres: FloatArray, positions: FloatArray) -> Fit:
    """Fit camera centres (N, 3) of a reconstruction to their positions (N, 3; metres), N at least 3, robustly.

    COLMAP's LO-RANSAC finds positions that agree, as closely as most of them do, so that the centimetres of a survey
    receiver are not spoilt by what would do for a phone; the fit is then to all that lie within three standard
    deviations, as the residuals themselves tell them.

    Raises:
        NotGeoreferencedError: There is no such similarity, or it is too uncertain to be of use.
    """
    if _singular(centres)[1] <= 1e-3 * _singular(centres)[0]:
        raise _on_a_line()
    agreeing = np.zeros(len(centres), np.bool_)
    for tolerance in _TOLERANCES:
        options = pycolmap.RANSACOptions(max_error=tolerance, max_num_trials=_TRIALS, random_seed=SEED)
        # A dictionary, though pycolmap's stubs say otherwise.
        found: Any = pycolmap.estimate_sim3d_robust(centres, positions, options)
        if found is not None:
            agreeing = np.asarray(found["inlier_mask"], np.bool_)
        if agreeing.sum() >= max(_TELLING, _MOST * len(agreeing)):
            break
    return _refined(centres, positions, agreeing)


def _refined(centres: FloatArray, positions: FloatArray, used: NDArray[np.bool_]) -> Fit:
    """The fit to the positions that agree: first those `used`, then those that agree with the fit, until it stays."""
    transform = pycolmap.Sim3d()
    for _ in range(_ROUNDS):
        if used.sum() < max(_FEWEST, len(used) / 2):
            raise _contradictory(int(used.sum()), len(used))
        fitted = pycolmap.estimate_sim3d(centres[used], positions[used])
        if fitted is None:
            raise _on_a_line()
        transform = fitted
        distances = np.linalg.norm(transform * centres - positions, axis=1)
        agreeing = distances <= max(_OUTLYING * np.median(distances), _APART)
        if (agreeing == used).all():
            break
        used = agreeing
    return _judged(transform, centres, positions, used)


def _judged(transform: pycolmap.Sim3d, centres: FloatArray, positions: FloatArray, used: NDArray[np.bool_]) -> Fit:
    """The fit, unless its uncertainty, which follows from the residuals and the cameras' spread, is too large."""
    offsets: FloatArray = transform * centres - positions
    rms = np.sqrt((offsets[used] ** 2).sum(axis=1).mean())
    if rms > _MAX_RMS:
        raise _inaccurate(offsets[used])
    deviations = _deviations(offsets[used])
    along, across, third = transform.scale * _singular(centres[used])
    scale_error = np.sqrt((deviations**2).mean() / (along**2 + across**2 + third**2))
    tilt_error = np.degrees(np.arctan2(deviations.max(), np.hypot(across, third)))
    if scale_error > _MAX_SCALE_ERROR:
        raise NotGeoreferencedError(
            f"the cameras lie within {along / np.sqrt(used.sum()) * 4:.1f} m, where positions that are wrong by "
            f"{rms:.1f} m (root mean square) leave the scale open by {100 * scale_error:.0f} %.",
            "Use a receiver with RTK for so small a scene, or scale the cloud by a length that you have measured.",
        )
    if tilt_error > _MAX_TILT:
        raise _on_a_line()
    return Fit(
        metres_from_model=transform,
        offsets=offsets,
        used=used,
        scale_error=float(scale_error),
        tilt_error=float(tilt_error),
    )


def _deviations(offsets: FloatArray) -> FloatArray:
    """Standard deviations (3,; metres) of positions eastwards, northwards and upwards, by what the fit left (N, 3)."""
    # A similarity has seven parameters.
    deviations: FloatArray = np.sqrt((offsets**2).sum(axis=0) * 3 / (3 * len(offsets) - 7))
    return np.maximum(deviations, _USUAL) if len(offsets) < _TELLING else deviations


def _singular(points: FloatArray) -> FloatArray:
    """Roots of the sums of squares along the three principal axes (3,), largest first."""
    values: FloatArray = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return np.pad(values, (0, 3 - len(values)))


def _residuals(fit: Fit) -> Residuals:
    offsets, distances = fit.offsets[fit.used], fit.distances[fit.used]

    def rms(values: FloatArray) -> float:
        return round(float(np.sqrt((values**2).sum(axis=-1).mean())), 3)

    return Residuals(
        median=round(float(np.median(distances)), 3),
        rms=rms(offsets),
        max=round(float(distances.max()), 3),
        rms_horizontal=rms(offsets[:, :2]),
        rms_vertical=rms(offsets[:, 2:]),
    )


def _on_a_line() -> NotGeoreferencedError:
    return NotGeoreferencedError(
        "the cameras lie nearly on one line, about which the positions let the cloud turn freely.",
        "Add photos from beside the line, such as a second flight strip.",
    )


def _contradictory(agreeing: int, positions: int) -> NotGeoreferencedError:
    return NotGeoreferencedError(
        f"only {agreeing} of {positions} positions agree with one another and with the reconstruction.",
        "Look at the positions on a map: a receiver that had no fix repeats an old one.",
    )


def _inaccurate(offsets: FloatArray) -> NotGeoreferencedError:
    horizontal = np.sqrt((offsets[:, :2] ** 2).sum(axis=1).mean())
    vertical = np.sqrt((offsets[:, 2] ** 2).mean())
    worse = "the altitudes" if vertical > 3 * horizontal else "the positions"
    return NotGeoreferencedError(
        f"they are off by {horizontal:.0f} m horizontally and {vertical:.0f} m vertically (root mean square).",
        f"Look at the photos' EXIF: {worse} may be of another place, or in other units.",
    )
