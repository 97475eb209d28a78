"""What each SDK and framework writes, a file a convention: small functions from a span to the values of one field.

The module of each field (`worker/map/io.py`, `usage.py` …) says in which order they are asked. How to add one:
docs/conventions.md.
"""
