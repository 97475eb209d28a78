"""Litefuse: what its parts share."""

__version__ = "0.2.0"
