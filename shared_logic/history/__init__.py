"""MediaWiki History: the lives of pages and users, rebuilt backwards from the present and the log."""
