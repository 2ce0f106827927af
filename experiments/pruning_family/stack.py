"""Put pictures of the same width under each other: python experiments/pruning_family/stack.py OUT.png IN.png ..."""

import sys

from PIL import Image


def main() -> None:
    """Read the pictures named on the command line and write the first."""
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
