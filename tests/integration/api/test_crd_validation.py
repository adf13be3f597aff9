"""What the API server says to a wrong PointcloudJob, and that it takes the good ones."""

from typing import Any

import pytest

from pointcloud_api.names import API_VERSION, KIND, MAX_NAME_LENGTH
from tests.integration.conftest import Json, Namespace

URLS = {"urls": ["https://example.com/photos.zip"]}
CLAIM = {"persistentVolumeClaim": {"claimName": "photos"}}
UPLOAD: Json = {"upload": {}}
ONE_SOURCE = "name exactly one source: set source.urls, source.persistentVolumeClaim or source.upload, and no other"
HOOK = "a webhook's url starts with https:// or http://, such as https://example.com/hooks/pointclouds"


def job(spec: Json, name: str = "ruin") -> Json:
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}


def claim_path(path: str) -> Json:
    return {"source": {"persistentVolumeClaim": {"claimName": "photos", "path": path}}}


def limits(**quantities: Any) -> Json:
    return {"source": URLS, "stages": {"reconstruct": {"resources": {"limits": quantities}}}}


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({}, "spec.source: Required value"),
        ({"source": {}}, ONE_SOURCE),
        ({"source": {"video": {}}}, ONE_SOURCE),
        ({"source": {**URLS, **CLAIM}}, ONE_SOURCE),
        ({"source": {**URLS, **UPLOAD}}, ONE_SOURCE),
        ({"source": {**CLAIM, **UPLOAD}}, ONE_SOURCE),
        ({"source": {"upload": {"revision": 0}}}, "should be greater than or equal to 1"),
        ({"source": {"upload": {"receivedAt": "yesterday"}}}, "must be of type date-time"),
        ({"source": {"upload": {"receivedAt": []}}}, "receivedAt"),
        ({"source": {**UPLOAD, "video": {"framesPerSecond": 0}}}, "should be greater than or equal to 1"),
        ({"source": {**UPLOAD, "video": {"framesPerSecond": 61}}}, "should be less than or equal to 60"),
        ({"source": {**UPLOAD, "video": {"maxFrames": 1}}}, "should be greater than or equal to 2"),
        ({"source": {**UPLOAD, "video": {"maxFrames": 5001}}}, "should be less than or equal to 5000"),
        ({"source": URLS, "rerun": "x" * 65}, "may not be more than 64"),
        ({"source": URLS, "webhooks": [{"url": "ftp://example.com"}]}, HOOK),
        ({"source": URLS, "webhooks": [{"url": "example.com/hook"}]}, HOOK),
        ({"source": URLS, "webhooks": [{}]}, "webhooks[0].url: Required value"),
        ({"source": URLS, "webhooks": [{"url": "https://example.com"}] * 5}, "must have at most 4 items"),
        ({"source": URLS, "suspend": "yes"}, "must be of type boolean"),
        ({"source": {"urls": []}}, "should have at least 1 items"),
        ({"source": {"urls": ["ftp://example.com/a.zip"]}}, "a source URL starts with http:// or https://"),
        ({"source": {"urls": ["photos.zip"]}}, "a source URL starts with http:// or https://"),
        (
            {"source": {"urls": [f"https://example.com/{i:02000}" for i in range(60)]}},
            "put the photos into one archive",
        ),
        (claim_path("../secrets"), "write brighton/, not /brighton or ../brighton"),
        (claim_path("a/../../b"), "write brighton/, not /brighton or ../brighton"),
        (claim_path("/brighton"), "write brighton/, not /brighton or ../brighton"),
        ({"source": URLS, "reconstruction": {"georeference": "gps"}}, 'supported values: "auto", "none"'),
        ({"source": URLS, "reconstruction": {"exports": ["laz"]}}, 'supported values: "undistortedImages"'),
        ({"source": URLS, "reconstruction": {"exports": ["undistortedImages"] * 2}}, "names each export once"),
        (
            {"source": URLS, "reconstruction": {"quality": "best"}},
            'supported values: "low", "medium", "high", "extreme"',
        ),
        (
            {"source": URLS, "reconstruction": {"matching": "vocabularyTree"}},
            'supported values: "auto", "exhaustive", "sequential", "spatial"',
        ),
        ({"source": URLS, "reconstruction": {"mapper": "glomap"}}, 'supported values: "incremental", "global"'),
        ({"source": URLS, "reconstruction": {"density": "medium"}}, 'supported values: "sparse", "dense", "auto"'),
        ({"source": URLS, "reconstruction": {"minRegisteredPercent": 101}}, "should be less than or equal to 100"),
        ({"source": URLS, "reconstruction": {"device": "tpu"}}, 'supported values: "auto", "gpu", "cpu"'),
        (limits(memory="-1Gi"), "a resource is a quantity that is not negative, such as 4, 500m or 16Gi"),
        (limits(cpu=-1), "a resource is a quantity that is not negative, such as 4, 500m or 16Gi"),
        (limits(memory="much"), "a resource is a quantity that is not negative, such as 4, 500m or 16Gi"),
    ],
)
def test_a_wrong_spec_is_refused_with_a_sentence(namespace: Namespace, spec: Json, sentence: str) -> None:
    answer = namespace.api.http.post(namespace.job_path(), json=job(spec))
    assert answer.status_code == 422
    assert sentence in answer.json()["message"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a" * (MAX_NAME_LENGTH + 1), "choose a shorter name"),
        ("a.b", "metadata.name is a DNS label"),
    ],
)
def test_a_name_that_its_jobs_could_not_carry_is_refused(namespace: Namespace, name: str, sentence: str) -> None:
    answer = namespace.api.http.post(namespace.job_path(), json=job({"source": URLS}, name))
    assert answer.status_code == 422
    assert sentence in answer.json()["message"]


