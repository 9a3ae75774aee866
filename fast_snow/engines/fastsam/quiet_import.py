"""Ultralytics, kept quiet, offline and out of the user's folders."""

import atexit
import logging
import os
import shutil
import tempfile
from functools import cache
from types import ModuleType

import cv2
from PIL import Image


@cache
def ultralytics() -> ModuleType:
    """Import ultralytics such that it installs nothing, asks no server and writes no settings where the user lives.

    What the environment already says of it stands. Import its parts only after this.
    """
    if "YOLO_CONFIG_DIR" not in os.environ:
        settings = tempfile.mkdtemp(prefix="fast-snow-ultralytics-")
        atexit.register(shutil.rmtree, settings, ignore_errors=True)
        os.environ["YOLO_CONFIG_DIR"] = settings
    for name, value in (("YOLO_AUTOINSTALL", "false"), ("YOLO_OFFLINE", "true"), ("YOLO_VERBOSE", "false")):
        os.environ.setdefault(name, value)
    threads, open_image = cv2.getNumThreads(), Image.open
    import ultralytics as package
    import ultralytics.utils

    # Importing ultralytics changes both for the whole process; its way of opening images may install packages.
    cv2.setNumThreads(threads)
    Image.open = open_image
    logging.getLogger("ultralytics").setLevel(logging.ERROR)
    return package
