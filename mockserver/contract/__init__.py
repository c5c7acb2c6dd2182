"""The contract: what OpenAI and Azure OpenAI send and refuse; its documents and data are in `contracts/`."""
