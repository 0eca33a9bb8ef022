"""The public Python interface of wikibraid."""
