"""Casts rays at solids and shades what they hit: the numba kernels, and nothing about which solids or cameras.

Surfaces are matt and textures are functions of the solid's own coordinates, so that a point has the same colour
in every photo; texture finer than a pixel fades out, so that one ray a pixel suffices inside a surface.
Pixels on an edge, of a solid or of a shadow, are cast again with more rays.
"""

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tools.scene.camera import Camera, FloatArray

BOX: Final = 0
FRUSTUM: Final = 1
ELLIPSOID: Final = 2

SUN: Final = (0.48, -0.52, 0.71)
SUN_COLOUR: Final = (1.02, 0.93, 0.76)
AMBIENT_COLOUR: Final = (0.36, 0.42, 0.50)
SKY: Final = (0.56, 0.70, 0.84)
"""Linear colour of the plain sky."""

_EDGE_RAYS: Final = 3
"""Rays along each side of a pixel that lies on an edge."""
_NOTHING: Final = -1
_FAR: Final = 1e9
_OCTAVES: Final = 9


class Solids(NamedTuple):
    """N solids as arrays, the form in which numba reads them."""

    kind: NDArray[np.int64]
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
    phase: NDArray[np.int64]
    """(N,) makes each solid's texture its own."""


@njit(nogil=True, cache=True)
def _box(ox, oy, oz, dx, dy, dz, size, least):  # type: ignore[no-untyped-def]
    near, far = -_FAR, _FAR
    for o, d, half in ((ox, dx, size[0]), (oy, dy, size[1]), (oz, dz, size[2])):
        if abs(d) < 1e-12:
            if abs(o) > half:
                return _FAR
            continue
        a, b = (-half - o) / d, (half - o) / d
        near, far = max(near, min(a, b)), min(far, max(a, b))
    if near > far:
        return _FAR
    return near if near > least else (far if far > least else _FAR)


@njit(nogil=True, cache=True)
def _frustum(ox, oy, oz, dx, dy, dz, size, least):  # type: ignore[no-untyped-def]
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
            if least < t < best and abs(oz + t * dz) <= half:
                best = t
    if abs(dz) > 1e-12:
        for z, limit in ((-half, size[0]), (half, size[1])):
            t = (z - oz) / dz
            x, y = ox + t * dx, oy + t * dy
            if least < t < best and x * x + y * y <= limit * limit:
                best = t
    return best


@njit(nogil=True, cache=True)
def _ellipsoid(ox, oy, oz, dx, dy, dz, size, least):  # type: ignore[no-untyped-def]
    ox, oy, oz = ox / size[0], oy / size[1], oz / size[2]
    dx, dy, dz = dx / size[0], dy / size[1], dz / size[2]
    a = dx * dx + dy * dy + dz * dz
    b = ox * dx + oy * dy + oz * dz
    root = b * b - a * (ox * ox + oy * oy + oz * oz - 1)
    if root < 0:
        return _FAR
    root = np.sqrt(root)
    near, far = (-b - root) / a, (-b + root) / a
    return near if near > least else (far if far > least else _FAR)


@njit(nogil=True, cache=True)
def _into(axes, x, y, z):  # type: ignore[no-untyped-def]
    return (
        axes[0, 0] * x + axes[1, 0] * y + axes[2, 0] * z,
        axes[0, 1] * x + axes[1, 1] * y + axes[2, 1] * z,
        axes[0, 2] * x + axes[1, 2] * y + axes[2, 2] * z,
    )


@njit(nogil=True, cache=True)
def _hit(solids, ox, oy, oz, dx, dy, dz, any_will_do):  # type: ignore[no-untyped-def]
    """Give (solid, distance) of the first hit of a ray of unit direction, or of any hit."""
    best, found = _FAR, _NOTHING
    for i in range(solids.kind.shape[0]):
        x, y, z = ox - solids.centre[i, 0], oy - solids.centre[i, 1], oz - solids.centre[i, 2]
        along = x * dx + y * dy + z * dz
        aside = x * x + y * y + z * z - along * along
        reach = solids.reach[i]
        if aside > reach * reach or -along - reach > best or -along + reach < 0:
            continue
        lx, ly, lz = _into(solids.axes[i], x, y, z)
        ex, ey, ez = _into(solids.axes[i], dx, dy, dz)
        if solids.kind[i] == BOX:
            t = _box(lx, ly, lz, ex, ey, ez, solids.size[i], 1e-6)
        elif solids.kind[i] == FRUSTUM:
            t = _frustum(lx, ly, lz, ex, ey, ez, solids.size[i], 1e-6)
        else:
            t = _ellipsoid(lx, ly, lz, ex, ey, ez, solids.size[i], 1e-6)
        if t < best:
            best, found = t, i
            if any_will_do:
                break
    return found, best


