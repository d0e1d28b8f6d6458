"""Captions that repeat themselves: they are recognized in any language and not generated."""

import ai.engine  # noqa: F401 - declares operators that torchvision needs

# ruff: isort: split
import copy

import pytest
import torch
from PIL import Image
from transformers import BlipTextConfig, BlipTextLMHeadModel

from ai.engine.acceleration import accelerate_blip_decoder
from ai.engine.acceleration.decoder import GreedyDecoder
from ai.engine.acceleration.reference import GenerateDecoder
from ai.engine.blip import Blip, Caption
from ai.engine.engine import Engine
from ai.engine.lazy_model import LazyModel
from ai.repetition import NO_REPEAT_NGRAM, is_repetitive

REPETITIVE = [
    "two large large large large",
    "Large, large; LARGE boat",
    "large large",
    "a b a b a b",
    "a red boat a red boat",
    "a cat on the beach on the beach at night",
    "large boat large boat",
    "large red large blue large",
    "một con mèo một con mèo",
    "mèo mèo mèo",
    "me\u0300o mèo ME\u0300O",
    "the sea and the sky and the sea and the boat and the sky and the sea",
    "大きい大きい大きい大きい",
    "a cat!!!!!",
    "largelargelargelarge",
    ". . . . . .",
    "a cat -- -- -- --",
    "",
    " \n",
    "?!",
]
GOOD = [
    "a red boat",
    "boat",
    "two large red cats and two large red boats",
    "a man in a blue shirt and a man in a blue hat",
    "a very very large dog",
    "a cat, a dog, a bird",
    "10000000 people at a concert",
    "two small red cats and an orange umbrella on a beach at sunset in the rain",
    "những ngôi nhà nhà xanh xanh bên sông",
    "một con mèo đỏ và một con chó xanh trên bãi biển lúc hoàng hôn",
    "แมวสีแดงบนชายหาด",
    "a cat ... on a mat",
]


@pytest.mark.parametrize("text", REPETITIVE)
def test_a_text_that_repeats_itself_is_recognized(text: str) -> None:
    assert is_repetitive(text)


@pytest.mark.parametrize("text", GOOD)
def test_an_ordinary_caption_is_not_repetitive(text: str) -> None:
    assert not is_repetitive(text)


def test_a_very_long_text_takes_little_time() -> None:
    assert not is_repetitive(" ".join(str(number) for number in range(1_000_000)))


# --- Generation ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def babbler() -> BlipTextLMHeadModel:
    """A decoder with random weights, which says few words again and again, and never ends."""
    torch.manual_seed(0)
    config = BlipTextConfig(
        vocab_size=40,
        hidden_size=32,
        encoder_hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=40,
        bos_token_id=1,
        pad_token_id=0,
        eos_token_id=2,
        sep_token_id=2,
        initializer_range=0.3,
        is_decoder=True,
    )
    network = BlipTextLMHeadModel(config).eval().requires_grad_(False)
    network.cls.predictions.decoder.bias[:3] = -1e4  # special ones
    return network


@pytest.fixture(scope="module")
def states() -> torch.Tensor:
    return torch.randn(4, 5, 32, generator=torch.Generator().manual_seed(1))


def ngrams(tokens: list[int], size: int = NO_REPEAT_NGRAM) -> list[tuple[int, ...]]:
    return list(zip(*(tokens[start:] for start in range(size)), strict=False))


@torch.inference_mode()
@pytest.mark.parametrize(("beams", "kind"), [(1, GreedyDecoder), (3, GenerateDecoder)])
def test_no_decoder_repeats_three_pieces(
    babbler: BlipTextLMHeadModel, states: torch.Tensor, beams: int, kind: type
) -> None:
    decoder = accelerate_blip_decoder(copy.deepcopy(babbler), beams)
    assert isinstance(decoder, kind)
    for tokens, probability in decoder.generate(states, max_new_tokens=30):
        assert len(tokens) == 30
        assert len(set(ngrams(tokens))) == len(ngrams(tokens))
        assert 0 < probability < 1
    free = babbler.generate(
        input_ids=torch.full((4, 1), 1),
        encoder_hidden_states=states,
        max_new_tokens=30,
        num_beams=beams,
        do_sample=False,
    )
    assert any(len(set(ngrams(row))) < len(ngrams(row)) for row in free.tolist())


@torch.inference_mode()
@pytest.mark.parametrize("end", [-1e4, 0.0])
def test_both_greedy_decoders_agree(
    babbler: BlipTextLMHeadModel, states: torch.Tensor, end: float
) -> None:
    network = copy.deepcopy(babbler)
    network.cls.predictions.decoder.bias[2] = end
    expected = GenerateDecoder(network, 1).generate(states, max_new_tokens=30)
    actual = accelerate_blip_decoder(network, 1).generate(states, max_new_tokens=30)
    assert [text.tokens for text in actual] == [text.tokens for text in expected]
    assert [text.probability for text in actual] == pytest.approx(
        [text.probability for text in expected], rel=1e-3
    )


class FakeBlip:
    min_probability = 0.5

    def caption_images(self, images: list[Image.Image], max_new_tokens: int) -> list[Caption]:
        return [Caption("a cat", 0.9), Caption("a cat a cat", 0.9), Caption("a dog", 0.4)]


def test_captions_that_describe_nothing_are_dropped() -> None:
    blip: LazyModel[Blip] = LazyModel(FakeBlip)  # type: ignore[arg-type]
    engine = Engine(clip_model="x/y", clip_pretrained="", blip_model="x/y", device="cpu", blip=blip)
    assert engine.caption_images([Image.new("RGB", (8, 8))] * 3) == ["a cat", "", ""]
