"""Several processes, on one machine or on more, that answer as one model endpoint."""
