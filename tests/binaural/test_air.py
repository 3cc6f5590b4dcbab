import numpy as np
import pytest

from soundstage.binaural.room.air import air_attenuation

MIDDLES = 1000 * 10 ** (
    0.3 * np.arange(-4, 4)
)  # Hz, exact, as the tables of the standard have them


@pytest.mark.parametrize(
    ("temperature", "humidity", "published"),
    [  # dB/km from 63 Hz to 8 kHz: ISO 9613-2:1996, table 2, rounded to a tenth or to three digits
        (10, 70, [0.1, 0.4, 1.0, 1.9, 3.7, 9.7, 32.8, 117]),
        (20, 70, [0.1, 0.3, 1.1, 2.8, 5.0, 9.0, 22.9, 76.6]),
        (30, 70, [0.1, 0.3, 1.0, 3.1, 7.4, 12.7, 23.1, 59.3]),
        (15, 20, [0.3, 0.6, 1.2, 2.7, 8.2, 28.2, 88.8, 202]),
        (15, 50, [0.1, 0.5, 1.2, 2.2, 4.2, 10.8, 36.2, 129]),
        (15, 80, [0.1, 0.3, 1.1, 2.4, 4.1, 8.3, 23.7, 82.8]),
    ],
)
def test_the_tables_of_the_standard(temperature: float, humidity: float, published: list) -> None:
    found = 1000 * air_attenuation(MIDDLES, temperature=temperature, humidity=humidity)
    np.testing.assert_allclose(found, published, rtol=0.005, atol=0.051)


def test_a_room_of_20_degrees_and_half_humid() -> None:
    found = 1000 * air_attenuation(MIDDLES[1:])  # ISO 9613-1, table 1
    np.testing.assert_allclose(found, [0.445, 1.32, 2.73, 4.66, 9.86, 29.4, 104], rtol=0.004)
