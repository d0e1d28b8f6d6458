"""Tokenizer of both models: byte-level BPE learned from the sentences about the scenes.

It lower-cases and strips diacritics, so Vietnamese typed with or without accents gives the same
tokens; bytes are the fallback, so every text can be encoded. BPE: Sennrich et al. 2016,
arXiv:1508.07909.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from ai.demo_models.descriptions import (
    LANGUAGES,
    caption,
    describe_as_label,
    describe_fully,
    describe_partly,
    describe_setting,
)
from ai.demo_models.scenes import TRAINING_SEEDS, sample_scenes

PAD_ID, BOS_ID, EOS_ID = 0, 1, 2
CONTEXT_LENGTH = 40
VOCABULARY_SIZE = 1200
_SPECIAL_TOKENS = {"pad_token": "<pad>", "bos_token": "<bos>", "eos_token": "<eos>"}
_FORMS = (describe_fully, describe_partly, describe_setting, describe_as_label)


def _iterate_corpus(scene_count: int) -> Iterator[str]:
    rng = random.Random(0)
    for scene in sample_scenes(scene_count, TRAINING_SEEDS):
        yield caption(scene)
        for language in LANGUAGES:
            yield from (form(scene, language, rng).text for form in _FORMS)


def train_tokenizer(scene_count: int = 20_000) -> PreTrainedTokenizerFast:
    """Learn the vocabulary from sentences about ``scene_count`` training scenes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFD(),
            normalizers.Lowercase(),
            normalizers.StripAccents(),
            # The only Vietnamese letter that does not decompose into a base letter and an accent.
            normalizers.Replace("đ", "d"),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    # The prefix space of the first word is not part of the text.
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    tokenizer.train_from_iterator(
        _iterate_corpus(scene_count),
        trainers.BpeTrainer(
            vocab_size=VOCABULARY_SIZE,
            special_tokens=list(_SPECIAL_TOKENS.values()),
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", BOS_ID), ("<eos>", EOS_ID)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=CONTEXT_LENGTH,
        clean_up_tokenization_spaces=False,
        **_SPECIAL_TOKENS,
    )
