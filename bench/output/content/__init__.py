"""The words and tables of stepbench, each once, as blocks of `bench.output.document`."""
