"""The model endpoint as one function from request to answer: stubs, scenarios, scopes, limits, faults."""
