"""Servers of a production-like installation, started and stopped on one machine."""
