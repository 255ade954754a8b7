"""Layers built and called with arguments of every kind, valid and invalid.

    python -m tests.fuzz --count 10000 --out torch.txt     on the backend of Keras
    python -m tests.fuzz --backend jax --count 10000 --out jax.txt
    python -m tests.fuzz --compare torch.txt jax.txt

Hypothesis draws a case: a layer, its arguments, the shape and dtype of an input. The
outcome is a right answer (shape, dtype, values among what the noise allows), or
ValueError or TypeError; all else is a mistake. The same seed draws the same cases on
each backend, and a file of verdicts can be compared with another. A run that was
stopped goes on from its file when it is called again.
"""

import argparse
import collections
import contextlib
import os
import pathlib
import sys
import warnings

# What is written of a case while it runs.
ENDED = "ended the process"


def main(arguments=None):
    """Runs many cases, or compares the verdicts of several runs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backend", choices=("torch", "jax", "tensorflow"))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--compare", type=pathlib.Path, nargs="+")
    options = parser.parse_args(arguments)
    if options.compare:
        return compare(options.compare)
    if options.backend:
        os.environ["KERAS_BACKEND"] = options.backend
    # Not before the backend is chosen.
    from tests import fuzz_cases

    warnings.simplefilter("ignore")
    cases = fuzz_cases.drawn(options.count, options.seed)
    verdicts = run(cases, options.out, fuzz_cases.verdict)
    mistakes = {c: v for c, v in verdicts.items() if v not in fuzz_cases.VERDICTS}
    for case, verdict in mistakes.items():
        print(verdict, "\n   ", case)
    counts = collections.Counter(
        verdict if verdict in fuzz_cases.VERDICTS else "mistake"
        for verdict in verdicts.values()
    )
    names = {case.split("'")[3] for case in verdicts}
    print(f"{len(verdicts)} cases of {len(names)} layers: {dict(counts)}")
    return bool(mistakes)


def run(cases, out, judge):
    """The verdicts by case. What stands in the file `out` is not run again.

    A case is written before it is run, so that the file names what ends the process.
    It gets a second try, for the process may have been stopped from without.
    """
    lines = out.read_text().splitlines() if out and out.exists() else []
    ended = collections.Counter(line for line in lines if line.startswith(ENDED))
    told = {
        text: verdict
        for text, verdict in read(lines).items()
        if verdict != ENDED or ended[f"{ENDED}\t{text}"] > 1
    }
    verdicts = {text: told[text] for text in cases if text in told}
    with out.open("a") if out else contextlib.nullcontext() as file:
        for text in [each for each in cases if each not in told]:
            if file:
                file.write(f"{ENDED}\t{text}\n")
                file.flush()
            verdicts[text] = judge(cases[text])
            if file:
                file.write(f"{verdicts[text]}\t{text}\n")
    return verdicts


def read(lines):
    """The verdicts by case; the last word on a case counts."""
    return {text: verdict for verdict, _, text in (n.partition("\t") for n in lines)}


def compare(paths):
    """Prints the cases that have another verdict in another file."""
    runs = []
    for path in paths:
        runs.append(read(path.read_text().splitlines()))
    common = set.intersection(*map(set, runs))
    differing = {case: [run[case] for run in runs] for case in common}
    differing = {c: each for c, each in differing.items() if len(set(each)) > 1}
    for case, each in sorted(differing.items()):
        print(each, "\n   ", case)
    print(f"{len(common)} cases in all of {len(runs)} files, {len(differing)} differ")
    return bool(differing)


if __name__ == "__main__":
    sys.exit(main())
