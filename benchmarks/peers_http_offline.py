"""The same translations in process, by the predictor's own code: what is right, and how long it is.

``python -m benchmarks.peers_http_offline ARTIFACT TEXTS``, in the predictor's environment:
reads texts (a JSON list) from the file TEXTS, writes each with its translation there, and
then answers orders as ``load`` does, with the time that translations take without HTTP.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.load import chosen
from mt_predictor import cpu, engine, settings
from mt_predictor.translator import Options, Translator


def main(folder: Path, file: Path) -> None:
    """Translate all once, then whatever is ordered."""
    wanted = settings.engine_settings({})
    translator = Translator(engine.load(folder, None, wanted, cpu.available_threads()))
    translator.warm_up(wanted.beam_size)
    options = Options(wanted.beam_size)
    texts = json.loads(file.read_bytes())
    pairs = [(text, translator.translate([text], options)[0].text) for text in texts]
    file.write_text(json.dumps(pairs), encoding="utf-8")
    print("{}", flush=True)
    for line in sys.stdin:
        order, found = json.loads(line), list[float]()
        for number in chosen(order, len(texts)):
            time.sleep(order["pause"])
            begun = time.perf_counter()
            translator.translate([texts[number]], options)
            found.append(1e3 * (time.perf_counter() - begun))
        print(json.dumps({"ms": found}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
