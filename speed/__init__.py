"""The speed layer: ingest into the canonical log, and engines that keep every lane current from them."""
