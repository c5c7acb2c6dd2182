"""Answers generated where none was recorded."""
