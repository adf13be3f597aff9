"""`python -m pointcloud_ingest`: what the ingest image runs."""

from pointcloud_stage import main

main("pointcloud_ingest.program:ingest")
