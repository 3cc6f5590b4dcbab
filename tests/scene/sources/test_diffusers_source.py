"""Models of diffusers as sources: calls of pipelines, and a tiny random one from a folder."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from making_dualspec import save_t5
from soundstage.errors import OptionError, WeightsError
from soundstage.scene.sources import diffusers_source
from soundstage.scene.sources.diffusers_source import KINDS, DiffusersSource, load
from soundstage.scene.sources.source import SourceOptions


class FakePipeline:
    """Noise of the wanted length in place of a model; remembers how it was called."""

    def __init__(self, rate: int, channels: int, peak: float = 0.5) -> None:
        config = SimpleNamespace(config=SimpleNamespace(sampling_rate=rate))
        self.vae = self.vocoder = config
        self.channels, self.peak = channels, peak
        self.arguments: dict[str, Any] = {}

    def __call__(self, **arguments: Any) -> SimpleNamespace:
        self.arguments = arguments
        arguments["callback"](0, 0, None)
        seconds = arguments.get("audio_end_in_s") or arguments["audio_length_in_s"]
        frames = round(seconds * self.vae.config.sampling_rate)
        noise = torch.randn(self.channels, frames, generator=arguments["generator"]).numpy()
        audio = self.peak * noise / np.abs(noise).max()
        return SimpleNamespace(audios=audio[None] if self.channels > 1 else audio)


def source(pipeline: FakePipeline, class_name: str, **options: Any) -> DiffusersSource:
    return DiffusersSource("diffusers", pipeline, KINDS[class_name], SourceOptions(**options))


def test_stable_audio_is_called_with_seed_and_length_and_downmixed() -> None:
    pipeline = FakePipeline(44_100, channels=2)
    options = {"steps": 8, "guidance": 2.5, "negative_prompt": "music"}
    stable = source(pipeline, "StableAudioPipeline", **options)
    sound = stable.sound("dog barking", seconds=2.0, seed=3)
    assert pipeline.arguments["prompt"] == "dog barking"
    assert pipeline.arguments["negative_prompt"] == "music"
    assert pipeline.arguments["num_inference_steps"] == 8
    assert pipeline.arguments["guidance_scale"] == 2.5
    assert pipeline.arguments["audio_end_in_s"] == 2.0
    assert (sound.rate, sound.bandwidth, sound.title) == (44_100, 22_050, "Stable Audio Open")
    assert sound.samples.shape == (88_200,)
    again = stable.sound("dog barking", seconds=2.0, seed=3)
    other = stable.sound("dog barking", seconds=2.0, seed=4)
    np.testing.assert_array_equal(sound.samples, again.samples)
    assert not np.array_equal(sound.samples, other.samples)


def test_audioldm_2_has_its_own_defaults_and_name_of_the_length() -> None:
    pipeline = FakePipeline(16_000, channels=1)
    sound = source(pipeline, "AudioLDM2Pipeline").sound("rain", seconds=None, seed=0)
    assert pipeline.arguments["audio_length_in_s"] == 5.0
    assert pipeline.arguments["num_inference_steps"] == 200
    assert pipeline.arguments["guidance_scale"] == 3.5
    assert pipeline.arguments["negative_prompt"] is None
    assert sound.samples.shape == (80_000,)


def test_silence_and_lengths_beyond_the_model_are_errors() -> None:
    silent = source(FakePipeline(16_000, 1, peak=1e-6), "AudioLDM2Pipeline")
    with pytest.raises(OptionError, match="generated silence for 'rain'"):
        silent.sound("rain", seconds=None, seed=0)
    with pytest.raises(OptionError, match="up to 30 s, not 31 s"):
        silent.sound("rain", seconds=31, seed=0)


def test_samples_beyond_full_scale_are_attenuated() -> None:
    loud = source(FakePipeline(16_000, 1, peak=4.0), "AudioLDM2Pipeline")
    assert np.abs(loud.sound("rain", seconds=None, seed=0).samples).max() == 1


@pytest.mark.parametrize(
    ("index", "error", "match"),
    [
        (None, WeightsError, "has no model_index.json"),
        ("{", WeightsError, "is not JSON"),
        ("[]", OptionError, "a model of the class None"),
        ('{"_class_name": "MusicLDMPipeline"}', OptionError, "StableAudioPipeline and AudioLDM2"),
        pytest.param(
            '{"_class_name": "StableAudioPipeline"}',
            WeightsError,
            "cannot be loaded",
            marks=pytest.mark.slow,  # imports diffusers
        ),
    ],
)
def test_folders_of_other_content_are_errors(
    tmp_path: Path, index: str | None, error: type[Exception], match: str
) -> None:
    if index is not None:
        (tmp_path / "model_index.json").write_text(index)
    with pytest.raises(error, match=match):
        load("diffusers", SourceOptions(place=str(tmp_path), device="cpu"))


def test_a_missing_library_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "AudioLDM2Pipeline"}))
    monkeypatch.setattr(diffusers_source, "find_spec", lambda name: None)
    with pytest.raises(OptionError, match=r"requires diffusers.*extra generate"):
        load("diffusers", SourceOptions(place=str(tmp_path)))


@pytest.mark.slow
def test_a_tiny_random_stable_audio_pipeline_is_read_from_a_folder(tmp_path: Path) -> None:
    folder = write_stable_audio(tmp_path / "stable")
    options = SourceOptions(place=str(folder), device="cpu", steps=3)
    stable = load("diffusers", options)
    sound = stable.sound("dog barking", seconds=1.0, seed=5)
    assert sound.rate == 8_000
    assert 0 < len(sound.samples) <= 8_000
    again = load("diffusers", options).sound("dog barking", seconds=1.0, seed=5)
    np.testing.assert_array_equal(sound.samples, again.samples)
    with pytest.raises(OptionError, match="Stable Audio Open refuses 'dog barking' of 30 s"):
        stable.sound("dog barking", seconds=30, seed=5)


def write_stable_audio(folder: Path) -> Path:
    from diffusers import (
        AutoencoderOobleck,
        EDMDPMSolverMultistepScheduler,
        StableAudioDiTModel,
        StableAudioPipeline,
    )
    from diffusers.pipelines.stable_audio import StableAudioProjectionModel
    from transformers import AutoTokenizer, T5EncoderModel

    encoder = T5EncoderModel.from_pretrained(text := save_t5(folder.parent / "text", 8))
    torch.manual_seed(0)
    StableAudioPipeline(
        vae=AutoencoderOobleck(
            encoder_hidden_size=6,
            downsampling_ratios=[4, 16],
            decoder_channels=3,
            decoder_input_channels=3,
            audio_channels=2,
            channel_multiples=[2, 4],
            sampling_rate=8_000,
        ),
        text_encoder=encoder,
        projection_model=StableAudioProjectionModel(encoder.config.d_model, 4, 0, 32),
        tokenizer=AutoTokenizer.from_pretrained(text, model_max_length=16),
        transformer=StableAudioDiTModel(
            sample_size=256,  # 2 s
            in_channels=3,
            num_layers=2,
            attention_head_dim=4,
            num_attention_heads=2,
            num_key_value_attention_heads=2,
            out_channels=3,
            cross_attention_dim=4,
            time_proj_dim=8,
            global_states_input_dim=8,
            cross_attention_input_dim=4,
        ),
        scheduler=EDMDPMSolverMultistepScheduler(),
    ).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_a_tiny_random_audioldm_2_pipeline_is_read_from_a_folder(tmp_path: Path) -> None:
    folder = write_audioldm_2(tmp_path / "audioldm2")
    options = SourceOptions(place=str(folder), device="cpu", steps=2)
    sound = load("diffusers", options).sound("dog", seconds=0.05, seed=1)
    assert (sound.rate, sound.title) == (16_000, "AudioLDM 2")
    assert 0 < len(sound.samples) <= 800
    again = load("diffusers", options).sound("dog", seconds=0.05, seed=1)
    np.testing.assert_array_equal(sound.samples, again.samples)


def write_audioldm_2(folder: Path) -> Path:
    import diffusers
    import transformers

    torch.manual_seed(0)
    text = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1}
    clap_text = {**text, "num_hidden_layers": 1, "vocab_size": 8, "pad_token_id": 1}
    clap_audio = {
        "spec_size": 8, "window_size": 4, "num_mel_bins": 8, "depths": [1, 1], "hidden_size": 192,
        "num_attention_heads": [1, 1], "num_hidden_layers": 1, "patch_size": 2, "patch_stride": 2,
        "patch_embed_input_channels": 4,
    }  # fmt: skip
    language_model = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(n_embd=16, n_head=1, n_layer=1, vocab_size=9, n_positions=99)
    )
    language_model.config.max_new_tokens = 8
    vocoder = transformers.SpeechT5HifiGan(
        transformers.SpeechT5HifiGanConfig(
            model_in_dim=8, sampling_rate=16_000, upsample_initial_channel=16,
            upsample_rates=[2, 2], upsample_kernel_sizes=[4, 4], normalize_before=False,
        )
    )  # fmt: skip
    torch.nn.init.normal_(vocoder.conv_post.weight)  # the default is nearly silent
    torch.nn.init.constant_(vocoder.conv_post.bias, 0.3)
    letters = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "d", "o", "g"]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁dog", -1.0)]
    t5 = transformers.T5Config(
        vocab_size=4, d_model=32, d_kv=4, d_ff=24, num_layers=1, num_heads=2
    )  # fmt: skip
    blocks = {"block_out_channels": (8, 16), "norm_num_groups": 8}
    diffusers.AudioLDM2Pipeline(
        vae=diffusers.AutoencoderKL(
            in_channels=1, out_channels=1, latent_channels=4,
            down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
            **blocks,
        ),
        text_encoder=transformers.ClapModel(
            transformers.ClapConfig(
                text_config={**clap_text, "projection_dim": 8},
                audio_config={**clap_audio, "projection_dim": 8},
                projection_dim=16,
            )
        ),
        text_encoder_2=transformers.T5EncoderModel(t5),
        projection_model=diffusers.AudioLDM2ProjectionModel(16, 32, 16),
        language_model=language_model,
        tokenizer=transformers.RobertaTokenizerFast(
            vocab={letter: index for index, letter in enumerate(letters)},
            merges=[],
            model_max_length=77,
        ),
        tokenizer_2=transformers.T5TokenizerFast(vocab=pieces, model_max_length=77, extra_ids=0),
        feature_extractor=transformers.ClapFeatureExtractor(feature_size=8),
        unet=diffusers.AudioLDM2UNet2DConditionModel(
            layers_per_block=1, sample_size=32, in_channels=4, out_channels=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=(8, 16), **blocks,
        ),
        scheduler=diffusers.DDIMScheduler(clip_sample=False, set_alpha_to_one=False),
        vocoder=vocoder,
    ).save_pretrained(folder)  # fmt: skip
    return folder
