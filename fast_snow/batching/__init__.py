"""Many videos: workers perceive windows, processes beside them fold each in order (docs/adr/010-many-videos.md)."""
