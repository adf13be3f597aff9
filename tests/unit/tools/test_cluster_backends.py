"""The cluster that is chosen, and the sentence that says why none is."""

import os
from pathlib import Path

import pytest

from tools.cluster import backends
from tools.cluster.errors import ClusterError


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without Docker and kind; gives a folder for the cluster's state."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(backends.CHOICE_VARIABLE, raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return tmp_path / "state"


def test_without_docker_and_root_one_sentence_says_what_to_do(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ClusterError, match=r"docker is not installed.*root.*POINTCLOUD_CLUSTER=kubeconfig") as failure:
        backends.to_bring_up(bare_machine, control_plane_only=False)
    assert "\n" not in str(failure.value)


def test_a_control_plane_alone_needs_neither(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    cluster = backends.to_bring_up(bare_machine, control_plane_only=True)
    assert isinstance(cluster, backends.DetachedControlPlane)


def test_root_without_docker_gets_the_modules_node(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert isinstance(backends.to_bring_up(bare_machine, control_plane_only=False), backends.ModulesNode)


def test_the_cluster_that_kubeconfig_names_is_taken_only_when_asked_for(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("KUBECONFIG", "/etc/theirs")
    with pytest.raises(ClusterError):
        backends.to_bring_up(bare_machine, control_plane_only=False)
    monkeypatch.setenv(backends.CHOICE_VARIABLE, "kubeconfig")
    assert backends.to_bring_up(bare_machine, control_plane_only=False).kubeconfig == Path("/etc/theirs")


def test_later_commands_ask_the_cluster_that_was_brought_up(bare_machine: Path) -> None:
    with pytest.raises(ClusterError, match="make cluster-up"):
        backends.brought_up(bare_machine)
    up = backends.to_bring_up(bare_machine, control_plane_only=True)
    assert backends.brought_up(bare_machine).kubeconfig == up.kubeconfig


def test_a_cluster_of_another_kind_is_not_brought_up_over_the_first(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backends.to_bring_up(bare_machine, control_plane_only=True)
    with pytest.raises(ClusterError, match="make cluster-down"):  # asked for nothing in particular: for a node
        backends.to_bring_up(bare_machine, control_plane_only=False)
    monkeypatch.setenv(backends.CHOICE_VARIABLE, "kubeconfig")
    monkeypatch.setenv("KUBECONFIG", "/etc/theirs")
    with pytest.raises(ClusterError, match="make cluster-down"):
        backends.to_bring_up(bare_machine, control_plane_only=False)


def test_a_misspelt_choice_is_answered_with_the_choices(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(backends.CHOICE_VARIABLE, "minikube")
    with pytest.raises(ClusterError, match="minikube is none of kubeconfig, kind, modules"):
        backends.to_bring_up(bare_machine, control_plane_only=False)
