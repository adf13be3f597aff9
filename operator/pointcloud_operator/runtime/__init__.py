"""What the operator does: watches the API server, keeps caches and a work queue, and carries decisions out."""
