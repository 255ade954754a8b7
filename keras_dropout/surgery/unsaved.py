"""Which rates a saved model would not hold."""

from keras_dropout._model import flatten_layers
from keras_dropout.constraints.saved import saved
from keras_dropout.schedules import Schedule


def unsaved(model, asked, switches):
    """The paths of the places whose new rates the configuration does not carry.

    Args:
        model: The model.
        asked: By place, the rate that it will have.
        switches: The attributes around them, as they are before.
    """
    ids = saved(model, flatten_layers(model))
    if id(model) not in ids:
        # It cannot be saved but by its weights.
        return []
    return [
        p.path for p, rate in asked.items() if not _is_saved(p, asked, ids, switches)
    ]


def _is_saved(place, asked, ids, switches):
    rate = asked[place]
    if id(place.layer) in ids:
        return True
    if isinstance(rate, Schedule):
        return False
    # The nearest layer around that writes a configuration makes the others from it.
    writer = next(each for each in reversed(place.holders) if id(each) in ids)
    if place.attribute in writer.get_config():
        return True
    return any(
        each.holder is writer and each.carries(place, asked) for each in switches
    )
