"""A language model over characters: the next one of each is to be told by two layers of LSTM."""

from bench import Training, training

CHARACTERS = 65


@training("char_lstm", sizes={"batch": 8, "length": 64, "hidden": 128})
def char_lstm(size, rng):
    """LSTM over characters, Adam."""
    import torch
    from torch import nn

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(CHARACTERS, 32)
            self.lstm = nn.LSTM(32, size.hidden, num_layers=2, batch_first=True)
            self.head = nn.Linear(size.hidden, CHARACTERS)

        def forward(self, text):
            return self.head(self.lstm(self.embedding(text))[0])

    text = rng.integers(0, CHARACTERS, (size.batch, size.length + 1))
    return Training(
        model=Model(),
        inputs=(text[:, :-1], text[:, 1:]),
        loss=lambda model, x, y: nn.functional.cross_entropy(model(x).transpose(1, 2), y),
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
    )
