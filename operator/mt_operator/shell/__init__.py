"""Everything that touches the world: kopf, the API server, pods, time."""
