"""The step becomes the workload `mini_gpt`, with the implementations `mini_gpt.eager` and `mini_gpt.compiled`."""

from bench import Training, training


# The sizes are your own: `--size width=256` changes one, `--axis layers=1:8:x2` varies it.
@training("mini_gpt", sizes={"batch": 8, "context": 128, "width": 128, "layers": 2})
def mini_gpt(size, rng):
    """A small GPT, AdamW."""
    import torch  # in here, so that `bench list` does not wait for it
    from mini_gpt_model import CHARACTERS, GPT  # your own model, unchanged, from the file beside this one

    tokens = rng.integers(0, CHARACTERS, (size.batch, size.context + 1))  # the same in every process
    return Training(
        model=GPT(size.width, size.layers, size.context),
        inputs=(tokens[:, :-1], tokens[:, 1:]),  # what the loss is called with, after the model
        loss=lambda model, x, y: torch.nn.functional.cross_entropy(model(x).transpose(1, 2), y),
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=3e-4),
    )
