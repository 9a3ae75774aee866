"""Live inputs: streams, cameras, pipes, and files played in real time.

A thread reads and samples; frames wait in a bounded backlog until the run takes them.
"""
