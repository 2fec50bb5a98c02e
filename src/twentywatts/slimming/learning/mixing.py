"""Mixed samples: between any two samples the teacher knows answers too, and a student that hears them errs less.

Source: Zhang et al. 2018 (mixup, arXiv 1710.09412); Beyer et al. 2022 (a good teacher is patient and consistent,
arXiv 2106.05237), where mixtures are shown to teacher and student alike.
"""

from __future__ import annotations

import numpy as np

from twentywatts.readers.samples import Samples
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.proof.trial import opened

__all__ = ["TIMES", "with_mixtures"]

TIMES = 3  # as many mixtures for each sample
_MOST = 4000  # samples that are few: more of them need no help, and were not tried
_BYTES = 2**28  # of samples and mixtures together


def with_mixtures(samples: Samples, teacher: Candidate, *, seed: int = 0, times: int = TIMES) -> Samples:
    """Return the samples and, for each, ``times`` mixtures of two others, whose class is the teacher's.

    The same samples come back where there are more than 4,000, where they would take more than 256 MiB, where inputs
    are no floats (words), and where the teacher's first output and the targets are no classes. The share of each of
    the two is drawn evenly from 0 to 1, the same for all inputs of a sample.
    """
    targets = samples.targets
    if targets.ndim != 1 or targets.dtype.kind not in "iu" or not 2 <= samples.count <= _MOST:
        return samples
    if any(array.dtype.kind != "f" for array in samples.inputs.values()):
        return samples
    if (1 + times) * sum(array.nbytes for array in samples.inputs.values()) > _BYTES:
        return samples
    generator = np.random.Generator(np.random.PCG64(seed))
    parts = [_mixed(samples, generator) for _ in range(times)]
    answers = [opened(teacher).outputs(part) for part in parts]
    if any(answer.ndim != 2 for answer in answers):
        return samples
    classes = [answer.argmax(axis=1).astype(targets.dtype) for answer in answers]
    return Samples(
        name=samples.name,
        inputs={
            name: np.concatenate([array, *(p.inputs[name] for p in parts)]) for name, array in samples.inputs.items()
        },
        targets=np.concatenate([targets, *classes]),
    )


def _mixed(samples: Samples, generator: np.random.Generator) -> Samples:
    """Return as many mixtures of two samples; their targets are the first one's, and mean nothing."""
    one, other = generator.permutation(samples.count), generator.permutation(samples.count)
    share = generator.uniform(0.0, 1.0, samples.count)
    inputs = {}
    for name, array in samples.inputs.items():
        wide = share.reshape(-1, *(1,) * (array.ndim - 1)).astype(array.dtype)
        inputs[name] = wide * array[one] + (1 - wide) * array[other]
    return Samples(name=samples.name, inputs=inputs, targets=samples.targets[one])
