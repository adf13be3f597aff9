"""The ingest stage: photos from a volume or from http(s) addresses, checked, into the store."""
