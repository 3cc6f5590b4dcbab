"""Sources of sound for tests of scenes: noise, clicks and ears that depend on words and seed."""

import zlib

import numpy as np

from soundstage.errors import OptionError
from soundstage.scene.sources.source import DrySound

RATE = 16_000
TEXTURES = ("rain", "wind", "hum")
SECONDS = {"click": 0.05, "dog barking": 0.6, "car": 1.5, "rain": 1.2, "wind": 1.0, "hum": 0.9}


class StandIn:
    """A dry source: noise, the same for the same words and seed."""

    name = "library"

    def __init__(self):
        self.asked = []

    def sound(self, text, *, seconds, seed):
        self.asked.append((text, seconds, seed))
        if text not in SECONDS:
            raise OptionError(f"There is no sound for {text!r}.")
        texture = text in TEXTURES
        length = seconds if texture and seconds else SECONDS[text]
        random = np.random.default_rng([zlib.crc32(text.encode()), seed])
        samples = 0.1 * random.standard_normal(round(length * RATE)).astype(np.float32)
        if text == "hum":
            samples = 0.1 * np.sin(2 * np.pi * 200 * np.arange(len(samples)) / RATE)
        credit = {"artist": "Ada", "license": "CC0", "title": text}
        return DrySound(
            samples.astype(np.float32), RATE, f"{text} {seed}", credit, 8_000.0, texture, text
        )


class BinauralStandIn:
    """Both ears at one of 12 azimuths: the louder ear is that of the side."""

    name = "dualspec"
    azimuths = tuple(30.0 * k for k in range(12))

    def label(self, text):
        return text

    def binaural(self, text, azimuth, *, seed):
        random = np.random.default_rng(seed)
        ears = 0.1 * random.standard_normal((2, RATE)).astype(np.float32)
        left = np.sin(np.deg2rad(azimuth))
        return (ears * np.array([[1.5 + left], [1.5 - left]])).astype(np.float32), RATE


def use(monkeypatch, dry=None, binaural=None):
    """Make the registry load stand-ins."""
    from soundstage.scene import event_sounds

    dry = dry or StandIn()
    both = {"dualspec": binaural or BinauralStandIn()}
    monkeypatch.setattr(
        event_sounds, "load_source", lambda name, options: both.get(name.partition("=")[0], dry)
    )
    return dry
