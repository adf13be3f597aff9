"""Casts rays at solids and shades what they hit: the numba kernels, and nothing about which solids or cameras.

Surfaces are matt and textures are functions of the solid's own coordinates, so that a point has the same colour
in every photo; texture finer than a pixel fades out, so that one ray a pixel suffices inside a surface.
Pixels on an edge, of a solid or of a shadow, are cast again with more rays.
"""

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tools.scene.camera import Camera, FloatArray, Vector

BOX: Final = 0
FRUSTUM: Final = 1
ELLIPSOID: Final = 2

IndexArray = NDArray[np.int64]

SUN: Final = (0.48, -0.52, 0.71)
SUN_COLOUR: Final = (1.02, 0.93, 0.76)
AMBIENT_COLOUR: Final = (0.36, 0.42, 0.50)
SKY: Final = (0.56, 0.70, 0.84)
"""Linear colour of the plain sky."""

_EDGE_RAYS: Final = 3
"""Rays along each side of a pixel that lies on an edge."""
_NOTHING: Final = -1
_FAR: Final = 1e9
_LEAST: Final = 1e-6
"""Nearer hits are of the surface that a ray starts from."""
_LIFT: Final = 1e-4
"""How far in metres a ray to the sun starts above its surface."""
_OCTAVES: Final = 9
_NEWTON_STEPS: Final = 8


class Solids(NamedTuple):
    """N solids as arrays, the form in which numba reads them."""

    kind: IndexArray
    """(N,) BOX, FRUSTUM or ELLIPSOID."""
    axes: FloatArray
    """(N, 3, 3) local to world."""
    centre: FloatArray
    """(N, 3) in metres."""
    size: FloatArray
    """(N, 3) box: half edges; frustum: bottom radius, top radius, half height; ellipsoid: semi-axes."""
    reach: FloatArray
    """(N,) radius of a sphere around the centre that holds the solid."""
    colours: FloatArray
    """(N, 2, 3) the two linear colours that the texture mixes."""
    grain: FloatArray
    """(N, 3) coarsest texture frequency along each local axis, in cells a metre."""
    relief: FloatArray
    """(N,) how much the texture makes lighter and darker beside mixing the colours, of the usual."""
    phase: IndexArray
    """(N,) makes each solid's texture its own."""


class _View(NamedTuple):
    """A camera, in the form in which numba reads it."""

    rotation: FloatArray
    centre: Vector
    focal: float
    principal: tuple[float, float]
    radial: tuple[float, float] = (0.0, 0.0)


@njit(nogil=True, cache=True)
def _box(origin: Vector, direction: Vector, half: FloatArray) -> float:
    near, far = -_FAR, _FAR
    for axis in range(3):
        o, d = origin[axis], direction[axis]
        if abs(d) < 1e-12:
            if abs(o) > half[axis]:
                return _FAR
            continue
        a, b = (-half[axis] - o) / d, (half[axis] - o) / d
        near, far = max(near, min(a, b)), min(far, max(a, b))
    return _first(near, far) if near <= far else _FAR


@njit(nogil=True, cache=True)
def _first(near: float, far: float) -> float:
    """Choose the one that lies ahead of a ray's origin."""
    if near > _LEAST:
        return near
    return far if far > _LEAST else _FAR


@njit(nogil=True, cache=True)
def _frustum(origin: Vector, direction: Vector, size: FloatArray) -> float:
    (ox, oy, oz), (dx, dy, dz) = origin, direction
    half = size[2]
    slope = (size[1] - size[0]) / (2 * half)
    radius = 0.5 * (size[0] + size[1]) + slope * oz
    best = _FAR
    a = dx * dx + dy * dy - slope * slope * dz * dz
    b = ox * dx + oy * dy - slope * dz * radius
    c = ox * ox + oy * oy - radius * radius
    root = b * b - a * c
    if root >= 0 and abs(a) > 1e-12:
        root = np.sqrt(root)
        for t in ((-b - root) / a, (-b + root) / a):
            if _LEAST < t < best and abs(oz + t * dz) <= half:
                best = t
    if abs(dz) > 1e-12:
        for z, limit in ((-half, size[0]), (half, size[1])):
            t = (z - oz) / dz
            x, y = ox + t * dx, oy + t * dy
            if _LEAST < t < best and x * x + y * y <= limit * limit:
                best = t
    return best


@njit(nogil=True, cache=True)
def _ellipsoid(origin: Vector, direction: Vector, size: FloatArray) -> float:
    ox, oy, oz = origin[0] / size[0], origin[1] / size[1], origin[2] / size[2]
    dx, dy, dz = direction[0] / size[0], direction[1] / size[1], direction[2] / size[2]
    a = dx * dx + dy * dy + dz * dz
    b = ox * dx + oy * dy + oz * dz
    root = b * b - a * (ox * ox + oy * oy + oz * oz - 1)
    if root < 0:
        return _FAR
    root = np.sqrt(root)
    return _first((-b - root) / a, (-b + root) / a)


