"""What happens where memory runs out."""

import pytest

from fast_snow.errors import EngineError, FastSnowWarning

torch = pytest.importorskip("torch")
from fast_snow.engines.torch_runtime.memory import in_smaller_pieces  # noqa: E402

CPU = torch.device("cpu")


def fits(limit: int):
    def attempt(size: int) -> int:
        if size > limit:
            raise torch.OutOfMemoryError
        return size

    return attempt


def test_what_fits_is_done_at_once():
    assert in_smaller_pieces(fits(8), 8, what="frames", advice="", device=CPU) == 8


def test_pieces_are_halved_until_they_fit():
    with pytest.warns(FastSnowWarning, match="frames: memory ran out, went on with") as told:
        assert in_smaller_pieces(fits(3), 9, what="frames", advice="", device=CPU) == 2
    assert len(told) == 2


@pytest.mark.filterwarnings("ignore::fast_snow.errors.FastSnowWarning")
def test_where_nothing_fits_the_message_says_what_to_do():
    with pytest.raises(EngineError) as refused:
        in_smaller_pieces(fits(1), 8, what="frames", advice="choose a smaller model", device=CPU, smallest=2)
    assert str(refused.value) == "frames: 2 did not fit into the memory of this machine; choose a smaller model"
