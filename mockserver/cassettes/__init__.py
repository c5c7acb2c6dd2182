"""Cassettes, and the recorder that writes them."""
