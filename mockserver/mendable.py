"""What goes wrong and can be mended by whoever asked for it."""


class MendableError(Exception):
    """The message says what was asked, why not, and what to do; the command line shows it alone, without a traceback."""
