"""HRTFs of a rigid sphere with two ears, and their SOFA file."""

from pathlib import Path

import numpy as np

from soundstage.binaural import HrtfSet

RATE, TAPS = 44_100, 128
RADIUS, SPEED = 0.0875, 343.0  # m, m/s
EARS = np.array([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
LEAD = 30.0  # samples before sound reaches the center of the head


def directions(azimuth, elevation):
    """Unit vectors of angles in degrees."""
    azimuth, elevation = np.radians(azimuth), np.radians(elevation)
    flat = np.cos(elevation)
    return np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=-1)


def grid(step=15, lowest=-90):
    """Directions on a grid of azimuth and elevation, with one direction at each pole."""
    pairs = [
        (azimuth, elevation)
        for elevation in range(max(lowest, -90 + step), 90, step)
        for azimuth in range(0, 360, step)
    ]
    pairs += [(0, 90)] + ([(0, -90)] if lowest == -90 else [])
    return directions(*np.array(pairs, dtype=float).T)


def spread(count):
    """Evenly spread directions: a Fibonacci spiral."""
    height = 1 - (2 * np.arange(count) + 1) / count
    return directions(np.arange(count) * 137.50776405, np.degrees(np.arcsin(height)))


def delays(towards):
    """Delays of both ears in seconds, relative to the center of the head (Woodworth 1938)."""
    angle = np.arccos(np.clip(towards @ EARS.T, -1, 1))
    return RADIUS / SPEED * np.where(angle < np.pi / 2, -np.cos(angle), angle - np.pi / 2)


def sphere_head(towards, *, rate=RATE, taps=TAPS, **fields):
    """Woodworth's delays and the head shadow of Brown and Duda (1998, eq. 3 and 4).

    The upper fifth of the range fades out, like an anti-aliasing filter, to limit ringing.
    """
    angle = np.arccos(np.clip(towards @ EARS.T, -1, 1))
    least = 0.1
    alpha = 1 + least / 2 + (1 - least / 2) * np.cos(angle / np.radians(150) * np.pi)
    frequency = np.fft.rfftfreq(taps, 1 / rate)
    ratio = 1j * np.pi * frequency * RADIUS / SPEED
    shadow = (1 + alpha[..., None] * ratio) / (1 + ratio)
    shadow = shadow * np.cos(np.pi / 2 * ((frequency / rate - 0.4) / 0.1).clip(0, 1)) ** 2
    time = delays(towards) + LEAD / rate
    responses = np.fft.irfft(shadow * np.exp(-2j * np.pi * frequency * time[..., None]), taps)
    count = len(towards)
    return HrtfSet(towards, np.full(count, 1.5), responses, np.zeros((count, 2)), rate, **fields)


def write_sofa(path: Path, head: HrtfSet, **changes) -> Path:
    """Write an HRTF set with sofar; `changes` are fields of `sofar.Sofa`."""
    import sofar

    file = sofar.Sofa("SimpleFreeFieldHRIR")
    azimuth = np.degrees(np.arctan2(head.directions[:, 1], head.directions[:, 0])) % 360
    elevation = np.degrees(np.arcsin(head.directions[:, 2].clip(-1, 1)))
    fields = {
        "GLOBAL_DatabaseName": "tests",
        "GLOBAL_ListenerShortName": "sphere",
        "GLOBAL_License": "CC0",
        "SourcePosition": np.stack([azimuth, elevation, head.distances], axis=1),
        "SourcePosition_Type": "spherical",
        "SourcePosition_Units": "degree, degree, meter",
        "ReceiverPosition": RADIUS * EARS,
        "Data_IR": head.responses.astype(np.float64),
        "Data_SamplingRate": head.rate,
        "Data_Delay": np.zeros((1, 2)),
    }
    for name, value in (fields | changes).items():
        setattr(file, name, value)
    sofar.write_sofa(str(path), file)
    return path


def write_ssr(path: Path, azimuths: int = 24) -> HrtfSet:
    """Write a rigid sphere in the horizontal plane as the SoundScape Renderer does."""
    import soundfile

    head = sphere_head(directions(np.arange(azimuths) * 360 / azimuths, np.zeros(azimuths)))
    channels = head.responses.reshape(2 * azimuths, -1).T
    soundfile.write(path, channels, head.rate, "FLOAT")
    return head
