"""Airflow's side: DAGs made from the registry, which call the `wikibraid` command and import neither Spark nor Bytewax."""
