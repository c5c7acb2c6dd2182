"""What an OpenTelemetry collector is told of the exchanges."""
