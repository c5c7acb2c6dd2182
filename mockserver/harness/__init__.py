"""Everything wired together and running: the model endpoint, the function app, the whole app."""
