"""Dress Rehearsal: the whole of an Azure chat app on one machine, with no key, no subscription and no network."""

__version__ = "0.1.0"
