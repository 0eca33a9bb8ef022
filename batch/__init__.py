"""The batch layer: full recomputation with Spark and Delta Lake."""
