"""JoeyNMT, run by its own ``train`` on the same pieces; only its clock is ours.

Settings of its own configuration for IWSLT14 (batches by tokens, tied embeddings, pre-norm, AdamW,
label smoothing), with the dimensions and the batch of the comparison. On a CPU it switches half
precision off by itself. Validation, which it would do every so many steps, is left out.
"""

from __future__ import annotations

import logging
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from joeynmt import training
from joeynmt.config import load_config

from benchmarks.peers_laps import Laps

NEVER = 10**9
CONFIG = """
name: throughput
joeynmt_version: "2.3.0"
model_dir: "{folder}/joeynmt"
use_cuda: False
fp16: True
random_seed: 42
data:
    train: "{folder}/train"
    dev: "{folder}/train"
    dataset_type: plain
    sample_dev_subset: 10
    src: &side
        lang: src
        level: word
        max_length: 128
        lowercase: False
        voc_file: "{folder}/pieces.txt"
    trg:
        <<: *side
        lang: trg
    special_symbols: {{pad_token: "<pad>", unk_token: "<unk>", bos_token: "<s>", eos_token: "</s>",
                       unk_id: 0, pad_id: 1, bos_id: 2, eos_id: 3}}
testing: {{n_best: 1, beam_size: 1, batch_size: 1024, batch_type: token, eval_metrics: []}}
training:
    optimizer: adamw
    normalization: tokens
    adam_betas: [0.9, 0.999]
    scheduling: warmupinversesquareroot
    learning_rate_warmup: 4000
    learning_rate: 0.0002
    learning_rate_min: 0.00000001
    weight_decay: 0.0
    label_smoothing: 0.1
    loss: crossentropy
    batch_size: {batch_tokens}
    batch_type: token
    batch_multiplier: 1
    early_stopping_metric: loss
    epochs: {never}
    validation_freq: {never}
    logging_freq: 100
    overwrite: True
    shuffle: True
model:
    initializer: xavier_uniform
    bias_initializer: zeros
    init_gain: 1.0
    embed_initializer: xavier_uniform
    embed_init_gain: 1.0
    tied_embeddings: True
    tied_softmax: True
    encoder: &half
        type: transformer
        num_layers: 4
        num_heads: 8
        embeddings: {{embedding_dim: 128, scale: True, dropout: 0.0}}
        hidden_size: 128
        ff_size: 512
        dropout: 0.1
        layer_norm: pre
        activation: relu
    decoder:
        <<: *half
"""


def main(folder: Path, threads: int, batch_tokens: int) -> None:
    """Train until the clock ends the process."""
    torch.set_num_threads(threads)
    laps = Laps()
    step = training.TrainManager._train_step
    waiting: list[Any] = []

    def counted(self: Any, batch: Any) -> Any:
        # Called first of all in a step: what was given to the call before is done by now.
        for done in waiting:
            real = int(done.src_length.sum()) + done.ntokens
            laps.step(done.ntokens, real, done.src.numel() + done.trg.numel())
        waiting[:] = [batch]
        return step(self, batch)

    training.TrainManager._train_step = counted
    shutil.rmtree(folder / "joeynmt", ignore_errors=True)
    (folder / "joeynmt").mkdir()
    config = folder / "joeynmt.yaml"
    config.write_text(
        CONFIG.format(folder=folder, batch_tokens=batch_tokens, never=NEVER), encoding="utf-8"
    )
    logging.disable(logging.INFO)
    training.train(rank=0, world_size=None, cfg=load_config(config), skip_test=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
