"""The serving layer: merged views of batch and speed results."""
