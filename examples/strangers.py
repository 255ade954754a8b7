"""Images that a reader of digits has not seen: letters, patches, digits made worse.

All have the 8 by 8 pixels and the range of scikit-learn's digits, `[0, 1]`.
"""

import numpy as np

# Capital and small letters that nobody takes for a digit.
LETTERS = "ACEFHJKMNPRTUVWXYadefhkmnprtuvwxy"
SIZE = 8


def letters(count, seed=0):
    """Printed letters, made small as the digits were: black dots of 32 x 32 counted.

    A letter, a type face of those that Matplotlib brings along, a size and a place
    are drawn at random for each.
    """
    generator = np.random.default_rng(seed)
    faces = _faces()
    found = []
    for _ in range(count):
        letter = LETTERS[generator.integers(len(LETTERS))]
        face = faces[generator.integers(len(faces))]
        found.append(_drawn(letter, face, generator))
    return np.stack(found).astype("float32")


def _faces():
    from matplotlib import font_manager, get_data_path

    names = "DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "STIXGeneral", "cmr10"
    folder = f"{get_data_path()}/fonts/ttf"
    return [font_manager.FontProperties(fname=f"{folder}/{n}.ttf") for n in names]


def _drawn(letter, face, generator):
    """One letter that fills the field from top to bottom, as the digits do."""
    from matplotlib.path import Path
    from matplotlib.textpath import TextPath

    outline = TextPath((0, 0), letter, size=1, prop=face)
    low, high = outline.vertices.min(axis=0), outline.vertices.max(axis=0)
    height = generator.uniform(0.85, 1.0)
    scale = min(height / (high - low)[1], 0.95 / (high - low)[0])
    shift = generator.uniform(-0.04, 0.04, 2)
    vertices = (outline.vertices - (low + high) / 2) * scale + 0.5 + shift
    grid = (np.arange(4 * SIZE) + 0.5) / (4 * SIZE)
    dots = np.stack(np.meshgrid(grid, grid[::-1]), -1).reshape(-1, 2)
    inside = Path(vertices, outline.codes).contains_points(dots)
    return inside.reshape(SIZE, 4, SIZE, 4).mean(axis=(1, 3))


def patches(count, seed=0):
    """Patches of a photograph."""
    from sklearn.datasets import load_sample_image

    photo = load_sample_image("china.jpg").mean(axis=2) / 255
    generator = np.random.default_rng(seed)
    rows = generator.integers(0, photo.shape[0] - SIZE, count)
    columns = generator.integers(0, photo.shape[1] - SIZE, count)
    found = [
        photo[r : r + SIZE, c : c + SIZE] for r, c in zip(rows, columns, strict=True)
    ]
    return np.stack(found).astype("float32")


def turned(images, labels):
    """Digits on their side, without those that look the same then."""
    return np.rot90(images[~np.isin(labels, (0, 8))], axes=(1, 2)).copy()


def worn(images, angle=15, noise=0.1, seed=0):
    """Digits as a bad scanner sees them: tilted to either side, and with noise."""
    from scipy import ndimage

    generator = np.random.default_rng(seed)
    options = {"axes": (2, 1), "reshape": False, "order": 1}
    left, right = (ndimage.rotate(images, a, **options) for a in (angle, -angle))
    tilted = np.where(generator.random(len(images))[:, None, None] < 0.5, left, right)
    dots = noise * generator.normal(size=tilted.shape)
    return np.clip(tilted + dots, 0, 1).astype("float32")
