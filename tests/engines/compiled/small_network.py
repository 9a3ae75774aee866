"""A small real network: in torch, as ONNX and as what `export` takes."""

import warnings

import numpy as np
import torch

from fast_snow.engines.compiled.manifest import Tolerance
from fast_snow.export.exportable import Exportable, ExportSpec, ShapeProfile

HEIGHT, WIDTH = 8, 12
PROFILES = {
    "images": ShapeProfile(smallest=(1, 3, HEIGHT, WIDTH), usual=(2, 3, HEIGHT, WIDTH), largest=(4, 3, HEIGHT, WIDTH))
}


class Small(torch.nn.Module):
    def __init__(self, seed=0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.first = torch.nn.Conv2d(3, 4, 3, padding=1)
            self.second = torch.nn.Conv2d(4, 2, 3, padding=1)

    def forward(self, images):
        maps = self.second(torch.relu(self.first(images)))
        return maps, maps.sum(dim=(1, 2, 3))


def write(path, network=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network or Small(),
            (torch.zeros(2, 3, HEIGHT, WIDTH),),
            str(path),
            opset_version=17,
            dynamo=False,
            input_names=["images"],
            output_names=["maps", "total"],
            dynamic_axes={"images": {0: "n"}, "maps": {0: "n"}, "total": {0: "n"}},
        )


def reference(inputs, network=None):
    with torch.inference_mode():
        maps, total = (network or Small())(torch.from_numpy(inputs["images"]))
    return {"maps": maps.numpy(), "total": total.numpy()}


def sample(count):
    return {"images": np.random.default_rng(count).random((count, 3, HEIGHT, WIDTH), np.float32)}


def exportable(*, tolerance=1e-4, weights="a" * 64, opset=17, writer=write, variant="small"):
    return Exportable(
        spec=ExportSpec(
            model="da3",
            variant=variant,
            precision="fp32",
            frame=(HEIGHT, WIDTH),
            opset=opset,
            profiles=PROFILES,
            tolerance={"maps": Tolerance(absolute=tolerance), "total": Tolerance(absolute=tolerance * 10)},
            weights_sha256=weights,
            packages={"torch": torch.__version__},
        ),
        write=writer,
        reference=reference,
        sample=sample,
    )
