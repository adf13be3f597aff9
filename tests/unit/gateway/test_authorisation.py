"""The rules of the store, over every path that a caller could think of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointcloud_gateway.store.authorisation import (
    ROOTS,
    Access,
    BadPathError,
    Identity,
    NotAllowedError,
    ObjectPath,
    Policy,
)

POD = Identity("system:serviceaccount:a:default", "a", "pod-1")
NO_POD = Identity("system:serviceaccount:a:default", "a", None)
OPERATOR = Identity("system:serviceaccount:system:operator", "system", "pod-9")
USER = Identity("jane")
READER = Identity("auditor")
POLICY = Policy(readers=frozenset({OPERATOR.username, READER.username}), managers=frozenset({OPERATOR.username}))
KEY = "raw/a/job/uid/5f0c2a91d4"


def allowed(identity: Identity, access: Access, path: str) -> bool:
    try:
        POLICY.check(identity, access, ObjectPath.parse(path))
    except NotAllowedError:
        return False
    return True


@pytest.mark.parametrize(
    ("identity", "access", "path", "expected"),
    [
        (POD, Access.READ, f"{KEY}/pod-2/photos.json", True),
        (POD, Access.READ, "potree/a", True),
        (POD, Access.READ, "raw", False),
        (POD, Access.READ, "raw/b/job/uid/key/pod-1/x", False),
        (POD, Access.READ, "raw/A/job/uid/key/pod-1/x", False),
        (POD, Access.WRITE, f"{KEY}/pod-1/images/1.jpg", True),
        (POD, Access.CREATE, f"{KEY}/pod-1/x", True),
        (POD, Access.WRITE, f"{KEY}/pod-1", False),
        (POD, Access.WRITE, f"{KEY}/pod-2/x", False),
        (POD, Access.WRITE, "raw/a/pod-1/x", False),
        (POD, Access.WRITE, "raw/b/job/uid/key/pod-1/x", False),
        (POD, Access.CREATE, f"{KEY}/result.json", True),
        (POD, Access.WRITE, f"{KEY}/result.json", False),
        (POD, Access.CREATE, f"{KEY}/result.json/x", False),
        (POD, Access.CREATE, f"{KEY}/other.json", False),
        (NO_POD, Access.READ, f"{KEY}/pod-1/x", True),
        (NO_POD, Access.CREATE, f"{KEY}/result.json", False),
        (NO_POD, Access.WRITE, f"{KEY}/None/x", False),
        (OPERATOR, Access.READ, f"{KEY}/result.json", True),
        (OPERATOR, Access.WRITE, f"{KEY}/pod-9/x", False),
        (OPERATOR, Access.CREATE, f"{KEY}/result.json", False),
        (OPERATOR, Access.ERASE, KEY, True),
        (READER, Access.READ, f"{KEY}/result.json", True),
        (READER, Access.ERASE, KEY, False),
        (POD, Access.ERASE, KEY, False),
        (POD, Access.ERASE, f"{KEY}/pod-1", False),
        (USER, Access.READ, "raw/None/x", False),
        (USER, Access.WRITE, "raw/None/job/uid/key/None/x", False),
    ],
)
def test_who_may_what(identity: Identity, access: Access, path: str, expected: bool) -> None:  # noqa: FBT001
    assert allowed(identity, access, path) is expected


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "raw/",
        "/raw/a",
        "raw//a",
        "raw/../raw/a",
        "raw/./a",
        "Raw/a",
        "elsewhere/a",
        "raw/a/\x00",
        "raw/a/x\n",
        "raw/a/\u202egpj.exe",
        "raw/a/\ud800",
        "raw\\a",
        "raw/a\\..\\b",
        "raw/a/upload#1",
        "raw/a/" + "x" * 241,
        "raw/a" + "/y" * 600,
    ],
)
def test_paths_that_no_object_can_have(path: str) -> None:
    with pytest.raises(BadPathError):
        ObjectPath.parse(path)


@pytest.mark.parametrize("name", ["é ü.jpg", "photo #1.jpg", "100%.jpg", "%2e%2e", "a'b(1).jpg", "...", "写真.png"])
def test_names_that_photos_have(name: str) -> None:
    assert str(ObjectPath.parse(f"{KEY}/pod-1/{name}")) == f"{KEY}/pod-1/{name}"


pieces = st.one_of(
    st.sampled_from(["a", "A", "b", "..", ".", "", "pod-1", "result.json", "%2e%2e", "\u0430", "a\u0301", *ROOTS]),
    st.text(max_size=8),
)


@given(st.lists(pieces, min_size=1, max_size=9).map("/".join), st.sampled_from(Access))
def test_whatever_its_spelling_no_path_leads_out_of_a_pods_namespace(path: str, access: Access) -> None:
    try:
        parsed = ObjectPath.parse(path)
    except BadPathError:
        return
    if not allowed(POD, access, path):
        return
    assert str(parsed) == path
    root, namespace, *rest = path.split("/")
    assert (root in ROOTS, namespace) == (True, "a")
    assert not {"", ".", ".."} & set(rest)
    assert access is not Access.ERASE
    if access is not Access.READ:
        assert rest[3] == "pod-1" or (access is Access.CREATE and rest[3:] == ["result.json"])
