"""A folder of pages about many runs, which need no network, no server and no scripts."""
