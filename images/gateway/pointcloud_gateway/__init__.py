"""The install's HTTP face: viewer pages and octrees for people, and the store service for stage pods."""
