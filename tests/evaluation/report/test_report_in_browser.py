"""The report as a browser shows it."""

import re

import pytest

from making_results import NASTY, SYSTEMS, make_results
from soundstage.evaluation.report import write_report

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

pytestmark = pytest.mark.slow

SECONDS = 3.0


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(make_results(folder, seconds=SECONDS), folder / "report.html")
    return (folder / "report.html").as_uri()


@pytest.fixture
def page(open_page, address):
    return open_page(address)


def test_equal_loudness_turns_every_version_down_to_the_quietest(page):
    start(page)
    trims = page.evaluate("soundstagePlayers[0].trims")
    assert max(trims) == pytest.approx(1)
    assert min(trims) < 0.99  # the wide version is louder
    page.wait_for_function(
        "() => soundstagePlayers[0].state().levels.every("
        "(g, i) => Math.abs(g - soundstagePlayers[0].trims[i]) < 1e-3)"
    )
    page.locator(".match").first.uncheck()
    page.wait_for_function(
        "() => soundstagePlayers[0].state().levels.every(g => Math.abs(g - 1) < 1e-3)"
    )


def test_the_mono_box_plays_the_fold_down(page):
    """A node of one explicit channel makes (L+R)/2, rendered offline."""
    start(page)
    page.locator(".mono").first.check()
    assert page.evaluate("soundstagePlayers[0].fold.channelCount") == 1
    folded = page.evaluate(
        """async () => {
            const offline = new OfflineAudioContext(2, 128, 44100);
            const sound = new AudioBuffer({length: 128, numberOfChannels: 2, sampleRate: 44100});
            sound.getChannelData(0).fill(0.5);
            sound.getChannelData(1).fill(-0.25);
            const source = new AudioBufferSourceNode(offline, {buffer: sound});
            const kept = soundstagePlayers[0].fold;
            const fold = new GainNode(offline, {
                channelCount: kept.channelCount, channelCountMode: kept.channelCountMode,
            });
            source.connect(fold).connect(offline.destination);
            source.start();
            const out = await offline.startRendering();
            return [out.getChannelData(0)[64], out.getChannelData(1)[64]];
        }"""
    )
    assert folded == pytest.approx([0.125, 0.125])
    page.locator(".mono").first.uncheck()
    assert page.evaluate("soundstagePlayers[0].fold.channelCount") == 2


def state(page, player=0):
    return page.evaluate("i => soundstagePlayers[i].state()", player)


def wait_until(page, condition, player=0):
    script = f"i => {{ const s = soundstagePlayers[i].state(); return {condition}; }}"
    page.wait_for_function(script, arg=player, timeout=10_000)


def start(page, player=0):
    page.locator(".player").nth(player).locator(".play").click()
    wait_until(page, "s.playing && s.position > 0.05", player)


def settled(gains, system):
    return gains == pytest.approx([float(i == system) for i in range(len(gains))], abs=1e-3)


