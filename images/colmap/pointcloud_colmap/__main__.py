"""`python -m pointcloud_colmap`: what a reconstruct pod runs."""

from pointcloud_stage import main

if __name__ == "__main__":
    main("pointcloud_colmap.program:reconstruct")
