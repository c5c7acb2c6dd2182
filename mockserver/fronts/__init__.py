"""The async servers in front: the model's traffic, and the gate with its API proxy."""
