"""The chat application's API."""
