"""Which identity a TokenReview vouches for."""

import pytest

from pointcloud_gateway.access.identity import User
from pointcloud_gateway.cluster import TokenReview
from pointcloud_gateway.store.authentication import identity_of
from pointcloud_gateway.store.authorisation import Identity

USERNAME = "system:serviceaccount:a:default"
POD_UID: dict[str, tuple[str, ...]] = {"authentication.kubernetes.io/pod-uid": ("uid-1",)}


def review(*, audiences: tuple[str, ...], username: str = USERNAME, extra: dict[str, tuple[str, ...]]) -> TokenReview:
    return TokenReview(user=User(username), audiences=audiences, extra=extra)


def test_a_pods_token() -> None:
    assert identity_of(review(audiences=("pointcloud-store",), extra=POD_UID)) == Identity(USERNAME, "a", "uid-1")


def test_a_token_bound_to_no_pod_and_a_user_who_is_no_service_account() -> None:
    assert identity_of(review(audiences=("pointcloud-store",), extra={})) == Identity(USERNAME, "a", None)
    assert identity_of(review(audiences=("pointcloud-store",), username="jane", extra={})) == Identity("jane")


@pytest.mark.parametrize("audiences", [(), ("https://kubernetes.default.svc",)])
def test_a_token_that_was_not_made_for_the_store(audiences: tuple[str, ...]) -> None:
    assert identity_of(review(audiences=audiences, extra=POD_UID)) is None


def test_a_token_that_the_api_server_does_not_accept() -> None:
    assert identity_of(None) is None
