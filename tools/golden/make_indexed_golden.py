#!/usr/bin/env python3
"""Writes tests/golden/indexed/: small data sets in Megatron's documented layout.

Written with numpy from the format's description (docs/formats/
indexed_dataset.md), not with Dure, so that Dure's reader and writer are not only
compared with each other. Run from the repository root:

    python3 tools/golden/make_indexed_golden.py
"""
import pathlib

import numpy

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/indexed"

# Documents are lists of sequences; the third has none.
DOCUMENTS = [
    [[1, 2, 3], [4, 5]],
    [[100, 101, 102, 103, 50, 0]],
    [],
    [[7], [], [8, 9, 10]],
]
CODES = {"uint8": 1, "int8": 2, "int16": 3, "int32": 4, "int64": 5, "uint16": 8}


def write(prefix, dtype):
    sequences = [s for document in DOCUMENTS for s in document]
    lengths = numpy.array([len(s) for s in sequences], dtype="<i4")
    width = numpy.dtype(dtype).itemsize
    ends = numpy.cumsum(lengths.astype("<i8") * width)
    pointers = numpy.concatenate([[0], ends[:-1]]).astype("<i8")
    counts = [len(document) for document in DOCUMENTS]
    documents = numpy.concatenate([[0], numpy.cumsum(counts)]).astype("<i8")
    tokens = numpy.concatenate([numpy.array(s, dtype=dtype) for s in sequences])
    prefix.with_suffix(".bin").write_bytes(tokens.astype(dtype).tobytes())
    prefix.with_suffix(".idx").write_bytes(
        b"MMIDIDX\x00\x00"
        + numpy.uint64(1).tobytes()
        + numpy.uint8(CODES[dtype]).tobytes()
        + numpy.uint64(len(lengths)).tobytes()
        + numpy.uint64(len(documents)).tobytes()
        + lengths.tobytes()
        + pointers.tobytes()
        + documents.tobytes()
    )


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for dtype in CODES:
        write(OUT / dtype, dtype)


if __name__ == "__main__":
    main()
