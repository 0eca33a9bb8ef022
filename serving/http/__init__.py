"""Merged tables over HTTP: for services by key, for investigators, for operators."""
