"""The cache of built programs is found again exactly when nothing that matters has changed."""

import shutil
from pathlib import Path

import pytest

from tools.cluster import build


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    copy = tmp_path / "somewhere else"
    shutil.copytree(build.SOURCES, copy)
    return copy


def test_the_key_does_not_depend_on_where_the_clone_is(sources: Path) -> None:
    assert build.module(sources).key() == build.module().key()


@pytest.mark.parametrize("file", ["go.mod", "go.sum", "kube/main.go", "pause/main.go"])
def test_a_changed_source_or_dependency_changes_the_key(sources: Path, file: str) -> None:
    with (sources / file).open("a") as changed:
        changed.write("\n")
    assert build.module(sources).key() != build.module().key()


def test_moving_a_line_from_one_file_to_the_next_changes_the_key(sources: Path) -> None:
    before = build.module(sources).key()
    first, second = sources / "kube" / "coredns.go", sources / "kube" / "helm.go"
    text = first.read_text() + second.read_text()
    first.write_text(text[:-1])
    second.write_text(text[-1:])
    assert build.module(sources).key() != before


def test_the_components_report_the_version_that_go_mod_asks_for() -> None:
    assert f"k8s.io/kubernetes {build.KUBERNETES_VERSION}" in (build.SOURCES / "go.mod").read_text()


def test_every_program_is_one_that_the_binary_knows() -> None:
    main = (build.SOURCES / "kube" / "main.go").read_text()
    assert [name for name in build.PROGRAMS if f'case "{name}"' not in main] == []