def test_the_page_opens_without_complaint_or_request(page):
    assert page.title().startswith("Seven clips")
    assert page.evaluate("soundstagePlayers.length") == 2


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_never_scrolls_sideways(open_page, address, width, scheme):
    page = open_page(address, width=width, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_player_plays_and_pauses_the_one_before(page):
    for player in range(2):
        start(page, player)
        before = state(page, player)["position"]
        wait_until(page, f"s.position > {before} + 0.2", player)
    assert not state(page, 0)["playing"]
    page.locator(".play").nth(1).click()
    held = state(page, 1)
    page.wait_for_timeout(100)
    assert state(page, 1) == held
    assert not held["playing"]


def test_all_systems_of_a_clip_decode_to_one_length(page):
    start(page)
    assert len(set(state(page)["lengths"])) == 1
    assert state(page)["duration"] == pytest.approx(SECONDS, abs=0.001)


def test_every_button_switches_in_place(page):
    start(page)
    buttons = page.locator(".player").first.locator(".systems button")
    for system in [*range(1, len(SYSTEMS)), 0]:
        seen = page.evaluate(
            """([system]) => {
                const player = soundstagePlayers[0], sources = player.sources;
                const clock = performance.now(), before = player.state().position;
                player.buttons[system].click();
                const after = player.state().position;
                return {before, after, took: (performance.now() - clock) / 1000,
                        same: sources === player.sources && player.sources.length};
            }""",
            [system],
        )
        assert abs(seen["after"] - seen["before"]) < 0.05 + seen["took"]
        assert seen["same"] == len(SYSTEMS)  # nothing was stopped or started
        page.wait_for_timeout(80)
        now = state(page)
        assert now["playing"]
        assert now["system"] == system
        assert settled(now["gains"], system)
        pressed = [b.get_attribute("aria-pressed") for b in buttons.all()]
        assert pressed == ["true" if i == system else "false" for i in range(len(SYSTEMS))]


def test_time_goes_on_through_many_switches(page):
    start(page)
    drift = page.evaluate(
        """async () => {
            const player = soundstagePlayers[0];
            const clock = () => player.gains[0].context.currentTime;
            const at = player.position(), from = clock();
            for (let i = 0; i < 20; i++) {
                player.choose(i % 4);
                await new Promise(done => setTimeout(done, 15));
            }
            const span = player.duration, late = player.position() - at - (clock() - from);
            return Math.abs((late % span + 1.5 * span) % span - span / 2);
        }"""
    )
    assert drift < 0.05


def test_the_gains_of_a_crossfade_sum_to_one(page):
    """Rendered offline with the page's own fade: two equal sounds switch without a dent."""
    start(page)
    lowest, highest = page.evaluate(
        """async () => {
            const offline = new OfflineAudioContext(1, 4410, 44100);
            const gains = [1, 0].map(value => {
                const source = new ConstantSourceNode(offline, {offset: 1});
                const gain = new GainNode(offline, {gain: value});
                source.connect(gain).connect(offline.destination);
                source.start();
                return gain;
            });
            const player = Object.create(Object.getPrototypeOf(soundstagePlayers[0]));
            Object.assign(player, {gains, buttons: [], order: [], system: 0});
            player.choose(1);
            const sound = (await offline.startRendering()).getChannelData(0);
            return [Math.min(...sound), Math.max(...sound)];
        }"""
    )
    assert lowest == pytest.approx(1, abs=1e-3)
    assert highest == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("playing", [True, False])
def test_the_bar_seeks(page, playing):
    start(page)
    if not playing:
        page.locator(".play").first.click()
    page.locator(".seek").first.evaluate(
        "bar => { bar.value = 2; bar.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    assert state(page)["position"] == pytest.approx(2, abs=0.1)
    if playing:
        wait_until(page, "s.playing && s.position > 2.2")
    else:
        assert not state(page)["playing"]


def test_all_sources_start_at_one_instant_and_one_place(page):
    start(page)
    started = page.evaluate(
        """() => {
            const kept = AudioBufferSourceNode.prototype.start, started = [];
            AudioBufferSourceNode.prototype.start = function (...when) {
                started.push(when);
                return kept.apply(this, when);
            };
            soundstagePlayers[0].seek(1.5);
            AudioBufferSourceNode.prototype.start = kept;
            return started;
        }"""
    )
    assert len(started) == len(SYSTEMS)
    assert len({tuple(when) for when in started}) == 1
    assert started[0][1] == 1.5


def test_a_loop_goes_round_and_without_it_the_end_is_the_end(page):
    start(page)
    page.evaluate("soundstagePlayers[0].seek(2.8)")
    wait_until(page, "s.playing && s.position < 1")
    page.locator(".loop").first.uncheck()
    page.evaluate("soundstagePlayers[0].seek(2.8)")
    wait_until(page, "!s.playing && s.position === 0")


def test_the_volume_is_a_gain(page):
    start(page)
    page.locator(".level").first.evaluate(
        "bar => { bar.value = 0; bar.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    page.wait_for_function("() => soundstagePlayers[0].master.gain.value < 1e-3")


def test_keys_choose_systems_and_work_the_controls(page):
    page.locator(".play").nth(1).focus()
    page.keyboard.press("Enter")
    wait_until(page, "s.playing && s.position > 0.05", 1)
    for key in ("3", "2", "4", "9", "1"):
        page.keyboard.press(key)
        if key != "9":  # there is no ninth system
            wait_until(page, f"s.system === {int(key) - 1}", 1)
    page.keyboard.press("Space")
    wait_until(page, "!s.playing", 1)
    assert state(page, 0)["system"] == 0


def test_blind_hides_every_name_and_reveals_what_each_letter_was(page):
    player = page.locator(".player").first
    blind = player.locator(".blind")
    orders = set()
    for _ in range(12):
        blind.check()
        html = player.locator(".systems").inner_html()
        assert not any(name in html for name in ("true stereo", "mono", "nearest", "script"))
        assert "marker" not in html
        assert state(page)["labels"] == ["A", "B", "C", "D"]
        orders.add(tuple(page.evaluate("soundstagePlayers[0].order")))
        blind.uncheck()
    assert len(orders) > 1
    blind.check()
    order = page.evaluate("soundstagePlayers[0].order")
    page.keyboard.press("2")
    assert state(page)["system"] == order[1]
    blind.uncheck()
    letters = {system: "ABCD"[place] for place, system in enumerate(order)}
    wanted = [f"{name} (was {letters[i]})" for i, name in enumerate(SYSTEMS)]
    assert state(page)["labels"] == wanted
    assert player.locator(".systems .marker").count() == len(SYSTEMS)


def test_a_header_sorts_by_click_and_by_key(page):
    table = page.locator("#spectra table")
    header = table.locator("thead th", has_text="log-spectral distance, side")
    column = header.evaluate("cell => cell.cellIndex")

    def ranks():
        found = table.locator("tbody tr").evaluate_all(
            "(rows, column) => rows.map(row => row.cells[column].dataset.rank)", column
        )
        return [float(rank) for rank in found]

    def names():
        return table.locator("tbody .name").all_inner_texts()

    header.locator("button").click()
    assert ranks() == sorted(ranks())
    assert header.get_attribute("aria-sort") == "ascending"
    header.locator("button").focus()
    page.keyboard.press("Enter")
    assert ranks() == sorted(ranks(), reverse=True)
    assert header.get_attribute("aria-sort") == "descending"
    empty = table.locator("thead th", has_text=re.compile("SI-SNR, side"))
    for _ in range(2):
        empty.locator("button").click()
        assert names()[-1] == "mono"  # it has no number there, whichever end is up
    table.locator("thead th.first button").click()
    assert names() == list(SYSTEMS)


def test_names_are_shown_as_they_are(page):
    assert page.locator("#image tbody .name").last.inner_text() == NASTY
    assert page.locator("b").count() == 0


def test_the_first_column_stays_while_a_table_scrolls(open_page, address):
    page = open_page(address, width=400)
    box = page.locator("#spectra .scroll")
    first = box.locator("tbody .first").first
    before = first.bounding_box()["x"]
    box.evaluate("box => { box.scrollLeft = 300; }")
    assert box.evaluate("box => box.scrollLeft") == 300
    assert first.bounding_box()["x"] == pytest.approx(before, abs=1)


def test_a_report_without_excerpts_truth_or_scores_opens(open_page, tmp_path):
    results = make_results(systems=["mono", "nearest"], excerpts=0, columns=[])
    write_report(results, tmp_path / "report.html")
    page = open_page((tmp_path / "report.html").as_uri(), width=400)
    assert page.locator(".player").count() == 0
    page.keyboard.press("1")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_all_text_has_contrast(open_page, address):
    """WCAG AA: 4.5 between every text and what is painted behind it, light and dark."""
    measure = """() => {
        const [paper, often] = [document.createElement("canvas"), {willReadFrequently: true}];
        const canvas = paper.getContext("2d", often);
        const rgba = color => {
            canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data];
        };
        const light = color => color.slice(0, 3).map(c => c / 255)
            .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
        const behind = element => {
            for (let e = element; e; e = e.parentElement) {
                const color = rgba(getComputedStyle(e).backgroundColor);
                if (color[3] === 255) return color;
            }
        };
        const bad = [];
        for (const e of document.querySelectorAll("body *:not(script, style, option, .note)")) {
            const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
            if (!own || !e.getClientRects().length) continue;
            const style = getComputedStyle(e);
            const ink = rgba(e.namespaceURI.includes("svg") ? style.fill : style.color);
            const [a, b] = [light(ink), light(behind(e))].sort((x, y) => y - x);
            if ((a + 0.05) / (b + 0.05) < 4.5) bad.push(e.outerHTML.slice(0, 120));
        }
        return bad;
    }"""
    for scheme in ("light", "dark"):
        page = open_page(address, color_scheme=scheme)
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.evaluate(measure) == []
