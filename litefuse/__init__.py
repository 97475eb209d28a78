"""Litefuse: what its parts share."""

__version__ = "0.3.0"
