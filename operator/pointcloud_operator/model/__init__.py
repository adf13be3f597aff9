"""What the operator decides: plain functions of what was observed, without I/O, clock, kopf or a Kubernetes client."""
