"""The speed layer: ingest into the canonical logs, and engines that keep every lane current from them."""
