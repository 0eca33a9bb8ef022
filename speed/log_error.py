"""What is wrong with a log."""


class LogError(Exception):
    """The log can't be opened, read or written; the message says what to do."""
