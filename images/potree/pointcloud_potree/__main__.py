"""`python -m pointcloud_potree`: what a convert pod runs."""

from pointcloud_stage import main

if __name__ == "__main__":
    main("pointcloud_potree.program:convert")