@njit(nogil=True, cache=True)
def _normal(kind, size, x, y, z):  # type: ignore[no-untyped-def]
    """Give the local outward unit normal at a local point of the surface."""
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
def _lattice(x, y, z, phase):  # type: ignore[no-untyped-def]
    """Give a fixed random number in -1..1 for a lattice point.

    The multipliers are those of Teschner et al., "Optimized Spatial Hashing for Collision Detection of Deformable
    Objects" (2003); the last step mixes the bits, whose products alone would show as stripes.
    """
    bits = (x * 73856093) ^ (y * 19349663) ^ (z * 83492791) ^ (phase * 6971)
    bits = ((bits & 0xFFFFFFFF) ^ ((bits & 0xFFFFFFFF) >> 15)) * 0x2C1B3C6D & 0xFFFFFFFF
    bits = (bits ^ (bits >> 12)) * 0x297A2D39 & 0xFFFFFFFF
    return (bits ^ (bits >> 15)) / 0x7FFFFFFF - 1.0


@njit(nogil=True, cache=True)
def _noise(x, y, z, phase):  # type: ignore[no-untyped-def]
    """Interpolate the lattice smoothly: value noise in -1..1."""
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    i, j, k = int(fx), int(fy), int(fz)
    u, v, w = x - fx, y - fy, z - fz
    u, v, w = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
    low = (
        _lattice(i, j, k, phase) * (1 - u) + _lattice(i + 1, j, k, phase) * u
    ) * (1 - v) + (_lattice(i, j + 1, k, phase) * (1 - u) + _lattice(i + 1, j + 1, k, phase) * u) * v
    high = (
        _lattice(i, j, k + 1, phase) * (1 - u) + _lattice(i + 1, j, k + 1, phase) * u
    ) * (1 - v) + (_lattice(i, j + 1, k + 1, phase) * (1 - u) + _lattice(i + 1, j + 1, k + 1, phase) * u) * v
    return low * (1 - w) + high * w


@njit(nogil=True, cache=True)
def _albedo(solids, i, x, y, z, footprint):  # type: ignore[no-untyped-def]
    """Mix the solid's colours at a local point; `footprint` is a pixel's width there in metres.

    Every octave is as strong as the others and its blobs have sharp borders: that is what SIFT finds again.
    """
    x, y, z = x * solids.grain[i, 0], y * solids.grain[i, 1], z * solids.grain[i, 2]
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
    bright = min(1.55, max(0.2, 0.95 + 0.19 * relief))
    first, second = solids.colours[i, 0], solids.colours[i, 1]
    return (
        bright * (first[0] * (1 - share) + second[0] * share),
        bright * (first[1] * (1 - share) + second[1] * share),
        bright * (first[2] * (1 - share) + second[2] * share),
    )


