"""The step of a user's own torch model over several devices, a process on each with its part of the batch."""

from __future__ import annotations

from typing import Any

from bench.training._torch_step import TorchLoop


class TorchRanks(TorchLoop):
    """Training through DistributedDataParallel, which averages the gradients of the parts.

    So the loss of the whole batch must be the mean of those of its parts, as it is where it is a mean over samples.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        if self.searches:
            raise self.error(
                "has an optimizer that evaluates the loss itself, and processes that see other parts of the batch "
                "would decide otherwise: it cannot be spread over devices"
            )

    def wrapped(self, model: Any) -> Any:
        """Wrap the model, when this process has met the others; the environment is torchrun's."""
        import torch
        import torch.distributed as dist

        if not dist.is_initialized():
            on_gpu = next(model.parameters()).device.type == "cuda"
            dist.init_process_group("nccl" if on_gpu else "gloo")
        return torch.nn.parallel.DistributedDataParallel(model)

    def whole_loss(self) -> float:
        """Average the losses of the parts."""
        import torch.distributed as dist

        total = self.loss.detach().clone()
        dist.all_reduce(total)
        return float(total.item()) / dist.get_world_size()
