from dataclasses import replace

import numpy as np

from soundstage.binaural import HrtfInterpolator, HrtfSet
from soundstage.binaural.room.diffuse_field import diffuse_field
from spheres import EARS, RADIUS, RATE, SPEED, TAPS, grid, sphere_head

HEARD = np.arange(100.0, 0.35 * RATE, 100)  # Hz; above, the heads of the tests fade out


def ears_without_a_head(gains: list) -> HrtfSet:
    """Two open microphones, where the ears would be."""
    towards = grid(15)
    head = sphere_head(towards)
    late = (40 - RATE * RADIUS / SPEED * (towards @ EARS.T))[..., None]
    frequencies = np.fft.rfftfreq(TAPS)
    fade = np.cos(np.pi / 2 * ((frequencies - 0.4) / 0.1).clip(0, 1)) ** 2
    responses = np.fft.irfft(fade * np.exp(-2j * np.pi * frequencies * late), TAPS)
    return replace(head, responses=np.array(gains)[:, None] * responses)


def test_in_the_open_powers_are_one_and_coherence_is_a_sinc() -> None:
    field = diffuse_field(HrtfInterpolator(ears_without_a_head([1, 1]))).at(HEARD)
    np.testing.assert_allclose(field.powers, 1, rtol=0.02)
    wanted = np.sinc(2 * HEARD * 2 * RADIUS / SPEED)  # sin(kd)/(kd)
    np.testing.assert_allclose(field.coherence, wanted, rtol=0, atol=0.02)


def test_an_ear_that_hears_less_is_as_coherent() -> None:
    field = diffuse_field(HrtfInterpolator(ears_without_a_head([1, 0.5]))).at(HEARD)
    np.testing.assert_allclose(field.powers[1] / field.powers[0], 0.25, rtol=1e-3)
    wanted = np.sinc(2 * HEARD * 2 * RADIUS / SPEED)
    np.testing.assert_allclose(field.coherence, wanted, rtol=0, atol=0.02)


def test_an_ear_that_hears_later_turns_the_coherence() -> None:
    head = ears_without_a_head([1, 1])
    right = np.roll(head.responses[:, 1], 4, axis=-1)
    late = replace(head, responses=np.stack([head.responses[:, 0], right], axis=1))
    one, other = (diffuse_field(HrtfInterpolator(each)).at(HEARD) for each in (head, late))
    turn = np.exp(2j * np.pi * HEARD / RATE * 4)  # left times the right's conjugate
    np.testing.assert_allclose(other.coherence, turn * one.coherence, rtol=0, atol=0.02)


def test_a_head_is_a_mean_of_what_was_measured() -> None:
    head = sphere_head(grid(10))
    field = diffuse_field(HrtfInterpolator(head))
    area = np.sqrt(1 - head.directions[:, 2] ** 2)  # that each point of a grid stands for
    power = np.abs(np.fft.rfft(head.responses, 4096)) ** 2
    wanted = np.average(power, axis=0, weights=area)
    bins = np.fft.rfftfreq(4096, 1 / RATE)
    for found, ear in zip(field.at(HEARD).powers, wanted, strict=True):
        np.testing.assert_allclose(found, np.interp(HEARD, bins, ear), rtol=0.02)


def test_the_rate_does_not_matter() -> None:
    asked = np.arange(300.0, 5000, 100)
    slow, fast = (
        diffuse_field(HrtfInterpolator(sphere_head(grid(15), rate=rate, taps=taps))).at(asked)
        for rate, taps in ((16_000, 128), (48_000, 384))
    )
    np.testing.assert_allclose(fast.powers, slow.powers, rtol=0.03)
    np.testing.assert_allclose(fast.coherence, slow.coherence, rtol=0, atol=0.02)
