"""What the `cassette` and `drift` commands do."""