@njit(nogil=True, cache=True)
def _shade(solids, ox, oy, oz, dx, dy, dz, pixel_angle):  # type: ignore[no-untyped-def]
    """Give the linear colour along a ray, and a number that differs across edges of solids and of shadows."""
    i, t = _hit(solids, ox, oy, oz, dx, dy, dz, False)
    if i == _NOTHING:
        return SKY[0], SKY[1], SKY[2], _NOTHING
    axes = solids.axes[i]
    px, py, pz = ox + t * dx, oy + t * dy, oz + t * dz
    x, y, z = _into(axes, px - solids.centre[i, 0], py - solids.centre[i, 1], pz - solids.centre[i, 2])
    a, b, c = _normal(solids.kind[i], solids.size[i], x, y, z)
    nx = axes[0, 0] * a + axes[0, 1] * b + axes[0, 2] * c
    ny = axes[1, 0] * a + axes[1, 1] * b + axes[1, 2] * c
    nz = axes[2, 0] * a + axes[2, 1] * b + axes[2, 2] * c
    facing = nx * SUN[0] + ny * SUN[1] + nz * SUN[2]
    lit = facing > 0
    if lit:
        lift = 1e-4
        blocker, _ = _hit(
            solids, px + lift * nx, py + lift * ny, pz + lift * nz, SUN[0], SUN[1], SUN[2], True
        )
        lit = blocker == _NOTHING
    red, green, blue = _albedo(solids, i, x, y, z, t * pixel_angle)
    sun = facing if lit else 0.0
    sky = 0.65 + 0.35 * nz
    edge = 16 * i + 8 * int(lit) + int(nx > 0.5) + 2 * int(ny > 0.5) + 4 * int(nz > 0.5)
    return (
        red * (SUN_COLOUR[0] * sun + AMBIENT_COLOUR[0] * sky),
        green * (SUN_COLOUR[1] * sun + AMBIENT_COLOUR[1] * sky),
        blue * (SUN_COLOUR[2] * sun + AMBIENT_COLOUR[2] * sky),
        edge,
    )


@njit(nogil=True, cache=True)
def _ray(rotation, focal, u, v):  # type: ignore[no-untyped-def]
    """Give the unit direction through a point of the image, measured from the principal point."""
    x = rotation[0, 0] * u + rotation[0, 1] * v + rotation[0, 2] * focal
    y = rotation[1, 0] * u + rotation[1, 1] * v + rotation[1, 2] * focal
    z = rotation[2, 0] * u + rotation[2, 1] * v + rotation[2, 2] * focal
    length = np.sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length


@njit(nogil=True, cache=True)
def _cast(solids, rotation, centre, focal, principal, image, edges):  # type: ignore[no-untyped-def]
    """Fill the image with one ray a pixel, then its edges with many."""
    height, width = edges.shape
    ox, oy, oz = centre[0], centre[1], centre[2]
    for row in range(height):
        for column in range(width):
            dx, dy, dz = _ray(rotation, focal, column + 0.5 - principal[0], row + 0.5 - principal[1])
            r, g, b, edge = _shade(solids, ox, oy, oz, dx, dy, dz, 1 / focal)
            image[row, column, 0], image[row, column, 1], image[row, column, 2] = r, g, b
            edges[row, column] = edge
    for row in range(height):
        for column in range(width):
            here = edges[row, column]
            if (
                here == edges[max(row - 1, 0), column]
                and here == edges[min(row + 1, height - 1), column]
                and here == edges[row, max(column - 1, 0)]
                and here == edges[row, min(column + 1, width - 1)]
            ):
                continue
            red = green = blue = 0.0
            for part in range(_EDGE_RAYS * _EDGE_RAYS):
                u = column + (part % _EDGE_RAYS + 0.5) / _EDGE_RAYS - principal[0]
                v = row + (part // _EDGE_RAYS + 0.5) / _EDGE_RAYS - principal[1]
                dx, dy, dz = _ray(rotation, focal, u, v)
                r, g, b, _ = _shade(solids, ox, oy, oz, dx, dy, dz, 1 / focal)
                red, green, blue = red + r, green + g, blue + b
            rays = _EDGE_RAYS * _EDGE_RAYS
            image[row, column, 0], image[row, column, 1], image[row, column, 2] = (
                red / rays,
                green / rays,
                blue / rays,
            )


def cast(solids: Solids, camera: Camera) -> FloatArray:
    """Give what the camera sees, (height, width, 3), in linear colour where 1 is white; brighter is possible."""
    image = np.empty((camera.height, camera.width, 3))
    edges = np.empty((camera.height, camera.width), np.int64)
    rotation, centre = np.array(camera.rotation), np.array(camera.centre)
    _cast(solids, rotation, centre, camera.focal, np.array(camera.principal_point), image, edges)
    return image
