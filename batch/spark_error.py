"""Why Spark can't be started, without Spark."""


class SparkError(Exception):
    """Spark can't be started; the message says what to do."""
