"""Sets up what the tests need, loudly, before pytest swallows what is printed: `make test` runs it."""

import sys

from tools import debian, install, pages, s3
from tools.cluster.console import say
from tools.cluster.errors import ClusterError
from tools.images import ImageError
from tools.kubectl import KubectlError

PROGRAMS = {"chromium": "chromium"}


def main() -> int:
    """The command line; the exit status is 1 where something cannot be had."""
    say("The first run builds Kubernetes, the images and the tools, about 14 minutes on 2 cores; later ones do not.")
    say("The checks and tests themselves take about an hour.")
    try:
        debian.install(debian.missing(PROGRAMS), purpose="looking at pages")
        pages.VIEWER.built()
        pages.WEB.built()
        install.install()
        s3.MODULE.programs()
    except (ClusterError, ImageError, KubectlError) as error:
        say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
