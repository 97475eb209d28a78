"""Recipes of the documentation and scripts like them, run by end-to-end tests in environments of their own."""
