"""A local Azure Functions host for Python v2 HTTP apps."""
