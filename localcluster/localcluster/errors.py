"""The one error that a person is meant to read: what is wrong, where, and what to do."""

from __future__ import annotations


class ClusterError(Exception):
    """Something the caller can act on; printed without a traceback."""
