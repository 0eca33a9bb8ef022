"""What is known of an entity: one state a kind, each a join of all that was ever said of it."""
