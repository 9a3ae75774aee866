"""Spatial tools: exact answers from a scene graph, with units, uncertainty and the frames they rest on."""
