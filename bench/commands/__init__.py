"""Commands, one file each; `bench.cli` adds them to its group."""
