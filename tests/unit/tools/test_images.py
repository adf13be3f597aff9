"""An image's tag follows what it is made from, and nothing else."""

import re
from pathlib import Path

import pytest

from tools.images import DEFAULT_NAMES, IMAGES, ImageError, build, catalogue
from tools.images.catalogue import IGNORED, ROOT, Image

DOCKERFILES = sorted(ROOT.glob("images/*/Dockerfile"))


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Image:
    """An image of a clone of the test's own."""
    monkeypatch.setattr(catalogue, "ROOT", tmp_path)
    for path, text in {
        ".dockerignore": "*\n",
        "images/demo/Dockerfile": "FROM a AS b\nCOPY --from=b /x /y\nCOPY lock/${VARIANT}.txt /\nCOPY code /app\n",
        "lock/cpu.txt": "one\n",
        "lock/gpu.txt": "two\n",
        "code/main.py": "print()\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return Image("demo", "demo", {"VARIANT": "cpu"})


def test_sources_are_what_the_dockerfile_copies_from_the_clone(image: Image) -> None:
    assert image.sources() == ("lock/cpu.txt", "code")


@pytest.mark.parametrize("path", ["images/demo/Dockerfile", ".dockerignore", "lock/cpu.txt", "code/main.py"])
def test_a_changed_input_changes_the_tag(image: Image, tmp_path: Path, path: str) -> None:
    before = image.tag()
    with (tmp_path / path).open("a") as file:
        file.write("# changed\n")
    assert image.tag() != before


def test_a_new_file_and_a_file_made_executable_change_the_tag(image: Image, tmp_path: Path) -> None:
    tags = {image.tag()}
    (tmp_path / "code/more.py").touch()
    tags.add(image.tag())
    (tmp_path / "code/more.py").chmod(0o755)
    tags.add(image.tag())
    assert len(tags) == 3


def test_what_does_not_go_into_the_image_leaves_the_tag(image: Image, tmp_path: Path) -> None:
    before = image.tag()
    (tmp_path / "lock/gpu.txt").write_text("another variant's\n")
    for folder in IGNORED:
        (tmp_path / "code" / folder).mkdir()
        (tmp_path / "code" / folder / "file").touch()
    assert image.tag() == before


def test_variants_of_one_dockerfile_have_different_tags(image: Image) -> None:
    assert Image("demo", "demo", {"VARIANT": "gpu"}).tag() != image.tag()


def test_a_dockerfile_that_copies_what_is_not_there_is_named(image: Image, tmp_path: Path) -> None:
    (tmp_path / "lock/cpu.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"copies lock/cpu\.txt, which is not there"):
        image.tag()


def test_an_unknown_image_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ImageError, match=r"no image named nginx: choose from operator, gateway"):
        build(["nginx"])


def test_every_dockerfile_belongs_to_an_image_whose_inputs_exist() -> None:
    assert {image.dockerfile for image in IMAGES.values()} == set(DOCKERFILES)
    assert set(DEFAULT_NAMES) < set(IMAGES)
    for image in IMAGES.values():
        assert all(path.is_file() for path in image.files())


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_images_share_their_first_layers_and_run_as_nobody_in_particular(file: Path) -> None:
    def first_stages(dockerfile: Path) -> str:
        text = dockerfile.read_text()
        return text[text.index("FROM debian:") : text.index("FROM pip AS ")]

    assert first_stages(file) == first_stages(DOCKERFILES[0])
    last_stage = file.read_text().rsplit("\nFROM ", 1)[1]
    assert "\nUSER 10001:10001\n" in last_stage


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_dockerfiles_name_no_host_and_install_pinned_packages_alone(file: Path) -> None:
    text = file.read_text()
    assert "://" not in text
    assert len(re.findall(r"pip .*install", text)) == text.count("--require-hashes")


def test_what_tags_leave_out_never_reaches_a_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {f"**/{folder}" for folder in IGNORED} <= set(ignored)
