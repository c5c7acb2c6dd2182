"""Bytes on sockets: connections, servers, upstreams, and playing an answer in time."""
