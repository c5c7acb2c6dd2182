"""What is true on the wire of OpenAI and Azure OpenAI: addresses, error bodies and, with time, their schemas."""
