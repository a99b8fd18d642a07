"""Serves a translation artifact through KServe, and judges it with the engine that will serve."""

VERSION = "0.1.0"  # as of pyproject.toml, which an image does not hold
