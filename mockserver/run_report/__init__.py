"""What a whole run of pytest did, as one page."""
