"""What the operator tells the kubelet: that it lives, and that it could act."""

from tests.integration.conftest import until
from tests.integration.operator.conftest import Operator


def test_it_answers_its_probes(operator: Operator) -> None:
    until(lambda: operator.says("livez"), "a sign of life")
    until(lambda: operator.says("readyz"), "readiness")
