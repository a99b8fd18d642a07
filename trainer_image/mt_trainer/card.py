"""``MODEL_CARD.md``: what a model is, where it comes from, and how to use it.

Sections and front matter are those of the Hugging Face Hub's model cards, after Mitchell et al.,
"Model Cards for Model Reporting" (2019). Scores are not in it: they are measured later, by the
engine that serves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from mt_trainer.checkpoint import Position
from mt_trainer.config import Job
from mt_trainer.tracking import facts
from mt_trainer.tracking.line import Line

_METRICS = ("chrf", "sacrebleu", "ter")  # the Hub's names of what the evaluation measures
_LOSSES = ("loss", "validationLoss")
_ROWS = 12  # of the learning curve
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Subject:
    """Everything that a card tells.

    Attributes:
        job: what was asked for.
        document: of ``dataset.json``.
        position: where the training ended.
        artifact: ``uri``, ``digest`` and ``sizeBytes`` of the model.
        versions: of what it was made with.
        history: lines of metrics.jsonl.
        tracked: where an experiment tracker shows the training, or None.
    """

    job: Job
    document: Mapping[str, Any]
    position: Position
    artifact: Mapping[str, Any]
    versions: Mapping[str, str]
    history: Sequence[Line] = ()
    tracked: str | None = None

    @property
    def pair(self) -> str:
        """Return the languages, as a person says them."""
        return f"{self.job.recipe.source_language} to {self.job.recipe.target_language}"


def text(of: Subject) -> str:
    """Return the whole card: front matter, then the body."""
    return f"---\n{_front_matter(of)}---\n\n{body(of)}"


def body(of: Subject) -> str:
    """Return the card as Markdown alone."""
    parts = (_details, _uses, _limits, _start, _data, _procedure, _curve, _evaluation, _lineage)
    return f"# Translation from {of.pair}\n\n" + "\n".join(part(of) for part in parts)


def _front_matter(of: Subject) -> str:
    recipe = of.job.recipe
    languages = list(dict.fromkeys((recipe.source_language, recipe.target_language)))
    known = {
        "language": languages,
        "pipeline_tag": "translation",
        "library_name": "ctranslate2",
        "tags": ["translation", "transformer", "-".join(languages)],
        "datasets": _hub_datasets(file["uri"] for file in of.document["files"]),
        "metrics": list(_METRICS),
    }
    return yaml.safe_dump({key: value for key, value in known.items() if value}, sort_keys=False)


def _hub_datasets(uris: Any) -> list[str]:
    """Return the names of data sets of the Hub among ``uris`` (hf://datasets/<owner>/<name>/…)."""
    paths = (uri.removeprefix("hf://").split("/") for uri in uris if uri.startswith("hf://"))
    return list(dict.fromkeys("/".join(path[1:3]) for path in paths if path[0] == "datasets"))


def _details(of: Subject) -> str:
    size = of.job.recipe.training.architecture
    vocabulary = of.job.recipe.training.vocabulary
    return f"""\
## Model details

An encoder-decoder Transformer: {size.layers}+{size.layers} layers, dimension \
{size.model_dimension}, feed-forward {size.feed_forward_dimension}, {size.heads} heads, \
{of.document["vocabularySize"]:,} SentencePiece pieces ({vocabulary.algorithm}). It translates \
one sentence at a time, of at most {size.max_tokens - 1} pieces.

- **Languages:** {of.pair}
- **Artifact:** `{of.artifact["uri"]}`, {of.artifact["sizeBytes"] / 1e6:,.1f} MB
- **License:** not stated; terms of the training text may apply
"""


def _uses(of: Subject) -> str:
    return f"""\
## Uses

Meant for translating sentences from {of.pair} that are like those it was trained on. Not meant \
for other languages, for whole documents as one input, or where a wrong translation does harm and \
nobody checks it.
"""


def _limits(_: Subject) -> str:
    return """\
## Bias, risks and limitations

It learned from its training text alone. Names, numbers and subjects that the text lacks are
translated badly; what is wrong or unfair in the text is learned as well. Each sentence is
translated by itself, so what a word refers to in an earlier one is not known. A translation may
leave something out, or add it, and still read well.
"""


def _start(of: Subject) -> str:
    sentence = f"A sentence in {of.job.recipe.source_language}."
    return f"""\
## How to get started

In the folder of this file, with CTranslate2 (small and fast; `compute_type="int8"` is faster yet):

```python
import ctranslate2
import sentencepiece

vocabulary = sentencepiece.SentencePieceProcessor(model_file="model/vocabulary.model")
translator = ctranslate2.Translator("model/ctranslate2")
pieces = vocabulary.encode("{sentence}", out_type=str)
result = translator.translate_batch([[*pieces, "</s>"]], beam_size=4)[0]
print(vocabulary.decode(result.hypotheses[0]))
```

With TensorFlow, text in and text out (`serving_default` is the same without a beam):

```python
import tensorflow as tf
import tensorflow_text  # its operations split text into pieces

translate = tf.saved_model.load("model/saved_model").signatures["serving_beam"]
result = translate(text=tf.constant(["{sentence}"]), beam_size=tf.constant(4))
print(result["text"].numpy()[0].decode())
```

The weights by name, to go on from or to convert:

```python
from safetensors.numpy import load_file

weights = load_file("model/weights.safetensors")
print(sum(array.size for array in weights.values()), "weights")
```
"""


def _data(of: Subject) -> str:
    found = of.document
    held_out = " (held out from training)" if found["validationHeldOut"] else ""
    rows = [(f"`{f['uri']}`", f"{f['rows']:,}", _reasons(f["rejected"])) for f in found["files"]]
    notes = "".join(f"- {note}\n" for note in found["anomalies"]) or "- nothing\n"
    return f"""\
## Training data

{found["pairs"]:,} pairs after cleaning ({found["rejectedPairs"]:,} rows rejected), \
{found["validationPairs"]:,} for validation{held_out}. Sentences of the test files, \
{found["testSources"]:,} sources, were kept out of training. `dataset.json` has all statistics.

{_table(("file", "rows", "rejected"), rows)}
What was noticed:

{notes}"""


def _procedure(of: Subject) -> str:
    at = of.position
    parameters = facts.parameters(of.job.written)
    rows = [(f"`{k}`", f"`{v}`") for k, v in parameters.items() if k.startswith("training.")]
    hours = f"{at.seconds / 3600:.1f} h" if at.seconds >= 5400 else f"{at.seconds / 60:.1f} min"
    return f"""\
## Training procedure

{at.step:,} steps in {at.epoch} epochs and {hours}. Published is the running mean of the weights, \
of the epoch that validated best: epoch {at.best_epoch}, {at.best:.4f} nats per token.

{_table(("hyperparameter", "value"), rows)}"""


def _curve(of: Subject) -> str:
    ends = [line for line in of.history if "validationLoss" in line.metrics]
    shown = [ends[i] for i in _spread(len(ends), _ROWS)]
    losses = [line.metrics["validationLoss"] for line in ends]
    rows = [
        (f"{end.epoch}", f"{end.step:,}", *(f"{end.metrics[name]:.4f}" for name in _LOSSES))
        for end in shown
    ]
    if not rows:
        return ""
    headings = ("epoch", "step", "training loss", "validation loss")
    return f"### Learning curve\n\nValidation loss {sparkline(losses)}\n\n{_table(headings, rows)}"


def _evaluation(_: Subject) -> str:
    return """\
## Evaluation

Measured after the training, in the engine and precision that serve: `evaluation/report.html` and
`evaluation/report.json` beside this file have the scores (chrF, BLEU, TER), their confidence
intervals against the model before it, and the gates.
"""


def _lineage(of: Subject) -> str:
    job, parent = of.job, of.job.parent
    rows = [
        ("run", f"`{job.run}`"),
        ("artifact", f"`{of.artifact['digest']}`"),
        ("recipe", f"`{job.digest}`"),
        ("data", f"`{of.document['digest']}`"),
        ("began from", f"`{parent.run}`, `{parent.digest}`" if parent else "random weights"),
        ("image", f"`{job.recipe.training.image}`"),
        ("made with", ", ".join(f"{name} {version}" for name, version in of.versions.items())),
        *([("tracked", of.tracked)] if of.tracked else []),
    ]
    return f"## Lineage\n\n{_table(('', ''), rows)}"


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """Return values as a row of bars, at most ``width`` of them."""
    shown = [values[i] for i in _spread(len(values), width)]
    low, high = min(shown, default=0.0), max(shown, default=0.0)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((value - low) * scale)] for value in shown)


def _spread(count: int, most: int) -> list[int]:
    """Return indices into ``count`` things, ``most`` of them at most, first and last included."""
    if count <= most:
        return list(range(count))
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]


def _reasons(rejected: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {why}" for why, number in rejected.items() if number) or "none"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(content: str) -> str:
    return content.replace("|", "\\|").replace("\n", " ")
