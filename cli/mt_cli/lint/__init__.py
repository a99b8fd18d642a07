"""What the API server, the operator and common sense would say of a manifest, without a cluster."""
