"""Questions about a scene graph: exact spatial tools, and vision-language models that read the graph and use them."""
