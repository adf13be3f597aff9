"""What the API server says to a wrong PointcloudJob, and that it takes the good ones."""

from typing import Any

import pytest

from pointcloud_api.names import API_VERSION, KIND, MAX_NAME_LENGTH
from tests.integration.conftest import Json, Namespace

URLS = {"urls": ["https://example.com/photos.zip"]}
CLAIM = {"persistentVolumeClaim": {"claimName": "photos"}}


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
        ({"source": {}}, "name exactly one source: set source.urls or source.persistentVolumeClaim"),
        ({"source": {**URLS, **CLAIM}}, "name exactly one source: set source.urls or source.persistentVolumeClaim"),
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
        (
            {"source": URLS, "reconstruction": {"quality": "best"}},
            'supported values: "low", "medium", "high", "extreme"',
        ),
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
        limits(memory="16Gi", cpu=4, **{"nvidia.com/gpu": "1"}),
    ],
)
def test_a_good_spec_is_taken(namespace: Namespace, spec: Json) -> None:
    answer = namespace.api.http.post(namespace.job_path(), json=job(spec, "a" * MAX_NAME_LENGTH))
    assert answer.status_code == 201, answer.json()["message"]


def test_what_is_left_out_gets_its_default(namespace: Namespace) -> None:
    created = namespace.api.post(namespace.job_path(), job({"source": URLS, "reconstruction": {}}))
    assert created["spec"]["reconstruction"] == {"quality": "medium", "device": "auto"}
    assert created["spec"]["pointcloud"] == {"encoding": "brotli"}
