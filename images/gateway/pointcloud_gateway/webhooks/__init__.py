"""Tells the addresses of `spec.webhooks` when a job has completed or failed, as Standard Webhooks describes it."""
