"""The chart renders what the operator and the cluster accept, and refuses values that it does not know."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pointcloud_api.crd import custom_resource_definition
from pointcloud_api.stages import IngestLimits
from pointcloud_gateway.settings import Settings
from pointcloud_operator.model.config import InstallConfig, RetentionConfig, StageConfig
from tools.cluster.build import programs
from tools.images import IMAGES

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts/pointcloud-operator"
Json = dict[str, Any]
Render = Callable[..., list[Json]]


class RefusedError(Exception):
    """Helm's answer to values that the chart does not take."""


@pytest.fixture(scope="module")
def render() -> Render:
    """Renders the chart with values given as keyword arguments."""
    helm = programs() / "helm"

    def rendered(**values: Any) -> list[Json]:
        command = [str(helm), "template", "clouds", str(CHART), "--namespace", "apps", "--values", "-"]
        done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RefusedError(done.stderr)
        return [document for document in yaml.safe_load_all(done.stdout) if document]

    return rendered


def of_kind(documents: list[Json], kind: str) -> list[Json]:
    return [document for document in documents if document["kind"] == kind]


def config(documents: list[Json]) -> InstallConfig:
    (found,) = of_kind(documents, "ConfigMap")
    return InstallConfig.model_validate(yaml.safe_load(found["data"]["config.yaml"]))


def pods(documents: list[Json]) -> Iterator[Json]:
    for deployment in of_kind(documents, "Deployment"):
        yield deployment["spec"]["template"]["spec"]


def gateway_environment(documents: list[Json]) -> dict[str, str]:
    """The gateway's variables; for one from a Secret, `<secret>/<key>`."""
    (gateway,) = (d for d in of_kind(documents, "Deployment") if "gateway" in d["metadata"]["name"])
    (container,) = gateway["spec"]["template"]["spec"]["containers"]
    found = {}
    for entry in container["env"]:
        reference = entry.get("valueFrom", {}).get("secretKeyRef", {})
        found[entry["name"]] = entry.get("value", "/".join((reference.get("name", ""), reference.get("key", ""))))
    return found


