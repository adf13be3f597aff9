"""Turns the points of a reconstruction into a Potree 2.0 octree with a viewer page beside it."""
