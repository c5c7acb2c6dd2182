"""What clients made and ask for again: responses, chat completions, conversations, files, vector stores and batches."""
