from hypothesis import given
from hypothesis import strategies as st

from pointcloud_ingest.naming import MAX_DEPTH, Names, sanitised
from pointcloud_ingest.photos import SUFFIX, SUFFIXES

names = st.text(max_size=200) | st.lists(st.sampled_from(["..", ".", "", "a", "A", "a.jpg", "/", "\\", "é"])).map(
    "/".join
)


@given(names)
def test_a_path_is_relative_bounded_and_harmless(name: str) -> None:
    path = sanitised(name).as_posix()
    parts = path.split("/")
    assert 1 <= len(parts) <= MAX_DEPTH
    for part in parts:
        assert part
        assert not part.startswith(".")
        assert len(part.encode()) <= 255
        assert all(c.isalnum() or c in "-_." for c in part)


@given(st.lists(names, max_size=30), st.sampled_from(sorted(SUFFIX)))
def test_each_file_gets_a_path_of_its_own_and_the_same_one_each_time(given_names: list[str], kind: str) -> None:
    def give_all() -> list[str]:
        giver = Names()
        return [giver.give(name, suffix=SUFFIX[kind], suffixes=SUFFIXES[kind]) for name in given_names]

    paths = give_all()
    assert len({path.casefold() for path in paths}) == len(paths)
    assert paths == give_all()
    assert all(path.lower().endswith(tuple(SUFFIXES[kind])) for path in paths)


def test_names_stay_what_they_were_where_they_can() -> None:
    jpeg = {"suffix": ".jpg", "suffixes": SUFFIXES["JPEG"]}
    giver = Names()
    given_names = ["a/DSC_1.JPG", "b/DSC_1.JPG", "b/dsc_1.jpg", "b/DSC 1.png", "Größe.jpeg", "/etc/../x"]
    assert [giver.give(name, **jpeg) for name in given_names] == [  # type: ignore[arg-type]
        "a/DSC_1.JPG",
        "b/DSC_1.JPG",
        "b/dsc_1-2.jpg",
        "b/DSC_1.png.jpg",
        "Größe.jpeg",
        "etc/x.jpg",
    ]
