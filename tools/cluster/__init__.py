"""The local Kubernetes cluster to develop and test on: `python -m tools.cluster --help`.

Two shapes: a control plane alone (`ControlPlane`, no root, several side by side) for integration tests, and a whole
node that runs containers, for the demo and end-to-end tests.
"""
