"""The profiler of a TensorFlow session: which operations one execution ran, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.model.step import Operation


def traced_operations(session: Any, fetches: Any, fed: Mapping[Any, Any] | None = None) -> tuple[Operation, ...]:
    """Run `fetches` once with full tracing and list what was executed.

    Names are those of the graph, so operations built under `tf.name_scope("backward")` begin with `backward/`.
    Types come from the graph that really ran, after TensorFlow's optimiser has pruned and fused it.

    Args:
        session: an open `tf.compat.v1.Session`.
        fetches: what a timed step fetches, so that the graph is pruned in the same way.
        fed: what it is fed.

    Returns:
        One entry for each executed operation; its seconds are from start to end, by the profiler's clock.
    """
    import tensorflow as tf

    tf1 = tf.compat.v1
    options = tf1.RunOptions(trace_level=tf1.RunOptions.FULL_TRACE, output_partition_graphs=True)
    metadata = tf1.RunMetadata()
    session.run(fetches, fed, options=options, run_metadata=metadata)
    kinds = {node.name: node.op for graph in metadata.partition_graphs for node in graph.node}
    return tuple(
        Operation(node.node_name, kinds[node.node_name], (node.op_end_rel_nanos - node.op_start_rel_nanos) * 1e-9)
        for device in metadata.step_stats.dev_stats
        for node in device.node_stats
        if node.node_name in kinds
    )
