"""Takes secrets and people out of everything that is written or shown; the one pass for every way out."""
