"""Runs the operator: `python -m pointcloud_operator`. It says in one sentence why it cannot, where it cannot."""

import asyncio
import logging
import sys
from pathlib import Path

import aiohttp
import kopf
import yaml
from kubernetes.aio.config import ConfigException
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from pointcloud_api.names import GROUP, KIND, PLURAL, VERSION
from pointcloud_operator import handlers  # noqa: F401 - registers the handlers with kopf
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.runtime.api import ApiError, ApiServer
from pointcloud_operator.runtime.controller import Controller
from pointcloud_operator.runtime.store import Store


class Environment(BaseSettings):
    """The operator's environment variables, each with the prefix POINTCLOUD_."""

    model_config = SettingsConfigDict(env_prefix="POINTCLOUD_")

    config: Path = Path("/etc/pointcloud-operator/config.yaml")
    """The install's settings."""
    store_token_file: Path = Path("/var/run/secrets/pointcloud/token")
    """Projected token of the store's audience."""
    health_port: int = Field(default=8080, ge=1, le=65535)


class CannotStartError(Exception):
    """The operator cannot run; the message says why and what to do."""


def main() -> None:
    """Runs until a signal ends it."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    try:
        environment = Environment()
        config = read_config(environment.config)
        asyncio.run(check_cluster())
    except CannotStartError as error:
        sys.exit(f"pointcloud-operator cannot start: {error}")

    async def make_controller() -> Controller:
        store = Store(config.store_url, environment.store_token_file)
        return Controller(await ApiServer.connect(), store, config)

    kopf.run(
        standalone=True,
        clusterwide=True,
        liveness_endpoint=f"http://0.0.0.0:{environment.health_port}/healthz",
        memo=kopf.Memo(make_controller=make_controller),
    )


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
    """Makes sure that the API server answers and knows PointcloudJobs: kopf would wait for them for ever.

    Raises:
        CannotStartError: When it does not.
    """
    try:
        api = await ApiServer.connect()
    except ConfigException as error:
        raise CannotStartError(f"there is no cluster to work for, set KUBECONFIG: {error}") from error
    try:
        await api.get(f"/apis/{GROUP}/{VERSION}/{PLURAL}", {"limit": 1})
    except ApiError as error:
        if error.not_found:
            raise CannotStartError(
                f"the cluster at {api.address} has no {KIND} resource: apply crds/, or install the chart with its CRDs"
            ) from error
        raise CannotStartError(f"the cluster at {api.address} refuses to list {PLURAL}: {error.message}") from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise CannotStartError(f"the cluster at {api.address} does not answer: {error}") from error
    finally:
        await api.close()


if __name__ == "__main__":
    main()
