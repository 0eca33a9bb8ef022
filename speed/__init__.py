"""The speed layer: incremental updates with Bytewax."""
