"""What goes wrong with the cluster in words meant for the person at the terminal."""


class ClusterError(Exception):
    """A failure whose message says what happened and what to do next; shown without a traceback."""
