"""A verdict on an app: every fault against every surface, and whether it does what its users may expect."""
