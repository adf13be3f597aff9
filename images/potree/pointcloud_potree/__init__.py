"""Turns the points of a reconstruction into a Potree 2.0 octree with a viewer page beside it."""

import os

# NumPy asks for huge pages for large arrays. Where the kernel has filled memory with the files that are read and
# written here, it moves pages about to make some, which took a sixth of the time. NumPy looks when it is imported.
os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")
