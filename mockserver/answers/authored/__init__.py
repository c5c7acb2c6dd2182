"""Answers written by hand, expanded into what the backend would really send."""
