"""Serves a translation artifact through KServe, and judges it with the engine that will serve."""
