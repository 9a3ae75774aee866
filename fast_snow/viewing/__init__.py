"""Pictures of a scene graph: a page for the browser, and objects drawn into images."""
