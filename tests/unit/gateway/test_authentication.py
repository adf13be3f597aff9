"""Which identity a TokenReview vouches for."""

import pytest
from kubernetes.aio import client

from pointcloud_gateway.store.authentication import identity_of
from pointcloud_gateway.store.authorisation import Identity

USERNAME = "system:serviceaccount:a:default"
POD_UID = {"authentication.kubernetes.io/pod-uid": ["uid-1"]}


def review(
    *, authenticated: bool = True, audiences: list[str] | None, username: str = USERNAME, extra: dict[str, list[str]]
) -> client.V1TokenReviewStatus:
    user = client.V1UserInfo(username=username, extra=extra)
    return client.V1TokenReviewStatus(authenticated=authenticated, audiences=audiences, user=user)


def test_a_pods_token() -> None:
    status = review(audiences=["pointcloud-store"], extra=POD_UID)
    assert identity_of(status) == Identity(USERNAME, "a", "uid-1")


def test_a_token_bound_to_no_pod_and_a_user_who_is_no_service_account() -> None:
    assert identity_of(review(audiences=["pointcloud-store"], extra={})) == Identity(USERNAME, "a", None)
    assert identity_of(review(audiences=["pointcloud-store"], username="jane", extra={})) == Identity("jane")


@pytest.mark.parametrize("audiences", [None, [], ["https://kubernetes.default.svc"]])
def test_a_token_that_was_not_made_for_the_store(audiences: list[str] | None) -> None:
    assert identity_of(review(audiences=audiences, extra=POD_UID)) is None


def test_a_token_that_the_api_server_does_not_accept() -> None:
    assert identity_of(review(authenticated=False, audiences=["pointcloud-store"], extra=POD_UID)) is None
    assert identity_of(client.V1TokenReviewStatus()) is None
