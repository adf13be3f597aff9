"""Connections to addresses that strangers name: for the ingest stage and the gateway alike."""
