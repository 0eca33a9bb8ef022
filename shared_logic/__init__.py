"""Pure definitions: events, entities, rollups, derived values, the reference interpreter and the law.

Nothing here knows Spark, Bytewax, a network, a clock, randomness or a disk; a contract on the import graph holds that line.
"""
