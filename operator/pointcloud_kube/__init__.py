"""The API server in plain JSON, and caches kept current by watching it: for the operator and the gateway alike."""
