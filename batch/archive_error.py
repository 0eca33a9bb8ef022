"""What is wrong with the archive, without the libraries that write it."""


class ArchiveError(Exception):
    """The log no longer holds what was not archived yet, or not all that was."""
