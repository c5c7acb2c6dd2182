"""Somebody's project: what is there, and the few files with which it is rehearsed."""
