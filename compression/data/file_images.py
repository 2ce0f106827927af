"""Images that stay in their files until they are used."""

from torch import Tensor

from compression.core.preparation import Preparation
from compression.data.decode import RGB_CENTRE, read_image


class FileImages:
    """Images decoded from their files at each access; ``source[i]`` is uint8 ``[C, image_size, image_size]``."""

    def __init__(self, paths: list[str], *, image_size: int, preparation: Preparation = RGB_CENTRE) -> None:
        self.paths = paths
        self.image_size = image_size
        self.preparation = preparation

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int, /) -> Tensor:
        return read_image(self.paths[index], image_size=self.image_size, preparation=self.preparation)
