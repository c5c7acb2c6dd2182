"""Answers that were not recorded: authored by hand or generated, at a stated latency, held to the contract."""
