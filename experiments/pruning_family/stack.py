"""Vertical stack of pictures of the same width: python experiments/pruning_family/stack.py OUT.png IN.png ..."""

import sys

from PIL import Image


def main() -> None:
    """Stack the input pictures and write the result to the first path of the command line."""
    output, *inputs = sys.argv[1:]
    pictures = [Image.open(path).convert("RGB") for path in inputs]
    width = max(picture.width for picture in pictures)
    stacked = Image.new("RGB", (width, sum(picture.height for picture in pictures)), "white")
    top = 0
    for picture in pictures:
        stacked.paste(picture, (0, top))
        top += picture.height
    stacked.save(output)


if __name__ == "__main__":
    main()
