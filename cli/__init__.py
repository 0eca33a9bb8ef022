"""The one command, `wikibraid`: it wires the layers."""