@njit(nogil=True, cache=True)
def _into(axes: FloatArray, x: float, y: float, z: float) -> Vector:
    """Turn a world direction into a solid's own axes."""
    return (
        axes[0, 0] * x + axes[1, 0] * y + axes[2, 0] * z,
        axes[0, 1] * x + axes[1, 1] * y + axes[2, 1] * z,
        axes[0, 2] * x + axes[1, 2] * y + axes[2, 2] * z,
    )


@njit(nogil=True, cache=True)
def _offset(centres: FloatArray, i: int, point: Vector) -> Vector:
    return point[0] - centres[i, 0], point[1] - centres[i, 1], point[2] - centres[i, 2]


@njit(nogil=True, cache=True)
def _misses(offset: Vector, direction: Vector, reach: float) -> bool:
    """Tell that a ray cannot meet what lies within `reach` of a centre, from which it starts at `offset`."""
    (x, y, z), (dx, dy, dz) = offset, direction
    along = x * dx + y * dy + z * dz
    away = x * x + y * y + z * z
    return away - along * along > reach * reach or (along > 0 and away > reach * reach)


@njit(nogil=True, cache=True)
def _distance(kind: int, axes: FloatArray, size: FloatArray, offset: Vector, direction: Vector) -> float:
    """Give how far along a ray of unit direction it first meets a solid, or _FAR."""
    local, heading = _into(axes, *offset), _into(axes, *direction)
    if kind == BOX:
        return _box(local, heading, size)
    if kind == FRUSTUM:
        return _frustum(local, heading, size)
    return _ellipsoid(local, heading, size)


@njit(nogil=True, cache=True)
def _hit(solids: Solids, among: IndexArray, origin: Vector, direction: Vector) -> tuple[int, float]:
    """Give the solid that a ray meets first and how far away, looking only `among` these."""
    best, found = _FAR, _NOTHING
    for i in among:
        offset = _offset(solids.centre, i, origin)
        if not _misses(offset, direction, solids.reach[i]):
            t = _distance(solids.kind[i], solids.axes[i], solids.size[i], offset, direction)
            if t < best:
                best, found = t, i
    return found, best


@njit(nogil=True, cache=True)
def _sees_sun(solids: Solids, point: Vector) -> bool:
    for i in range(solids.kind.shape[0]):
        offset = _offset(solids.centre, i, point)
        if not _misses(offset, SUN, solids.reach[i]):
            t = _distance(solids.kind[i], solids.axes[i], solids.size[i], offset, SUN)
            if t < _FAR:
                return False
    return True


@njit(nogil=True, cache=True)
def _normal(kind: int, size: FloatArray, point: Vector) -> Vector:
    """Give the local outward unit normal at a local point of the surface."""
    x, y, z = point
    if kind == BOX:
        a, b, c = abs(x) / size[0], abs(y) / size[1], abs(z) / size[2]
        if a >= b and a >= c:
            return np.sign(x), 0.0, 0.0
        return (0.0, np.sign(y), 0.0) if b >= c else (0.0, 0.0, np.sign(z))
    if kind == FRUSTUM:
        if abs(abs(z) - size[2]) < 1e-7:
            return 0.0, 0.0, np.sign(z)
        slope = (size[1] - size[0]) / (2 * size[2])
        nx, ny, nz = x, y, -slope * np.sqrt(x * x + y * y)
    else:
        nx, ny, nz = x / size[0] ** 2, y / size[1] ** 2, z / size[2] ** 2
    length = np.sqrt(nx * nx + ny * ny + nz * nz)
    return nx / length, ny / length, nz / length


@njit(nogil=True, cache=True)
def _lattice(x: int, y: int, z: int, phase: int) -> float:
    """Give a fixed random number in -1..1 for a lattice point.

    The multipliers are those of Teschner et al., "Optimized Spatial Hashing for Collision Detection of Deformable
    Objects" (2003); the last step mixes the bits, whose products alone would show as stripes.
    """
    bits = (x * 73856093) ^ (y * 19349663) ^ (z * 83492791) ^ (phase * 6971)
    bits = ((bits & 0xFFFFFFFF) ^ ((bits & 0xFFFFFFFF) >> 15)) * 0x2C1B3C6D & 0xFFFFFFFF
    bits = (bits ^ (bits >> 12)) * 0x297A2D39 & 0xFFFFFFFF
    return (bits ^ (bits >> 15)) / 0x7FFFFFFF - 1.0


