"""The store service: artefacts in and out over HTTP, so that no stage pod needs the volume or the bucket."""
