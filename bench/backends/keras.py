"""Keras as a framework of its own, on the CPU: one backend for each of the libraries that it can compute with."""

from __future__ import annotations

import os
from dataclasses import replace

from typing_extensions import override

from bench.model.device import Availability, Backend, Device, Settings, missing

KERAS_PIN = "keras==3.15.1"


class KerasBackend(Backend):
    """Keras that computes with another backend's library, whose threads and device are that backend's."""

    framework = "keras"

    def __init__(self, library: Backend) -> None:
        self.library = library
        self.device = library.device
        self.name = f"keras-{library.framework}"
        self.packages = ("keras", *library.packages)

    @property
    @override
    def interpreter(self) -> str:
        return self.name  # the library is chosen once a process, when Keras is imported

    @override
    def availability(self) -> Availability:
        return missing("keras", KERAS_PIN) or self.library.availability()

    @override
    def preload(self) -> None:
        os.environ["KERAS_BACKEND"] = self.library.framework
        self.library.preload()
        import keras  # noqa: F401

    @override
    def open(self, settings: Settings) -> Device:
        os.environ["KERAS_BACKEND"] = self.library.framework
        opened = self.library.open(settings)
        import keras

        return replace(opened, facts={**opened.facts, "keras_backend": keras.config.backend()})

    @override
    def threads_in_use(self) -> int | None:
        return self.library.threads_in_use()
