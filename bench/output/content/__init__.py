"""What stepbench says, each thing once, as blocks of `bench.output.document`."""
