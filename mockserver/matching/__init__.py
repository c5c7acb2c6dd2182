"""Which request is which: one `Call` a request, its canonical form, criteria, differences and misses."""
