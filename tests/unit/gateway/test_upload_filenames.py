"""What a sender calls a file does no harm wherever it is shown or written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointcloud_gateway.uploads.filenames import MAX_NAME, MAX_PART, clean, decoded


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("a.jpg", "a.jpg"),
        ("façade/Ost 1.JPG", "façade/Ost 1.JPG"),
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("a/./b//../c.jpg", "a/b/c.jpg"),
        ("C:\\Users\\me\\a.jpg", "Users/me/a.jpg"),
        ("..\\a.jpg", "a.jpg"),
        ("C:../../a.jpg", "a.jpg"),
        (".. /a.jpg", "a.jpg"),
        ("a\r\nb\x00\x1b[31m.jpg", "a__b__[31m.jpg"),
        ("a\u202egpj.exe", "a_gpj.exe"),
        ("", "file"),
        ("../..", "file"),
        (" ", "file"),
        ("x" * 300 + ".jpeg", "x" * 250 + ".jpeg"),
        ("x" * 300, "x" * 255),
        ("/".join(["y" * 200] * 6) + "/a.jpg", "/".join(["y" * 200] * 5) + "/a.jpg"),
    ],
)
def test_a_name_is_kept_as_far_as_it_is_harmless(given_name: str, name: str) -> None:
    assert clean(given_name) == name


@given(st.text(st.one_of(st.characters(), st.sampled_from("/\\.: \x00")), max_size=2000))
def test_no_name_leads_anywhere(name: str) -> None:
    cleaned = clean(name)
    parts = cleaned.split("/")
    assert not {"", ".", ".."}.intersection(parts)
    assert len(cleaned) <= MAX_NAME
    assert all(len(part) <= MAX_PART and part == part.strip() for part in parts)
    assert cleaned.isprintable() or all(character.isprintable() or character.isspace() for character in cleaned)
    assert cleaned.encode().decode() == cleaned
    assert "\\" not in cleaned
    assert clean(cleaned) == cleaned


def test_bytes_that_are_not_utf_8_are_a_name_all_the_same() -> None:
    assert decoded(b"caf\xe9.jpg") == "caf\ufffd.jpg"
    assert decoded("café.jpg".encode()) == "café.jpg"
