"""Run the gateway: `python -m pointcloud_gateway`."""

from pointcloud_gateway.main import main

main()
