"""Readers of ground truth in the formats of public data sets; files are untrusted.

A reader takes the path of a file or folder and the manifest's entry of it, a `TruthSource`: which of its numbers is the
input's first frame, how many frames belong to the clip, which classes count. It raises `InputError` where a file is
missing or damaged, has nothing of the clip's frames, an id twice in a frame, or sizes that differ.
"""