@pytest.mark.parametrize(
    "spec",
    [
        {"source": URLS},
        {"source": CLAIM},
        {
            "source": {
                "urls": ["http://example.com/a%20b.jpg?signature=x&expires=1", "https://[2001:db8::1]:8443/b.png"]
            }
        },
        claim_path("brighton/beach..2024"),
        {"source": UPLOAD},
        {"source": {"upload": {"revision": 2, "receivedAt": "2026-05-04T12:00:00Z"}, "video": {"maxFrames": 2}}},
        {"source": URLS, "webhooks": [{"url": "http://hooks.internal:8080/a?b=c"}], "suspend": True, "rerun": "monday"},
        limits(memory="16Gi", cpu=4, **{"nvidia.com/gpu": "1"}),
    ],
)
def test_a_good_spec_is_taken(namespace: Namespace, spec: Json) -> None:
    answer = namespace.api.http.post(namespace.job_path(), json=job(spec, "a" * MAX_NAME_LENGTH))
    assert answer.status_code == 201, answer.json()["message"]


def test_what_is_left_out_gets_its_default(namespace: Namespace) -> None:
    created = namespace.api.post(namespace.job_path(), job({"source": URLS, "reconstruction": {}}))
    assert created["spec"]["reconstruction"] == {
        "quality": "medium",
        "georeference": "auto",
        "exports": [],
        "matching": "auto",
        "mapper": "incremental",
        "density": "auto",
        "minRegisteredPercent": 90,
        "camera": {"model": "SIMPLE_RADIAL", "sharing": "Auto"},
        "device": "auto",
    }
    assert created["spec"]["pointcloud"] == {"encoding": "brotli"}
    assert created["spec"]["source"]["video"] == {"framesPerSecond": 2, "maxFrames": 150}
    assert (created["spec"]["suspend"], created["spec"]["rerun"], created["spec"]["webhooks"]) == (False, "", [])


@pytest.mark.parametrize("upload", [None, {"revision": None}, {"revision": 2}], ids=["none", "removed", "lowered"])
def test_what_has_arrived_cannot_be_counted_back(namespace: Namespace, upload: Json | None) -> None:
    namespace.api.post(namespace.job_path(), job({"source": {"upload": {"revision": 3}}}))
    source = URLS | {"upload": None} if upload is None else {"upload": upload}
    headers = {"Content-Type": "application/merge-patch+json"}
    patched = namespace.api.http.patch(namespace.job_path("ruin"), json={"spec": {"source": source}}, headers=headers)
    if upload is None:
        assert patched.status_code == 200, "another source altogether is the user's to choose"
    else:
        assert patched.status_code == 422
        assert "leave it as the gateway set it" in patched.json()["message"]
