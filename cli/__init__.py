"""The wikibraid command line."""
