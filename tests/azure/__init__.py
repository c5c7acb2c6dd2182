"""Azure's own tools against a fake of Azure's endpoints on loopback: `make azure`."""
