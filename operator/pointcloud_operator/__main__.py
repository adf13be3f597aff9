"""Runs the operator: `python -m pointcloud_operator`. It says in one sentence why it cannot, where it cannot."""

import asyncio
import logging
import sys
from pathlib import Path
from typing import Final

import aiohttp
import kopf
import yaml
from kubernetes.aio.config import ConfigException
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from pointcloud_api.names import GROUP, KIND, PLURAL, VERSION
from pointcloud_kube.api import ApiError, ApiServer, in_cluster
from pointcloud_operator import handlers  # noqa: F401 - registers the handlers with kopf
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.runtime.operator import Operator
from pointcloud_operator.runtime.store import Store

_log = logging.getLogger(__name__)

ASK_AGAIN_SECONDS: Final = 2.0


class Environment(BaseSettings):
    """The operator's environment variables, each with the prefix POINTCLOUD_."""

    model_config = SettingsConfigDict(env_prefix="POINTCLOUD_")

    config: Path = Path("/etc/pointcloud-operator/config.yaml")
    """The install's settings."""
    store_token_file: Path = Path("/var/run/secrets/pointcloud/token")
    """Projected token of the store's audience."""
    health_port: int = Field(default=8080, ge=1, le=65535)
    """Of /livez, /readyz and /metrics."""
    namespace: str = ""
    """Where the Lease is by which replicas agree who acts, the install's; empty: there is no other replica."""


class CannotStartError(Exception):
    """The operator cannot run; the message says why and what to do."""


def main() -> None:
    """Runs until a signal ends it."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    try:
        environment = Environment()
        asyncio.run(run(environment, read_config(environment.config)))
    except CannotStartError as error:
        sys.exit(f"pointcloud-operator cannot start: {error}")


async def run(environment: Environment, config: InstallConfig) -> None:
    """Runs until a signal ends it.

    Raises:
        CannotStartError: When it cannot begin.
    """
    store = Store(config.store_url, environment.store_token_file)
    operator = Operator(config, store, port=environment.health_port, namespace=environment.namespace)
    try:
        await operator.answer()
    except OSError as error:
        raise CannotStartError(
            f"the port {environment.health_port} cannot be listened at ({error.strerror}): set POINTCLOUD_HEALTH_PORT"
        ) from error
    await check_cluster()
    await kopf.operator(standalone=True, clusterwide=True, memo=kopf.Memo(operator=operator))


def read_config(path: Path) -> InstallConfig:
    """The install's settings.

    Raises:
        CannotStartError: When the file is missing or wrong.
    """
    try:
        return InstallConfig.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise CannotStartError(
            f"the configuration {path} cannot be read ({error.strerror}): set POINTCLOUD_CONFIG"
        ) from error
    except yaml.YAMLError as error:
        raise CannotStartError(f"the configuration {path} is not YAML: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in error.errors())
        raise CannotStartError(f"the configuration {path} is wrong: {wrong}") from error


async def check_cluster() -> None:
    """Returns once the API server answers and knows PointcloudJobs: watches would ask for them for ever.

    Raises:
        CannotStartError: When it will not.
    """
    try:
        api = await ApiServer.connect()
    except ConfigException as error:
        raise CannotStartError(f"there is no cluster to work for, set KUBECONFIG: {error}") from error
    try:
        while trouble := await _passing_trouble(api):
            _log.warning("%s; asking again", trouble)
            await asyncio.sleep(ASK_AGAIN_SECONDS)
    finally:
        await api.close()


async def _passing_trouble(api: ApiServer) -> str | None:
    """What keeps the cluster from being worked for just now; None when nothing does.

    In a pod, an API server that is silent is away for a while: who ends is started again ever later. Elsewhere its
    address is wrong, and somebody is there to read so.
    """
    try:
        await api.get(f"/apis/{GROUP}/{VERSION}/{PLURAL}", {"limit": 1})
    except ApiError as error:
        if error.not_found:
            raise CannotStartError(
                f"the cluster at {api.address} has no {KIND} resource: apply crds/, or install the chart with its CRDs"
            ) from error
        refusal = f"the cluster at {api.address} refuses to list {PLURAL}: {error.message}"
        if error.transient:
            return refusal
        raise CannotStartError(refusal) from error
    except (aiohttp.ClientError, TimeoutError) as error:
        silence = f"the cluster at {api.address} does not answer: {error or type(error).__name__}"
        if in_cluster():
            return silence
        raise CannotStartError(silence) from error
    return None


if __name__ == "__main__":
    main()
