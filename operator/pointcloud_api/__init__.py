"""The types everybody shares: the PointcloudJob resource, the contract between operator and stages, and names.

Depends on pydantic only, so that a stage image carries no Kubernetes client.
"""

__version__ = "0.1.0"
