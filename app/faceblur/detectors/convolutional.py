"""Detectors that are one fully convolutional network, which looks at pictures of any size at their own scale."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from faceblur.detectors import network
from faceblur.detectors.base import Detector, Rows
from faceblur.detectors.network import Network, Tensor, blob
from faceblur.images import Image


class FullyConvolutional(Detector):
    """Looks at pictures at their own size, at several of one size together where that is quicker.

    The network wants (value − mean) · scale, mean in the order of its channels: BGR, or with `rgb` RGB.
    """

    step = 32  # what the coarsest grid of each of these networks wants

    def __init__(
        self,
        name: str,
        net: Network,
        *,
        rgb: bool = False,
        scale: float = 1.0,
        mean: tuple[float, float, float] = (0, 0, 0),
    ) -> None:
        super().__init__(name)
        self._network = net
        self._rgb, self._scale, self._mean = rgb, scale, mean

    @abstractmethod
    def decoded(self, found: Mapping[str, Tensor], height: int, width: int) -> Rows:
        """The rows of one picture of that size, from what the network said of it, by name of output."""

    def at_once(self, width: int, height: int) -> int:
        return network.at_once(width, height)

    def batch(self, images: Sequence[Image]) -> list[Rows]:
        answers: dict[int, Rows] = {}
        for group in network.alike(images, self.at_once):
            pictures = [images[i] for i in group]
            found = self._network.run(blob(*pictures, rgb=self._rgb, scale=self._scale, mean=self._mean))
            for k, i in enumerate(group):
                answers[i] = self.decoded({name: value[k] for name, value in found.items()}, *images[i].shape[:2])
        return [answers[i] for i in range(len(images))]
