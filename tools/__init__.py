"""Developers' tools: the local cluster, the sample scene, benchmarks."""
