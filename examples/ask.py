"""A question about a finished run, answered by a vision-language model. Needs the extra `vlm` and OPENAI_API_KEY.

Run it: fast-snow infer examples/scene.mp4 -o out/scene, then
python examples/ask.py out/scene "Which objects move?"
"""

import os
import sys

import fast_snow

if __name__ == "__main__":
    folder, question = sys.argv[1:]
    if "OPENAI_API_KEY" not in os.environ:
        sys.exit("ask.py: no key, expected one in OPENAI_API_KEY: export it (docs/providers.md lists other models)")
    try:
        answer = fast_snow.ask(folder, question)
    except fast_snow.FastSnowError as error:
        sys.exit(f"ask.py: {error}")
    print(answer.text)
