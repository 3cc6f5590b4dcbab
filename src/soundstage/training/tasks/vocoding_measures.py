"""How near a vocoder comes to sound that it never saw, beside the Griffin-Lim algorithm.

Clips are vocoded from their own mel bands. Phases of noise are not in the bands, so the waveform is
not compared, but log magnitudes in decibels, the embeddings of the tagger (Fréchet audio distance,
`metrics/frechet.py`) and its classes.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.metrics.embeddings.built_in import TAGGER_WINDOW, TaggerEmbedding
from soundstage.metrics.frechet import embedding_pool, frechet_distance, merged
from soundstage.networks.models.tagger import Tagger, TaggerConfig
from soundstage.networks.models.vocoder import Vocoder
from soundstage.scene.vocoders import GriffinLimVocoder
from soundstage.spectra.dual_spectra import SPREAD, log_mel, spectrogram
from soundstage.training.data.vocoder_batches import whole_frames
from soundstage.weights import Card, model_card
from soundstage.weights.model import load_model

FLOOR = 1e-4  # of magnitudes in a distance, −80 dB
DECIBELS = 20 / torch.log(torch.tensor(10.0)).item()  # in a neper

Sound = Float[Tensor, " samples"]
Vocode = Callable[[Float[Tensor, "1 mels frames"]], Float[Tensor, "1 samples"]]


@torch.no_grad()
def vocoding_measures(vocoder: Vocoder, sounds: Sequence[Sound], labels: Sequence[str]) -> Card:
    """Card entries: measures of the clips themselves, of the vocoder and of Griffin-Lim.

    Args:
        vocoder: in evaluation mode.
        sounds: mono at 16 kHz.
        labels: classes of the sounds; those that the tagger lacks are not in the accuracy.
    """
    classes: list[str] = model_card("tagger")["classes"]
    tagger = load_model("tagger", TaggerConfig).network
    embedding = TaggerEmbedding()
    pairs = [whole_frames(sound) for sound in sounds]
    true = merged(embedding_pool(embedding.embed(_long_enough(sound))[0]) for sound, _ in pairs)
    accuracy = _accuracy(tagger, classes, [sound for sound, _ in pairs], labels)
    rows: Card = {"clips_themselves": {"tagger_accuracy": accuracy}}
    for name, vocode in (("vocoder", vocoder), ("griffin_lim", GriffinLimVocoder().sound)):
        made = [vocode(mels) for _, mels in pairs]
        pool = merged(embedding_pool(embedding.embed(_long_enough(each))[0]) for each in made)
        distances = [_distances(each, sound) for each, (sound, _) in zip(made, pairs, strict=True)]
        spectral, band = torch.tensor(distances).mean(dim=0).tolist()
        rows[name] = {
            "log_spectral_distance_db": round(spectral, 2),
            "mel_error_db": round(band, 2),
            "frechet_audio_distance": round(frechet_distance(pool, true), 3),
            "tagger_accuracy": _accuracy(tagger, classes, made, labels),
        }
    return rows


def _distances(
    made: Float[Tensor, "1 samples"], sound: Float[Tensor, "1 samples"]
) -> tuple[float, float]:
    """Log-spectral distance and mean absolute error of the mel bands, in dB.

    The distance is the root mean square over bins, then the mean over frames.
    """
    one, other = spectrogram(made)[0], spectrogram(sound)[0]
    difference = DECIBELS * (_log(one) - _log(other))
    bands = DECIBELS * SPREAD * (log_mel(one) - log_mel(other)).abs().mean()
    return float(difference.square().mean(dim=0).sqrt().mean()), float(bands)


def _log(spectrum: Tensor) -> Tensor:
    return spectrum.abs().clamp(min=FLOOR).log()


def _long_enough(sound: Float[Tensor, "1 samples"]) -> Float[Tensor, "1 longer"]:
    return F.pad(sound, (0, max(TAGGER_WINDOW - sound.shape[-1], 0)))


def _accuracy(
    tagger: Tagger,
    classes: Sequence[str],
    sounds: Sequence[Float[Tensor, "1 samples"]],
    labels: Sequence[str],
) -> float:
    """Share of sounds that get their label."""
    judged = [
        int(tagger(tagger.mel(_long_enough(sound))).argmax()) == classes.index(label)
        for sound, label in zip(sounds, labels, strict=True)
        if label in classes
    ]
    return round(sum(judged) / max(len(judged), 1), 4)
