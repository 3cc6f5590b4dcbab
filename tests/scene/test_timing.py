import pytest

from soundstage.errors import OptionError
from soundstage.scene.description import SceneEvent
from soundstage.scene.timing import CONTINUOUS_SECONDS, GAP, MOMENT, Length, schedule

BARK, CAR, RAIN = Length(2.0), Length(4.0), Length(5.0, is_continuous=True)


def event(text="sound", **values):
    return SceneEvent(text, **values)


def spans(events, lengths, seconds=None):
    return [tuple(span) for span in schedule(events, lengths, seconds).spans]


def test_events_start_together_unless_one_follows_another():
    events = [event(), event(), event(after=0), event(after=2, start=1.5)]
    assert spans(events, [BARK, CAR, CAR, BARK]) == [
        (0.0, 2.0),
        (0.0, 4.0),
        (2.0 + GAP, 4.0),
        (2.0 + GAP + 4.0 + 1.5, 2.0),
    ]


def test_stated_times_are_kept():
    events = [event(start=3.0), event(seconds=1.5), event(start=1.0, seconds=0.5)]
    assert spans(events, [BARK, BARK, RAIN]) == [(3.0, 2.0), (0.0, 1.5), (1.0, 0.5)]


def test_a_continuous_event_lasts_through_the_scene():
    assert spans([event(), event()], [BARK, RAIN]) == [(0.0, 2.0), (0.0, 2.0)]
    assert spans([event(), event()], [BARK, RAIN], 9.0) == [(0.0, 2.0), (0.0, 9.0)]
    assert spans([event()], [RAIN]) == [(0.0, CONTINUOUS_SECONDS)]


def test_an_event_follows_a_continuous_one_after_a_moment():
    events = [event(), event(after=0)]
    assert spans(events, [RAIN, CAR]) == [(0.0, MOMENT + GAP + 4.0), (MOMENT + GAP, 4.0)]


def test_a_continuous_event_that_follows_another_is_heard():
    follows = [event(), event(after=0)]
    assert spans(follows, [BARK, RAIN]) == [(0.0, 2.0), (2.0 + GAP, 5.0)]
    late = [event(), event(start=3.0)]
    assert spans(late, [BARK, RAIN]) == [(0.0, 2.0), (3.0, 5.0)]
    times = schedule(follows, [BARK, RAIN], 1.5)
    assert times.spans[1].seconds > 0
    assert times.spans[1].end == pytest.approx(1.5, abs=1e-3)


def test_events_that_are_too_long_are_shortened_by_one_factor():
    events = [event(), event(after=0), event(after=1, seconds=1.0)]
    times = schedule(events, [BARK, CAR, CAR], 5.0)
    assert times.spans[-1].end == pytest.approx(5.0, abs=0.01)
    assert times.spans[0].seconds / times.spans[1].seconds == pytest.approx(0.5, abs=0.01)
    assert times.spans[2].seconds == 1.0
    assert times.share == pytest.approx(0.6, abs=0.01)
    assert schedule(events, [BARK, CAR, CAR], 60.0).share == 1


def test_an_event_after_the_end_is_an_error():
    with pytest.raises(OptionError, match=r"'car' would start at 12\.0 s.*ends at 8 s"):
        schedule([event("car", start=12.0)], [CAR], 8.0)


def test_nothing_lasts_longer_than_the_scene():
    events = [event(seconds=30.0), event(start=4.0), event(start=5.5, loop=True)]
    for span in schedule(events, [BARK, CAR, RAIN], 6.0).spans:
        assert 0 <= span.start < span.end <= 6.0