@njit(nogil=True, cache=True)
def _noise(x: float, y: float, z: float, phase: int) -> float:
    """Interpolate the lattice smoothly: value noise in -1..1."""
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    i, j, k = int(fx), int(fy), int(fz)
    u, v, w = x - fx, y - fy, z - fz
    u, v, w = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
    low = (_lattice(i, j, k, phase) * (1 - u) + _lattice(i + 1, j, k, phase) * u) * (1 - v) + (
        _lattice(i, j + 1, k, phase) * (1 - u) + _lattice(i + 1, j + 1, k, phase) * u
    ) * v
    high = (_lattice(i, j, k + 1, phase) * (1 - u) + _lattice(i + 1, j, k + 1, phase) * u) * (1 - v) + (
        _lattice(i, j + 1, k + 1, phase) * (1 - u) + _lattice(i + 1, j + 1, k + 1, phase) * u
    ) * v
    return float(low * (1 - w) + high * w)


@njit(nogil=True, cache=True)
def _albedo(solids: Solids, i: int, point: Vector, footprint: float) -> Vector:
    """Mix the solid's colours at a local point; `footprint` is a pixel's width there in metres.

    Every octave is as strong as the others and its blobs have sharp borders: that is what SIFT finds again.
    """
    x, y, z = point[0] * solids.grain[i, 0], point[1] * solids.grain[i, 1], point[2] * solids.grain[i, 2]
    cells = footprint * solids.grain[i].max()
    mix, relief = 0.0, 0.0
    for octave in range(_OCTAVES):
        fade = min(1.0, 2.0 - 2.4 * cells)
        if fade <= 0:
            break
        value = fade * _noise(x, y, z, solids.phase[i] + octave)
        if octave < 4:
            mix += value * 0.8**octave
        relief += value / (0.2 + abs(value))
        cells *= 2.03
        x, y, z = x * 2.03 + 7.1, y * 2.03 + 3.7, z * 2.03 + 5.3
    share = min(1.0, max(0.0, 0.5 + 0.75 * mix))
    bright = min(1.55, max(0.2, 0.95 + 0.19 * relief * solids.relief[i]))
    first, second = solids.colours[i, 0], solids.colours[i, 1]
    return (
        bright * (first[0] * (1 - share) + second[0] * share),
        bright * (first[1] * (1 - share) + second[1] * share),
        bright * (first[2] * (1 - share) + second[2] * share),
    )


@njit(nogil=True, cache=True)
def _shade(
    solids: Solids, among: IndexArray, origin: Vector, direction: Vector, pixel_angle: float
) -> tuple[Vector, int]:
    """Give the linear colour along a ray, and a number that differs across edges of solids and of shadows."""
    i, t = _hit(solids, among, origin, direction)
    if i == _NOTHING:
        return SKY, _NOTHING
    px, py, pz = origin[0] + t * direction[0], origin[1] + t * direction[1], origin[2] + t * direction[2]
    centre, axes = solids.centre[i], solids.axes[i]
    local = _into(axes, px - centre[0], py - centre[1], pz - centre[2])
    nx, ny, nz = _into(axes.T, *_normal(solids.kind[i], solids.size[i], local))
    facing = nx * SUN[0] + ny * SUN[1] + nz * SUN[2]
    lit = facing > 0 and _sees_sun(solids, (px + _LIFT * nx, py + _LIFT * ny, pz + _LIFT * nz))
    red, green, blue = _albedo(solids, i, local, t * pixel_angle)
    sun = facing if lit else 0.0
    sky = 0.65 + 0.35 * nz
    colour = (
        red * (SUN_COLOUR[0] * sun + AMBIENT_COLOUR[0] * sky),
        green * (SUN_COLOUR[1] * sun + AMBIENT_COLOUR[1] * sky),
        blue * (SUN_COLOUR[2] * sun + AMBIENT_COLOUR[2] * sky),
    )
    return colour, 16 * i + 8 * int(lit) + int(nx > 0.5) + 2 * int(ny > 0.5) + 4 * int(nz > 0.5)


@njit(nogil=True, cache=True)
def _straightened(bent: float, radial: tuple[float, float]) -> float:
    """Give the slope of a ray to the axis that the lens bends to `bent`, by Newton's method."""
    slope = bent
    for _ in range(_NEWTON_STEPS):
        squared = slope * slope
        excess = slope * (1 + squared * (radial[0] + squared * radial[1])) - bent
        slope -= excess / (1 + squared * (3 * radial[0] + 5 * squared * radial[1]))
    return slope


@njit(nogil=True, cache=True)
def _ray(view: _View, column: float, row: float) -> Vector:
    """Give the unit direction through a point of the image."""
    u, v = column - view.principal[0], row - view.principal[1]
    bent = np.sqrt(u * u + v * v) / view.focal
    if view.radial != (0.0, 0.0) and bent > 0:
        factor = _straightened(bent, view.radial) / bent
        u, v = u * factor, v * factor
    x, y, z = _into(view.rotation.T, u, v, view.focal)
    length = np.sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length


