"""The package of Depth Anything 3, imported without the noise it makes."""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated", category=UserWarning)
    warnings.filterwarnings("ignore", message=r"`torch\.jit\.script` is deprecated", category=FutureWarning)
    from depth_anything_3.cfg import create_object, load_config
    from depth_anything_3.model import dpt, dualdpt
    from depth_anything_3.model.dinov2 import vision_transformer
    from depth_anything_3.model.dinov2.layers import rope
    from depth_anything_3.registry import MODEL_REGISTRY
    from depth_anything_3.utils.logger import logger

__all__ = ["MODEL_REGISTRY", "create_object", "dpt", "dualdpt", "load_config", "logger", "rope", "vision_transformer"]
