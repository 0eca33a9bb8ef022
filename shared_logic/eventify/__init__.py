"""History that was never an event, as page states: what MediaWiki's tables and its XML dumps say of a page."""
