"""Litefuse: what its parts share."""

__version__ = "0.1.0"
