"""Answers that are generated from the request alone."""
