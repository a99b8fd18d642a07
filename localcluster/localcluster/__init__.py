"""A real Kubernetes with KServe and a gateway on one machine, from package registries alone."""
