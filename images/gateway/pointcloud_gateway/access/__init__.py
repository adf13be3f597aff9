"""Who is calling, and what they may do: as Kubernetes itself says."""
