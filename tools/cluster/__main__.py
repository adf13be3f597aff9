"""The command line: answers on stdout, progress and failures on stderr."""

import argparse
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

from tools.cluster import backends, build
from tools.cluster.console import say
from tools.cluster.errors import ClusterError
from tools.cluster.locking import exclusive
from tools.cluster.paths import state_directory


def main() -> int:
    """Run one command; the exit code is 1 when it failed in a way that its message explains."""
    arguments = _parser().parse_args()
    run: Callable[[argparse.Namespace], None] = arguments.run
    try:
        run(arguments)
    except (ClusterError, PermissionError) as error:
        say(f"error: {error}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.cluster", description="The local Kubernetes cluster.")
    commands = parser.add_subparsers(required=True)

    def add(name: str, run: Callable[[argparse.Namespace], None], description: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=description, description=description)
        command.set_defaults(run=run)
        return command

    up = add("up", _up, "bring up what is not up")
    up.add_argument("--control-plane-only", action="store_true", help="without a node; needs no root")
    add("down", _down, "stop the cluster and remove everything of it")
    add("status", _status, "show what runs")
    add("kubeconfig", _kubeconfig, "print the path of the kubeconfig file")
    add("path", _path, "print the folder of kubectl and helm, building them if need be")
    load = add("load", _load, "put an image on the node")
    load.add_argument("archive", type=Path, help="an OCI or Docker image archive")
    load.add_argument("references", nargs="+", metavar="reference", help="a name the image shall have")
    return parser


def _up(arguments: argparse.Namespace) -> None:
    with _alone():
        cluster = backends.to_bring_up(state_directory(), control_plane_only=arguments.control_plane_only)
        cluster.up()
    say(f"the cluster is up; its kubeconfig is {cluster.kubeconfig}")


def _down(_arguments: argparse.Namespace) -> None:
    with _alone():
        backends.take_down(state_directory())


def _status(_arguments: argparse.Namespace) -> None:
    print("\n".join(backends.brought_up(state_directory()).status()))


def _kubeconfig(_arguments: argparse.Namespace) -> None:
    print(backends.brought_up(state_directory()).kubeconfig)


def _path(_arguments: argparse.Namespace) -> None:
    print(build.programs())


def _load(arguments: argparse.Namespace) -> None:
    if not arguments.archive.exists():
        raise ClusterError(f"there is no {arguments.archive}")
    backends.brought_up(state_directory()).load(arguments.archive, arguments.references)


def _alone() -> contextlib.AbstractContextManager[None]:
    lock = state_directory().with_name("local.lock")
    return exclusive(lock, waiting_for="another command that is changing the cluster")


if __name__ == "__main__":
    sys.exit(main())
