import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from soundstage.networks.backbones import grid_attention
from soundstage.networks.backbones.grid_attention import (
    GridAttention,
    Rotation,
    Span,
    attend,
    reach,
    spans_of,
)

HEADS, WIDTH = 2, 8
PLANS = [("full", None), ("axial", None), ("axial", 4), ("windowed", 4)]


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def hears(span, rows, columns):
    """Which vector hears which, by the words of the plan, (rows·columns, rows·columns)."""
    row, column = torch.arange(rows * columns) // columns, torch.arange(rows * columns) % columns
    together = torch.ones(rows * columns, rows * columns, dtype=torch.bool)
    if span.window is not None:
        # The first window may begin before the grid
        window = (row + span.window - span.shift) // span.window
        together = window[:, None] == window
    if span.own_column:
        together = together & (column[:, None] == column)
    return together


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 11),
    columns=st.integers(1, 4),
    window=st.none() | st.integers(1, 5),
    moved=st.booleans(),
    own_column=st.booleans(),
)
def test_a_span_is_a_mask_over_all_vectors(rows, columns, window, moved, own_column):
    span = Span(window, window // 2 if moved and window else 0, own_column)
    parts = noise(2, rows, columns, 3, HEADS, WIDTH)
    queries, keys, values = parts.flatten(1, 2).permute(2, 0, 3, 1, 4)
    mask = hears(span, rows, columns)
    masked = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    wanted = masked.transpose(1, 2).unflatten(1, (rows, columns))
    torch.testing.assert_close(attend(parts, span), wanted, rtol=1e-5, atol=1e-5)


def test_full_attention_is_that_of_torch():
    ours = GridAttention(16, 4, Span(None))
    theirs = torch.nn.MultiheadAttention(16, 4, batch_first=True)
    theirs.in_proj_weight, theirs.in_proj_bias = (
        ours.queries_keys_values.weight,
        ours.queries_keys_values.bias,
    )
    theirs.out_proj = ours.out
    x = noise(2, 5, 3, 16)
    wanted, _ = theirs(*3 * [x.flatten(1, 2)])
    torch.testing.assert_close(ours(x).flatten(1, 2), wanted, rtol=1e-4, atol=1e-5)


def test_axial_attention_takes_turns_between_rows_and_columns():
    row, column, moved = Span(1), Span(4, 0, True), Span(4, 2, True)
    assert spans_of("axial", 5, 4) == (row, column, row, moved, row)
    assert spans_of("axial", 2) == (row, Span(None, 0, True))


def test_windowed_attention_moves_every_other_block_by_half_a_window():
    assert spans_of("windowed", 3, 6) == (Span(6), Span(6, 3), Span(6))


@pytest.mark.parametrize(
    ("plan", "window", "words"),
    [
        ("full", 4, "no window"),
        ("windowed", None, "needs a window"),
        ("windowed", 3, "even"),
        ("axial", 0, "even"),
        ("global", None, "one of full, axial, windowed"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(plan, window, words):
    with pytest.raises(ValueError, match=words):
        spans_of(plan, 2, window)


@settings(max_examples=60, deadline=None)
@given(
    spans=st.lists(
        st.tuples(st.sampled_from([1, 2, 3, 4, 6]), st.integers(0, 5)).map(
            lambda drawn: Span(drawn[0], drawn[1] % drawn[0], drawn[0] == 3)
        ),
        min_size=1,
        max_size=4,
    )
)
def test_the_reach_is_that_of_the_masks_multiplied(spans):
    before, places, after = 24, 12, 24  # windows come back every 12 rows
    rows = before + places + after
    heard = torch.eye(rows)
    for span in spans:
        alone = Span(span.window, span.shift)
        heard = hears(alone, rows, 1).float() @ heard
    pairs = (heard[before : before + places] > 0).nonzero()
    assert reach(spans) == int((pairs[:, 1] - pairs[:, 0] - before).abs().max())


def test_what_has_no_windows_reaches_everywhere():
    assert reach(spans_of("full", 2)) is None
    assert reach(spans_of("axial", 2)) is None
    assert reach(spans_of("axial", 1, 4)) == 0  # rows alone


@pytest.mark.parametrize(("plan", "window"), PLANS)
def test_scores_grow_with_the_length_where_windows_bound_them(plan, window, monkeypatch):
    counted = []
    original = F.scaled_dot_product_attention

    def counting(queries, keys, values):
        counted.append(queries.shape[0] * queries.shape[2] * keys.shape[2])
        return original(queries, keys, values)

    monkeypatch.setattr(grid_attention.F, "scaled_dot_product_attention", counting)

    def cost(rows):
        counted.clear()
        for span in spans_of(plan, 4, window):
            attend(noise(1, rows, 3, 3, 1, 4), span)
        return sum(counted)

    assert all(
        cost(rows) == sum(int(hears(span, rows, 3).sum()) for span in spans_of(plan, 4, window))
        for rows in (7, 16)
    )
    grown = cost(128) / cost(64)
    assert grown == 4 if plan == "full" else grown > 3 if window is None else grown < 2.05


def test_a_rotation_turns_pairs_as_complex_numbers():
    rotation = Rotation(6, 5, WIDTH, torch.device("cpu"))
    x = noise(2, 6, 5, HEADS, WIDTH)
    pairs = torch.complex(x[..., :4], x[..., 4:])
    time, frequency = torch.arange(6.0)[:, None, None], torch.arange(5.0)[:, None]
    rates = torch.tensor([1.0, 10_000**-0.5])
    angles = torch.cat([(time * rates).expand(6, 5, 2), (frequency * rates).expand(6, 5, 2)], -1)
    wanted = pairs * torch.polar(torch.ones(()), angles)[:, :, None]
    found = rotation(x)
    torch.testing.assert_close(torch.complex(found[..., :4], found[..., 4:]), wanted)


def test_rotated_products_know_only_how_far_apart_two_vectors_are():
    rotation = Rotation(20, 20, WIDTH, torch.device("cpu"))
    query, key = (rotation(noise(WIDTH, seed=seed).expand(1, 20, 20, 1, WIDTH)) for seed in (0, 1))
    products = torch.einsum("btfhw,bughw->tfug", query, key)
    torch.testing.assert_close(products[3:, 5:, 3:, 5:], products[:-3, :-5, :-3, :-5])
    assert float((products[0, 0] - products[0, 0, 0, 0]).abs().max()) > 0.1


def test_rotation_keeps_the_type_of_what_it_turns():
    rotation = Rotation(3, 3, WIDTH, torch.device("cpu"))
    assert rotation(noise(1, 3, 3, 1, WIDTH).bfloat16()).dtype == torch.bfloat16
