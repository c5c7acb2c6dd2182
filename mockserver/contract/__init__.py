"""The contract: what is true on the wire of OpenAI and Azure OpenAI. Its documents and data lie in `contracts/`."""
