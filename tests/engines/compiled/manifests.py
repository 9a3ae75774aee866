"""Artefacts for tests: a file that stands for a network, and a manifest that fits it."""

import dataclasses

from fast_snow.engines.compiled import artefacts
from fast_snow.engines.compiled import manifest as manifests
from fast_snow.engines.compiled.manifest import Agreement, EngineOrigin, FileRecord, Manifest, TensorRecord, Tolerance

FRAME = (280, 504)
HERE = artefacts.Machine(gpu="NVIDIA H200", compute_capability="9.0", tensorrt="11.4.0.1")


def place(folder, *, target="onnx", precision="fp32", content=b"network", **changes):
    """Write an artefact and its manifest; return both."""
    path = artefacts.path_of(folder, "da3-small", FRAME, precision, target)
    path.write_bytes(content)
    origin = EngineOrigin(
        gpu=HERE.gpu,
        compute_capability=HERE.compute_capability,
        tensorrt=HERE.tensorrt,
        onnx=FileRecord(name="da3-small_280x504_fp32.onnx", size_bytes=3, sha256="c" * 64),
    )
    manifest = Manifest(
        model="da3",
        variant="da3-small",
        target=target,
        precision=precision,
        frame=FRAME,
        opset=18,
        inputs=(TensorRecord(name="images", dtype="float32", shape=("n", 3, *FRAME)),),
        outputs=(TensorRecord(name="depth", dtype="float32", shape=("n", *FRAME)),),
        profiles={"images": ((1, 3, *FRAME), (60, 3, *FRAME), (120, 3, *FRAME))},
        weights_sha256="a" * 64,
        packages={"torch": "2.15.0"},
        tolerance={"depth": Tolerance(absolute=1e-5)},
        parity={"depth": Agreement(largest=4e-7, mean=1e-8, worst=0.04)},
        artefact=manifests.record_of(path),
        origin=origin if target == "tensorrt" else None,
    )
    manifest = dataclasses.replace(manifest, **changes)
    manifests.write_manifest(manifest, manifests.path_beside(path))
    return path, manifest