def test_the_crd_is_the_generated_one_and_outlives_the_release(render: Render) -> None:
    (found,) = of_kind(render(), "CustomResourceDefinition")
    generated = json.loads(json.dumps(custom_resource_definition()))
    assert found["spec"] == generated["spec"]
    assert found["metadata"]["name"] == generated["metadata"]["name"]
    assert found["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_crd_can_be_left_out(render: Render) -> None:
    assert of_kind(render(crds={"install": False}), "CustomResourceDefinition") == []


def test_the_crd_can_be_let_go_with_the_release(render: Render) -> None:
    (found,) = of_kind(render(crds={"keep": False}), "CustomResourceDefinition")
    assert "annotations" not in found["metadata"]


def test_the_operator_accepts_its_configuration(render: Render) -> None:
    accepted = config(render())
    assert accepted.store_url == "http://clouds-pointcloud-operator-store.apps.svc:8081"
    assert accepted.ingest_limits == IngestLimits()
    assert accepted.stages.reconstruct.gpu.resources.limits == {"nvidia.com/gpu": 1}


def test_every_setting_of_the_operator_is_a_value_of_the_chart(render: Render) -> None:
    (found,) = of_kind(render(), "ConfigMap")
    written = yaml.safe_load(found["data"]["config.yaml"])
    assert set(written) == {field.alias for field in InstallConfig.model_fields.values()}
    fields = {field.alias for field in StageConfig.model_fields.values()}
    assert all(fields <= set(stage) for stage in written["stages"].values())


def test_ended_jobs_are_kept_as_long_as_the_values_say(render: Render) -> None:
    assert config(render()).retention == RetentionConfig()
    kept = config(render(retention={"succeededSeconds": 604800})).retention
    assert kept == RetentionConfig(succeeded_seconds=604_800)


def test_two_operators_wait_for_one_lease_and_are_not_drained_at_once(render: Render) -> None:
    rendered = render()
    (operator,) = (d for d in of_kind(rendered, "Deployment") if "gateway" not in d["metadata"]["name"])
    assert operator["spec"]["replicas"] == 2
    (container,) = operator["spec"]["template"]["spec"]["containers"]
    assert "POINTCLOUD_NAMESPACE" in {variable["name"] for variable in container["env"]}
    (budget,) = of_kind(rendered, "PodDisruptionBudget")
    assert budget["spec"]["selector"] == operator["spec"]["selector"]
    assert not of_kind(render(operator={"replicas": 1}), "PodDisruptionBudget")


def test_metrics_are_announced_where_the_prometheus_operator_is(render: Render) -> None:
    assert not of_kind(render(), "PodMonitor")
    assert of_kind(render(operator={"podMonitor": True}), "PodMonitor")


def test_services_answer_at_the_names_that_the_configuration_gives(render: Render) -> None:
    services = {service["metadata"]["name"]: service["spec"] for service in of_kind(render(), "Service")}
    assert services["clouds-pointcloud-operator-store"]["ports"][0]["port"] == 8081
    assert services["clouds-pointcloud-operator-gateway"]["ports"][0]["port"] == 8080


@pytest.mark.parametrize(
    ("values", "address"),
    [
        ({}, "http://localhost:8080"),
        ({"gateway": {"hostPort": 30080}}, "http://localhost:30080"),
        ({"gateway": {"ingress": {"enabled": True, "host": "a.example"}}}, "http://a.example"),
        ({"gateway": {"ingress": {"enabled": True, "host": "a.example", "tlsSecretName": "t"}}}, "https://a.example"),
        ({"externalUrl": "https://b.example/clouds/", "gateway": {"hostPort": 1}}, "https://b.example/clouds"),
    ],
)
def test_addresses_begin_with_where_the_gateway_is_reached(render: Render, values: Json, address: str) -> None:
    assert config(render(**values)).external_url == address


def test_every_image_can_be_replaced_by_its_name(render: Render) -> None:
    documents = render(image={"refs": {name: f"localhost/{name}:1" for name in IMAGES}})
    stages = config(documents).stages
    used = {
        stages.ingest.image,
        stages.reconstruct.image,
        stages.reconstruct.gpu.image,
        stages.convert.image,
        *(container["image"] for pod in pods(documents) for container in pod["containers"]),
    }
    assert used == {f"localhost/{name}:1" for name in IMAGES}


def test_pods_keep_to_the_restricted_level_and_have_bounds(render: Render) -> None:
    for pod in pods(render()):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            context = container["securityContext"]
            assert not context["allowPrivilegeEscalation"]
            assert context["readOnlyRootFilesystem"]
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
            assert "livenessProbe" in container
            assert all("hostPort" not in port for port in container["ports"])


def test_a_changed_configuration_restarts_the_operator(render: Render) -> None:
    def checksum(**values: Any) -> str:
        operator = next(d for d in of_kind(render(**values), "Deployment") if "gateway" not in d["metadata"]["name"])
        return str(operator["spec"]["template"]["metadata"]["annotations"]["checksum/config"])

    assert checksum() == checksum()
    assert checksum() != checksum(retryLimit=5)


def test_the_store_lies_on_a_claim_of_ones_own_where_one_is_named(render: Render) -> None:
    documents = render(store={"existingClaim": "archive"})
    assert of_kind(documents, "PersistentVolumeClaim") == []
    assert "archive" in str([pod["volumes"] for pod in pods(documents)])


def test_the_store_lets_the_operator_read_and_the_operator_shows_it_a_token(render: Render) -> None:
    documents = render()
    assert gateway_environment(documents)["POINTCLOUD_STORE_READERS"] == (
        "system:serviceaccount:apps:clouds-pointcloud-operator"
    )
    assert "'audience': 'pointcloud-store'" in str(list(pods(documents)))


def test_the_gateway_accepts_its_settings(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = gateway_environment(render(gateway={"hostPort": 30080, "uploads": {"maxFiles": 7}}))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = Settings(_env_file=None)
    known = {f"POINTCLOUD_{field.upper()}" for field in Settings.model_fields}
    assert environment.keys() <= known, "the chart sets what the gateway does not know"
    assert settings.max_files == 7
    assert settings.external_url == "http://localhost:30080"
    assert settings.max_job_bytes == Settings.model_fields["max_job_bytes"].default
    assert settings.anonymous_viewing is True
    assert settings.database == "sqlite+aiosqlite:////data/archive.db"


def test_what_is_secret_comes_from_secrets(render: Render) -> None:
    documents = render(
        gateway={"databaseSecret": "db", "signingKeySecret": "sign", "apiKeysSecret": "keys"},
        store={"url": "s3://clouds", "credentialsSecret": "bucket"},
    )
    environment = gateway_environment(documents)
    assert environment["POINTCLOUD_DATABASE"] == "db/url"
    assert environment["POINTCLOUD_SIGNING_KEY"] == "sign/key"
    assert environment["POINTCLOUD_STORE"] == "s3://clouds"
    assert of_kind(documents, "PersistentVolumeClaim") == []
    text = str(list(pods(documents)))
    assert "'secretName': 'keys'" in text
    assert "{'secretRef': {'name': 'bucket'}}" in text


def test_live_logs_need_a_right_that_can_be_withheld(render: Render) -> None:
    def rules(documents: list[Json]) -> str:
        return str([r["rules"] for r in of_kind(documents, "ClusterRole") if r["metadata"]["name"].endswith("gateway")])

    assert "pods/log" in rules(render())
    assert "pods" not in rules(render(gateway={"liveLogs": False}))


def test_several_gateways_share_a_store_and_an_archive(render: Render) -> None:
    shared = render(gateway={"replicas": 3, "databaseSecret": "db"}, store={"accessModes": ["ReadWriteMany"]})
    (gateway,) = (d for d in of_kind(shared, "Deployment") if "gateway" in d["metadata"]["name"])
    assert gateway["spec"]["replicas"] == 3
    assert "strategy" not in gateway["spec"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"defaultDevise": "gpu"}, "defaultDevise"),
        ({"defaultDevice": "tpu"}, "/defaultDevice"),
        ({"externalUrl": "clouds.example.com"}, "/externalUrl"),
        ({"retryLimit": -1}, "/retryLimit"),
        ({"stages": {"reconstruct": {"gpus": 2}}}, "gpus"),
        ({"stages": {"ingest": {"resources": {"limits": {"memory": "lots"}}}}}, "/stages/ingest/resources"),
        ({"gateway": {"ingress": {"enabled": True}}}, "gateway.ingress.host: name the host"),
        ({"gateway": {"replicas": 2, "databaseSecret": "db"}}, "gateway.replicas: more than one need a store"),
        ({"gateway": {"replicas": 2}, "store": {"url": "s3://clouds"}}, "gateway.replicas: more than one need an arch"),
        ({"store": {"url": "ftp://clouds"}}, "/store/url"),
    ],
)
def test_wrong_values_are_refused_by_name(render: Render, values: Json, named: str) -> None:
    with pytest.raises(RefusedError, match=named):
        render(**values)