@njit(nogil=True, cache=True)
def _along_row(solids: Solids, view: _View, row: int) -> IndexArray:
    """Find the solids that the rays of one row of pixels, which lie in a plane unless they are bent, may meet."""
    if view.radial != (0.0, 0.0):
        return np.arange(solids.kind.shape[0])
    found = np.empty(solids.kind.shape[0], np.int64)
    count = 0
    v = row + 0.5 - view.principal[1]
    length = np.sqrt(v * v + view.focal * view.focal)
    nx, ny, nz = _into(view.rotation.T, 0.0, view.focal / length, -v / length)
    for i in range(solids.kind.shape[0]):
        x, y, z = _offset(solids.centre, i, view.centre)
        pixel = np.sqrt(x * x + y * y + z * z) / view.focal
        if abs(x * nx + y * ny + z * nz) <= solids.reach[i] + pixel:
            found[count] = i
            count += 1
    return found[:count]


@njit(nogil=True, cache=True)
def _cast(solids: Solids, view: _View, image: FloatArray, edges: IndexArray) -> None:
    """Fill the image with one ray a pixel, and `edges` with what _shade says of edges."""
    for row in range(edges.shape[0]):
        among = _along_row(solids, view, row)
        for column in range(edges.shape[1]):
            direction = _ray(view, column + 0.5, row + 0.5)
            colour, edges[row, column] = _shade(solids, among, view.centre, direction, 1 / view.focal)
            image[row, column, 0], image[row, column, 1], image[row, column, 2] = colour


@njit(nogil=True, cache=True)
def _smooth_edges(solids: Solids, view: _View, image: FloatArray, edges: IndexArray) -> None:
    """Cast the pixels again that lie on an edge, with many rays."""
    height, width = edges.shape
    for row in range(height):
        among = _along_row(solids, view, row)
        for column in range(width):
            here = edges[row, column]
            if (
                here == edges[max(row - 1, 0), column]
                and here == edges[min(row + 1, height - 1), column]
                and here == edges[row, max(column - 1, 0)]
                and here == edges[row, min(column + 1, width - 1)]
            ):
                continue
            image[row, column] = 0
            for part in range(_EDGE_RAYS**2):
                u, v = (part % _EDGE_RAYS + 0.5) / _EDGE_RAYS, (part // _EDGE_RAYS + 0.5) / _EDGE_RAYS
                direction = _ray(view, column + u, row + v)
                colour, _ = _shade(solids, among, view.centre, direction, 1 / view.focal)
                for channel in range(3):
                    image[row, column, channel] += colour[channel] / _EDGE_RAYS**2


@njit(nogil=True, cache=True)
def _measure(solids: Solids, view: _View, depths: FloatArray, normals: FloatArray) -> None:
    """Fill in what the rays through the pixels' centres meet: depth, and the normal in the world."""
    height, width = depths.shape
    for row in range(height):
        among = _along_row(solids, view, row)
        for column in range(width):
            direction = _ray(view, column + 0.5, row + 0.5)
            i, t = _hit(solids, among, view.centre, direction)
            if i == _NOTHING:
                continue
            x, y, z = t * direction[0], t * direction[1], t * direction[2]
            point = (view.centre[0] + x, view.centre[1] + y, view.centre[2] + z)
            local = _into(solids.axes[i], *_offset(solids.centre, i, point))
            normals[row, column] = _into(solids.axes[i].T, *_normal(solids.kind[i], solids.size[i], local))
            depths[row, column] = _into(view.rotation, x, y, z)[2]


def measure(solids: Solids, camera: Camera) -> tuple[FloatArray, FloatArray]:
    """Give the depth in metres along the camera's axis (height, width), and the outward normals (height, width, 3).

    Where the camera sees the sky, all are zero.
    """
    depths = np.zeros((camera.height, camera.width))
    normals = np.zeros((camera.height, camera.width, 3))
    _measure(solids, _view(camera), depths, normals)
    return depths, normals


def _view(camera: Camera) -> _View:
    return _View(np.array(camera.rotation), camera.centre, camera.focal, camera.principal_point, camera.radial)


def cast(solids: Solids, camera: Camera) -> FloatArray:
    """Give what the camera sees, (height, width, 3), in linear colour where 1 is white; brighter is possible."""
    image = np.empty((camera.height, camera.width, 3))
    edges = np.empty((camera.height, camera.width), np.int64)
    view = _view(camera)
    _cast(solids, view, image, edges)
    _smooth_edges(solids, view, image, edges)
    return image
