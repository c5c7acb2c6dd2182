"""What the `cassette`, `drift` and `replay` commands do."""
