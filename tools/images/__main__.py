"""`python -m tools.images build [NAME …]`: builds the images whose inputs changed and prints their references."""

import argparse
import sys

from tools.cluster.errors import ClusterError
from tools.images import DEFAULT_NAMES, IMAGES, ImageError, build


def main(argv: list[str] | None = None) -> int:
    """Build, then print one line an image: its reference, and the file that holds it."""
    parser = argparse.ArgumentParser(prog="python -m tools.images", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("build", help="build the images whose inputs changed and print their references")
    command.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(IMAGES)}; default: a local set")
    command.add_argument("--engine", choices=("buildah", "docker"), help="default: docker where its daemon answers")
    arguments = parser.parse_args(argv)
    try:
        built = build(arguments.names or DEFAULT_NAMES, engine=arguments.engine)
    except (ImageError, ClusterError) as error:
        print(error, file=sys.stderr)
        return 1
    for image in built:
        print(f"{image.reference}\t{image.archive}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
